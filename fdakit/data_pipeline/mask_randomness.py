"""Whether a mask draws: one that never looks at a seed or an id is kept once, any other for each of them.

What a mask is given looks and behaves as ever, but remembers that its seed or id was asked for: by `Clip.rng`, by
name, or by copying all fields. Nothing is asked of masks for that.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from fdakit.plugin.component import BuildContext
from fdakit.values import Clip

V = TypeVar("V", Clip, BuildContext)
_TOLD = ("seed", "id", "__dict__")


class AccessLog:
    """Whether a seed or an id was asked for. Once it was, a mask may keep what it drew."""

    def __init__(self) -> None:
        self.looked = False

    def over(self, value: V) -> V:
        """Return the same value, watched."""
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
        _tell(object.__getattribute__(self, "_watch"))  # what becomes of a copy is not seen
        return super().__reduce_ex__(protocol)


def _tell(watch: AccessLog | None) -> None:
    if watch is not None:
        watch.looked = True


class _ProbedClip(_Probe, Clip):
    """A clip that tells when its seed or id is looked at."""


class _ProbedContext(_Probe, BuildContext):
    """Shapes that tell when their seed is looked at."""


class RandomnessProbe:
    """A mask as it is, on watched clips; `looked` says whether it, or its build, has looked at a seed or an id."""

    def __init__(self, mask: Any, watch: AccessLog) -> None:
        self.needs, self.place = mask.needs, mask.place
        self._mask, self._watch = mask, watch

    def __call__(self, clip: Clip) -> Any:
        return self._mask(self._watch.over(clip))

    @property
    def looked(self) -> bool:
        return self._watch.looked
