"""For tests of plugins: small components, plugin modules in memory, and distributions on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from fdakit.plugin import BuildContext, Component, Needs, Options, Preprocess, hookimpl


class NoOptions(Options):
    """Nothing to choose."""


class AnyPart:
    """Has the members of every kind of part, and keeps what it was made with."""

    needs, place = Needs(), "worker"
    shapes, preprocess = BuildContext(), Preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pixel_form, frame_count, gives, stores = "normalised", None, "vector", "vector"
    uses = accepts = frozenset({"pixels"})
    needs_tokens = needs_all_queries = needs_bank = repeats = exact = False
    directions = ("t2v", "v2t")

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __call__(self, *asked: Any, **named: Any) -> Any:
        raise NotImplementedError

    frames = draws = times = read = encode_videos = encode_texts = score = splits = load = sync = search = __call__


def component(
    name: str = "mine", build: Callable[[Any, Any], Any] | None = None, options: type[Options] = NoOptions
) -> Component[Any, Any]:
    """A component whose part fits any kind and holds its name, unless `build` makes another."""
    return Component(name, f"the part {name}", options, build or (lambda options, shapes: AnyPart(name)))


def plugin(module: str = "stranger", **hooks: Callable[..., object]) -> ModuleType:
    """A plugin module: each keyword is a hook, as `fdakit_masks=lambda: [...]`."""
    made = ModuleType(module)
    for name, function in hooks.items():
        function.__name__ = name
        setattr(made, name, hookimpl(function))
    return made


def offering(kind: str, *components: Component[Any, Any], module: str = "stranger") -> ModuleType:
    """A plugin module that offers components of one kind."""
    return plugin(module, **{f"fdakit_{kind}s": lambda: components})


def distribution(folder: Path, name: str, code: str, *, module: str, entry: str = "main") -> None:
    """An installed distribution: a module and the `.dist-info` through which `importlib.metadata` finds it."""
    register(folder, name, module=module, entry=entry)
    (folder / f"{module}.py").write_text(dedent(code), encoding="utf-8")


def register(folder: Path, name: str, *, module: str, entry: str) -> None:
    """The `.dist-info` alone, of a module that lies elsewhere."""
    info = folder / f"{name.replace('-', '_')}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[fdakit]\n{entry} = {module}\n", encoding="utf-8")


MASK_PLUGIN = """
from fdakit.plugin import Component, Options, hookimpl

class NoOptions(Options):
    pass

@hookimpl
def fdakit_masks():
    return [Component(NAME, "a mask", NoOptions, lambda options, shapes: NAME)]
"""


def mask_plugin(name: str) -> str:
    """Source of a module that offers one mask of that name."""
    return f"NAME = {name!r}\n{MASK_PLUGIN}"


def document(**tables: Any) -> dict[str, Any]:
    """The shortest recipe that passes, with tables added or replaced."""
    return {"dataset": {"use": "msvd"}, "encoder": {"use": "tiny"}, **tables}


def lines(faults: Iterable[str], where: str) -> Mapping[str, str]:
    """Faults `where: key: text` as key -> text; a key that is named twice is an error of the test."""
    split = [tuple(fault.removeprefix(f"{where}: ").split(": ", 1)) for fault in faults]
    assert len({key for key, _ in split}) == len(split), faults
    return dict(split)
