"""What masks and fusions may offer beside their contract, as in `fdakit.plugin.abilities`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fdakit.features import Fused
from fdakit.values import Clip

from .contracts import Stem

if TYPE_CHECKING:
    import torch


@runtime_checkable
class RemarksOnFrames(Protocol):
    """A mask that says why a frame has another mask than the one it looked for; `fdakit data masks` counts them."""

    def remarks(self, clip: Clip) -> Sequence[str]:
        """Return a short word a frame, such as "cut" or "empty"; "" for the mask that it looked for."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A mask that reads files of its own for each video: a stored mask is used only while they are the same."""

    def version(self, video_id: str) -> str:
        """Return a digest of the contents of the files that the mask of a video is made from; "" for none."""
        ...


@runtime_checkable
class FusesClips(Protocol):
    """A fusion for which a frame's clip matters, as to leave out what its other frames show."""

    def fuse_clips(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem, clips: torch.Tensor) -> Fused:
        """Return what a call does; `clips (n,)` int64 ascend and number the clip of each frame, its frames in time.

        A plain call is of single pictures.
        """
        ...
