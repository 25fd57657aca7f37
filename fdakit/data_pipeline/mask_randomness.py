"""Detection of random masks: a mask that never reads a seed or an id is stored once, any other for each of them.

The clip a mask is given behaves as ever, but records whether its seed or id was read: by `Clip.rng`, by name, or by
copying all fields. Masks need do nothing for that.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from fdakit.plugin.component import BuildContext
from fdakit.values import Clip

V = TypeVar("V", Clip, BuildContext)
_TOLD = ("seed", "id", "__dict__")


class AccessLog:
    """Whether a seed or an id was read. Once it was, a mask may hold on to the random numbers."""

    def __init__(self) -> None:
        self.looked = False

    def over(self, value: V) -> V:
        """Return the same value, probed."""
        kind = _ProbedClip if isinstance(value, Clip) else _ProbedContext
        watched: Any = kind(**{field.name: getattr(value, field.name) for field in fields(value)})
        object.__setattr__(watched, "_watch", self)
        return watched  # type: ignore[no-any-return]


class _Probe:
    _watch: AccessLog | None = None

    def __getattribute__(self, name: str) -> Any:
        if name in _TOLD:
            _tell(object.__getattribute__(self, "_watch"))
        return super().__getattribute__(name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        _tell(object.__getattribute__(self, "_watch"))  # later reads of a copy cannot be seen
        return super().__reduce_ex__(protocol)


def _tell(watch: AccessLog | None) -> None:
    if watch is not None:
        watch.looked = True


class _ProbedClip(_Probe, Clip):
    """A clip that records reads of its seed or id."""


class _ProbedContext(_Probe, BuildContext):
    """A build context that records reads of its seed."""


class RandomnessProbe:
    """A mask called with probed clips; `looked` is whether it, or its build, has read a seed or an id."""

    def __init__(self, mask: Any, watch: AccessLog) -> None:
        self.needs, self.place = mask.needs, mask.place
        self._mask, self._watch = mask, watch

    def __call__(self, clip: Clip) -> Any:
        return self._mask(self._watch.over(clip))

    @property
    def looked(self) -> bool:
        return self._watch.looked
