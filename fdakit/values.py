"""The values that travel through fdakit: frozen, checked once when made, printed as shapes.

Shapes are written `(v, t, d)`: v videos, t frames, q texts, d embedding width, h and w pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import DatasetError, VideoError
from .frame_placement import FramePlacement
from .random_keys import keyed_rng
from .split_rules import check_moments, check_text, settled_protocol

if TYPE_CHECKING:
    import torch

Place = Literal["worker", "device"]


def describe(value: object) -> str:
    """Shape and type of an array or tensor, for messages and reprs."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return repr(value)
    return f"{getattr(value, 'dtype', '?')}{tuple(shape)}"


@dataclass(frozen=True)
class VideoRef:
    """A video as a data set names it: an id, a file, and optionally a segment in seconds."""

    id: str
    path: Path
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise DatasetError(
                f"video {self.id!r}: segment from {self.start} to {self.end} s is empty; give an end after the start"
            )

    @property
    def content(self) -> tuple[str, float | None, float | None]:
        """What two references share when they mean the same footage."""
        return (str(self.path), self.start, self.end)


@dataclass(frozen=True)
class Caption:
    """One sentence and the id of the video it belongs to.

    `moments` are the windows of the video that it describes, each from start to end in seconds; none where the data
    set states none, and the sentence is about the whole video. Retrieval of videos takes no notice of them. Raises
    `DatasetError` if one starts before the video, or does not end after it starts.
    """

    text: str
    video_id: str
    moments: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.moments:
            check_moments(self.video_id, self.moments)


@dataclass(frozen=True)
class PublishedCounts:
    """How many videos and captions a split has as published; captions None if publications differ."""

    videos: int
    captions: int | None = None


@dataclass(frozen=True)
class SourceFile:
    """A file or folder of a data set's layout: what it is, where to get it, and how to know it.

    `path` is relative to the data set's root, `others` are names under which it circulates too; one of them
    is enough. `sha256` lists the digests of known copies, none where no copy is known; `splits` the splits that
    need it, none for all of them; what is `optional` may be absent.
    """

    path: str
    what: str
    origin: str
    others: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Split:
    """The videos and captions of one split, with the protocol they are scored under.

    `protocol` is `single-caption` (one caption a video), `multi-caption` (several, each a query of its own) or
    `paragraph` (all sentences of a video joined to one caption); left out, it is one of the first two, by the
    captions. Where only some of the captions of each video are queries, it is `first-caption` or `five-captions`.
    `remarks` say in words how the files found differ from the published split. Raises `DatasetError` if ids repeat, a
    caption names no video, a video has more captions than its protocol allows, or a name or caption is no text that
    can be written down.
    """

    name: str
    videos: tuple[VideoRef, ...]
    captions: tuple[Caption, ...]
    protocol: str = ""
    left_out: tuple[str, ...] = ()  # ids named by the data set whose file is absent
    official: PublishedCounts | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [video.id for video in self.videos]
        known = set(ids)
        if len(known) != len(ids):
            twice = sorted({i for i in ids if ids.count(i) > 1})[:5]
            raise DatasetError(f"split {self.name!r}: ids appear twice: {twice}; make them unique")
        strangers = sorted({c.video_id for c in self.captions} - known)[:5]
        if strangers:
            raise DatasetError(f"split {self.name!r}: captions name videos that are not in it: {strangers}")
        check_text(self.name, videos=((v.id, str(v.path)) for v in self.videos), captions=self._pairs())
        object.__setattr__(self, "protocol", settled_protocol(self.name, self.protocol, captions=self._pairs()))

    def _pairs(self) -> Iterator[tuple[str, str]]:
        return ((caption.video_id, caption.text) for caption in self.captions)

    def __repr__(self) -> str:
        return f"Split({self.name!r}, {len(self.videos)} videos, {len(self.captions)} captions)"


@dataclass(frozen=True)
class Needs:
    """What a mask asks the reader for besides the sampled frames.

    `neighbours` are gaps in native frames: `(-1,)` asks for the frame shown just before each sampled one. Where that
    shows the same picture again, as in a film of 25 pictures a second shown at 30, the nearest one farther away
    that shows another is given, up to five frames beyond.
    `luma` asks for the decoder's own grey beside all of them.
    `placement` asks for where frames and pixels come from: `Clip.indices` and `Clip.placement`.
    """

    neighbours: tuple[int, ...] = ()
    motion_vectors: bool = False
    luma: bool = False
    placement: bool = False


