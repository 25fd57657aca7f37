"""Masks that people or other programs made: PNG files, SAM's run lengths, or boxes, found by the video's id.

In `folder` lie, for a video `ID`, either the folder `ID/` with a PNG file a frame, or the file `ID.json`. A mask is
of the whole upright picture, in any size of its aspect ratio; it follows the frames through resizing, crop and flip
by nearest pixel. A sampled frame takes the nearest mask, by its number in the video or segment, or by its time in the
file. All files of a video are checked when it is first asked for, whichever masks its frames take.
Source of the run lengths: the COCO API, as Segment Anything writes them (Kirillov et al., arXiv 2304.02643).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Clip,
    Component,
    DatasetError,
    FramePlacement,
    MaskGenerator,
    Needs,
    Options,
    Place,
    hookimpl,
)

from ._mask_paths import mask_paths
from ._mask_shapes import shape_fault

if TYPE_CHECKING:
    from ._mask_files import VideoMasks


class MaskFilesOptions(Options):
    """The folder, and what to do where it holds no mask."""

    folder: Path = Field(Path("masks"), description="folder with ID/ (PNG files) or ID.json for each video")
    missing: Literal["error", "empty", "full"] = Field(
        "error", description="a frame without a mask: an error that names it, nothing marked, or everything"
    )
    alpha: Literal["hard", "soft"] = Field(
        "hard", description="of a PNG, hard: what is not 0 is marked; soft: grey over white, in PNG of 8 bits"
    )
    first_frame: int = Field(0, ge=0, le=1_000_000, description="number that the files give the video's first frame")
    frame_tolerance: int = Field(
        0, ge=0, le=1_000_000, description="frames by which the nearest numbered mask may be off"
    )
    tolerance: float = Field(0.05, ge=0, le=86_400, description="seconds by which the nearest timed mask may be off")
    stretch: bool = Field(
        False, description="stretch a mask of another aspect ratio over the picture, instead of refusing it"
    )


class MaskFiles:
    """Reads the masks of each clip's video; keeps the list of one video."""

    needs = Needs(placement=True)
    place: Place = "worker"

    def __init__(self, options: MaskFilesOptions) -> None:
        self._options = options
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}
        self._sound: set[tuple[str, str]] = set()  # video and version of the files that were checked
        self._listed: tuple[str, str, VideoMasks | None] | None = None

    def version(self, video_id: str) -> str:
        """Return a digest of the names and contents of a video's mask files, "" for none."""
        from ._mask_files import digest

        return digest(self._options.folder, video_id, self._digests)

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return alpha `(t, h, w)`. Raises `DatasetError` naming video and file."""
        masks = self._masks(clip.id)
        return np.stack([self._mask(masks, clip, place) for place in range(len(clip.times))])

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return "missing" for each frame without a mask, "" for the others."""
        masks = self._masks(clip.id)
        found = (self._nearest(masks, clip, place) for place in range(len(clip.times)))
        return tuple("missing" if number is None else "" for number in found)

    def _masks(self, video_id: str) -> VideoMasks | None:
        from ._mask_files import find_masks

        version = self.version(video_id)
        if self._listed is None or self._listed[:2] != (video_id, version):
            options, new = self._options, (video_id, version) not in self._sound
            found = find_masks(options.folder, video_id, soft=options.alpha == "soft", check=new)
            self._sound.add((video_id, version))
            self._listed = (video_id, version, found)
        return self._listed[2]

    def _nearest(self, masks: VideoMasks | None, clip: Clip, place: int) -> int | None:
        """Return the place of a frame's mask in the list of its video; None if there is none near enough."""
        if masks is None:
            return None
        number, distance = masks.nearest(self._key(masks, clip, place))
        allowed = self._options.frame_tolerance if masks.numbered else self._options.tolerance
        return number if distance <= allowed else None

    def _key(self, masks: VideoMasks, clip: Clip, place: int) -> float:
        if not masks.numbered:
            return float(clip.times[place])
        return float(self._placed(clip)[0][place] + self._options.first_frame)

    def _mask(self, masks: VideoMasks | None, clip: Clip, place: int) -> NDArray[np.float32]:
        height, width = clip.frames.shape[1:3]
        number = self._nearest(masks, clip, place)
        if masks is None or number is None:
            if self._options.missing == "error":
                raise DatasetError(self._missing(masks, clip, place))
            return np.full((height, width), float(self._options.missing == "full"), np.float32)
        alpha, (_, placement) = masks.readers[number](), self._placed(clip)
        fault = shape_fault(
            alpha.shape, placement.shape, pixel_aspect=clip.pixel_aspect, stretch=self._options.stretch
        )
        if fault:
            raise DatasetError(f"{masks.source}: the mask at {masks.keys[number]:g} is {fault}")
        return placement.place(alpha, (height, width))

    def _missing(self, masks: VideoMasks | None, clip: Clip, place: int) -> str:
        remedy = 'add it, or set mask.missing = "empty" or "full"'
        if masks is None:
            pictures, table = mask_paths(self._options.folder, clip.id)
            return f"video {clip.id!r}: no masks; looked for PNG files in {pictures} and for {table}; {remedy}"
        key = self._key(masks, clip, place)
        number, distance = masks.nearest(key)
        asked, unit = (f"frame {key:g}", "frames") if masks.numbered else (f"{key:.3f} s", "s")
        option = "frame_tolerance" if masks.numbered else "tolerance"
        return (
            f"video {clip.id!r}: no mask for {asked} in {masks.source}; the nearest, {masks.keys[number]:g}, is "
            f"{distance:.4g} {unit} away; {remedy}, or a larger mask.{option}"
        )

    def _placed(self, clip: Clip) -> tuple[NDArray[np.int64], FramePlacement]:
        if clip.indices is None or clip.placement is None:
            raise DatasetError(f"video {clip.id!r}: frames in memory have no place in a file; give the file")
        return clip.indices, clip.placement


def build(options: MaskFilesOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask, which reads nothing until it is given a clip."""
    return MaskFiles(options)


FILES = Component(
    "files",
    "masks made by people or other programs: PNG, SAM's JSON, or boxes, by video id",
    MaskFilesOptions,
    build,
    when="there are masks of what matters, or a better method than fdakit's made them",
    remedies={"missing": "have no mask file near them; make masks of them, or raise the tolerance"},
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (FILES,)
