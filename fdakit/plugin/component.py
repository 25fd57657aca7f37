"""What a part declares of itself: `Component` with its `Options`, and the `BuildContext` it is built with.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import TypeVar

from fdakit.errors import PluginError, nearest


class Options(BaseModel):
    """Base of every part's options: frozen, unknown keys refused, no infinity or NaN, strict types.

    Sequences are tuples. No option means two things by its type. A part that has named settings lists them in
    `presets` and declares a field `preset` with their names: the chosen one stands in for defaults, and what is
    set beside it wins.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="after")
    def _take_preset(self) -> Self:
        # Not before validation: there, what is strict about JSON would be strict about Python.
        for key, value in self.presets.get(getattr(self, "preset", ""), {}).items():
            if key not in self.model_fields_set:
                self.__dict__[key] = value  # frozen for everybody else
        return self


@dataclass(frozen=True)
class MayBePath:
    """Marks a text option that may name a file: `weights: Annotated[str, MayBePath()]`.

    A resolved recipe keeps the absolute path of a file that is there, as it does for options of type `Path`. With a
    `prefix`, what follows it is always a path.
    """

    prefix: str = ""


@dataclass(frozen=True, init=False)
class WorksIf:
    """Marks an option without effect unless another has one of some values.

    `gap: Annotated[int, WorksIf("reference", "native")] = 1`: `fdakit check` and `fdakit run` warn of a recipe that
    sets `gap`, to anything but its default, beside another reference.
    """

    option: str
    values: tuple[object, ...]

    def __init__(self, option: str, *values: object) -> None:
        object.__setattr__(self, "option", option)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, init=False)
class IdleIf:
    """Marks an option without effect where others have all of these values.

    `limit: Annotated[float, IdleIf(fallback="none")] = 0.9`, told of as `WorksIf` is. Marks may be several.
    """

    values: tuple[tuple[str, object], ...]

    def __init__(self, **values: object) -> None:
        object.__setattr__(self, "values", tuple(values.items()))


@dataclass(frozen=True)
class AtMost:
    """Marks a number without effect above that of another option: `part: Annotated[int, AtMost("whole")] = 1`."""

    option: str


def options_named(mark: object) -> tuple[str, ...]:
    """Return the other options that a mark `WorksIf`, `IdleIf` or `AtMost` names; none for anything else."""
    if isinstance(mark, IdleIf):
        return tuple(name for name, _ in mark.values)
    return (mark.option,) if isinstance(mark, WorksIf | AtMost) else ()


@dataclass(frozen=True)
class BuildContext:
    """Facts of the run that a part may need to build itself. What no encoder has told yet is 0.

    `grid` is the token grid (rows, columns); `width` the token width; `embedding` the width of the
    vectors that are compared. Masks, samplers, readers and datasets see only the first four.
    `pretrained` is false where a checkpoint fills the weights right after, so none need be fetched.
    """

    image_size: int = 224
    seed: int = 0
    cache: Path = Path()
    device: str = "cpu"
    grid: tuple[int, int] = (0, 0)
    prefix_tokens: int = 0
    width: int = 0
    embedding: int = 0
    layers: int = 0
    heads: int = 0
    context_length: int = 0
    vocabulary: int = 0
    stem: tuple[StemConvolution, ...] = ()
    pretrained: bool = True


@dataclass(frozen=True)
class StemConvolution:
    """One convolution that reads RGB: its name in the tower and the facts to put another beside it."""

    name: str
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    dilation: tuple[int, int] = (1, 1)


O_contra = TypeVar("O_contra", bound=BaseModel, contravariant=True)
P_co = TypeVar("P_co", covariant=True)
C_contra = TypeVar("C_contra", contravariant=True, default=BuildContext)

_SETS = ("accepts", "uses")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Component(Generic[O_contra, P_co, C_contra]):
    """A part on offer: `name`, one line of `summary`, its `options` model, and `build(options, shapes)`.

    `shapes` is a `BuildContext`; a vector store is built with a `StoreContext` in its place. `when` tells in one
    line when to choose it, for `fdakit show`. `remedies` of a mask end the advice of `fdakit data masks`: by
    finding (`empty`, `full`, `cut`) what to do about it, as "lower its threshold", and by a word that the mask
    remarks what such frames lack, as "have no motion vectors; take a mask that needs none". `declares` holds
    members of the part that are the same whatever the options, as `{"accepts": frozenset({"pixels"})}`, so that
    `fdakit check` can compare parts without building them. Declare a component as a module constant; the module
    must be importable without torch. Raises `PluginError` if the name is not lower-case words joined by hyphens.
    """

    name: str
    summary: str
    options: type[BaseModel]
    build: Callable[[O_contra, C_contra], P_co]
    when: str = ""
    remedies: Mapping[str, str] = field(default_factory=dict, hash=False)
    declares: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise PluginError(
                f"component {self.name!r}: not a usable name; use lower-case words joined by hyphens, as 'my-mask'"
            )
        for what in ("summary", "when"):
            if not isinstance(text := getattr(self, what), str):
                raise PluginError(f"component {self.name!r}: {what} is {text!r}; give one line of text")
        if not (isinstance(self.options, type) and issubclass(self.options, BaseModel)):
            raise PluginError(
                f"component {self.name!r}: options is {self.options!r}; give a class derived from "
                "fdakit.plugin.Options"
            )
        options = self.options.model_fields
        for key, option in options.items():
            if unknown := {name for mark in option.metadata for name in options_named(mark)} - options.keys():
                raise PluginError(
                    f"component {self.name!r}: option {key!r} depends on {min(unknown)!r}, which is none of its "
                    f"options; {nearest(min(unknown), options)}"
                )
        odd = not isinstance(self.declares, Mapping)
        if odd or any(not isinstance(self.declares.get(name, frozenset()), frozenset) for name in _SETS):
            raise PluginError(
                f"component {self.name!r}: declares is {self.declares!r}; give members of the part by name, "
                f"{' and '.join(_SETS)} as frozenset"
            )
        if not callable(self.build):
            raise PluginError(f"component {self.name!r}: build is {self.build!r}; give build(options, shapes)")