@dataclass(frozen=True)
class Clip:
    """Sampled frames of one video: uint8 numpy `(t, h, w, 3)` in ascending time; `id` is the video's.

    `neighbours` maps a gap to frames of the same shape; where the file has no such frame, the nearest one that exists
    stands there.
    `luma`, where it was asked for, maps a gap, 0 for the frames themselves, to uint8 `(t, h, w)`.
    `motion_vectors` are float32 `(n, 6)` a frame, or None if the codec gives none: centre x and y of a block,
    its width and height, and how far its content moved to the right and down on its way from the frame it is
    predicted from (of unknown distance, forward in time), all in pixels of these frames. Of a frame that repeats the
    picture before it, they are those of the frame that first showed it.
    `pixel_aspect` is the width of a pixel over its height, as the upright picture is meant to be shown.
    `indices (t,)` are the numbers of the frames in the video, or in its segment, from 0, and `placement` is the part
    of the picture that they show; None where they were not asked for, or where there is no file.
    """

    id: str
    frames: Any
    times: NDArray[np.float64]
    neighbours: Mapping[int, Any] = field(default_factory=dict)
    motion_vectors: tuple[Any, ...] | None = None
    seed: int = 0
    pixel_aspect: float = 1.0
    luma: Mapping[int, Any] = field(default_factory=dict)
    indices: NDArray[np.int64] | None = None
    placement: FramePlacement | None = None

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[0] == 0:
            raise VideoError(f"video {self.id!r}: frames {describe(self.frames)}; wanted (t, h, w, 3), t > 0")
        if self.times.shape != (self.frames.shape[0],):
            raise VideoError(
                f"video {self.id!r}: times {describe(self.times)} beside frames {describe(self.frames)}; "
                "wanted one time a frame"
            )
        for gap, frames in self.neighbours.items():
            if frames.shape != self.frames.shape:
                raise VideoError(
                    f"video {self.id!r}: neighbours at {gap} are {describe(frames)}; "
                    f"wanted the shape of the frames, {describe(self.frames)}"
                )

    def placed(self, indices: NDArray[np.int64]) -> Clip:
        """Return the clip as a reader gave it, with the numbers of its frames, which show the whole picture."""
        return replace(self, indices=indices, placement=FramePlacement(self.frames.shape[1:3]))

    def rng(self) -> np.random.Generator:
        """Return a fresh generator keyed by the clip: two calls draw the same numbers."""
        return keyed_rng(self.seed, self.id)

    def __repr__(self) -> str:
        return f"Clip({self.id!r}, frames={describe(self.frames)}, neighbours={sorted(self.neighbours)})"


@dataclass(frozen=True)
class UnreadableVideo:
    """A video that could not be read, and the worded reason."""

    id: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Clips padded to one length.

    frames uint8 `(v, t, 3, h, w)`; alphas by control name, float32 `(v, t, 1, h, w)` in [0, 1];
    valid bool `(v, t)`, false where a clip was padded; times float64 `(v, t)` in seconds.
    In training `texts` holds one caption for each video, in the same order. If the mask works on the device,
    there are no alphas; `neighbours` and `luma`, by gap, are what it needs: uint8 `(v, t, 3, h, w)`, `(v, t, h, w)`;
    neighbours at gap 0 are the frames in their own colours, if training changes those of `frames`.
    On a GPU these pixels lie there already; the rest is on the CPU.
    `extra` is what parts give of the pairs, such as a teacher's scores: by name, a tensor `(v, ...)` on the CPU or a
    tuple, a row a pair; see `fdakit.plugin.GivesExtra`.
    """

    ids: tuple[str, ...]
    frames: torch.Tensor
    alphas: Mapping[str, torch.Tensor]
    valid: torch.Tensor
    times: torch.Tensor
    texts: tuple[str, ...] = ()
    lost: tuple[UnreadableVideo, ...] = ()
    neighbours: Mapping[int, torch.Tensor] = field(default_factory=dict)
    luma: Mapping[int, torch.Tensor] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        alphas = ", ".join(f"{name}={describe(a)}" for name, a in self.alphas.items())
        return f"Batch({len(self.ids)} clips, frames={describe(self.frames)}, {alphas})"


@dataclass(frozen=True)
class Scores:
    """Similarities `matrix (q, v)`, rows captions and columns videos; `owners (q,)` column of the truth.

    Cosines are float32; a rescorer may give float64. `lost` marks the columns of videos that could not be read; their
    scores mean nothing.
    """

    matrix: NDArray[np.floating[Any]]
    owners: NDArray[np.int64]
    lost: NDArray[np.bool_]

    def __post_init__(self) -> None:
        queries, videos = self.matrix.shape
        if self.owners.shape != (queries,) or self.lost.shape != (videos,):
            raise ValueError(
                f"matrix {describe(self.matrix)}, owners {describe(self.owners)}, lost {describe(self.lost)}; "
                "wanted (q, v), (q,) and (v,)"
            )

    def __repr__(self) -> str:
        return f"Scores(matrix={describe(self.matrix)}, lost={int(self.lost.sum())})"
