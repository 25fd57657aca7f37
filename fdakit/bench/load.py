"""`fdakit bench load`: a clip made ready for the model, by fdakit and by the pipelines that others use.

Ready means uint8 frames at the tower's size, shortest side resized bicubically with antialiasing, middle cut out.
Normalising is left out on all sides: fdakit does it on the model's device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.errors import VideoError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.document import Document
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate
from fdakit.values import UnreadableVideo, VideoRef
from fdakit.video.decode import frame_times, read_frames
from fdakit.video.transform import FrameTransform

from .clips import Frames, Own, ReaderTimes, one_thread, spread, time_clips
from .decode import peer_reads, surroundings
from .peers import CLIP4CLIP, TORCHCODEC, Peer, extract_seconds, find_peers
from .ratios import OURS, quotients, summarise

MASKED, STORED = f"{OURS}, frame-difference", f"{OURS}, warm frame store"


def bench_load(
    paths: Sequence[Path],
    *,
    catalog: Catalog,
    frames: int = 12,
    size: int = 224,
    rounds: int = 15,
    peers: Sequence[str] | None = None,
    progress: Callable[[Path], None] = lambda path: None,
) -> dict[str, Any]:
    """Time making `frames` frames of `size` px of every clip ready.

    fdakit's rows: without a mask, with the frame-difference mask, and from a frame store that holds the clip (in a
    folder of its own, deleted afterwards); all through the `ClipDataset` of training and evaluation. `summary` as in
    `bench_decode` for the first of them, and `mask`: seconds with the mask by those without, `frame_store`: seconds
    without by those from the store.
    Raises `FdakitError` as `find_peers` does.
    """
    found = find_peers(load_peers(size), peers)
    rivals = [name for name, peer in found.peers.items() if not peer.slow]
    slow = [name for name, peer in found.peers.items() if peer.slow]
    with (
        TemporaryDirectory(prefix="fdakit-bench-", ignore_cleanup_errors=True) as scratch,
        one_thread(found.modules.values()),
    ):
        own = _own(paths, _recipes(catalog, frames, Path(scratch)), size)
        clips, stopped = time_clips(paths, own, peer_reads(found, frames), rounds=rounds, progress=progress)
    seconds = [clip["seconds"] for clip in clips]
    summary = summarise(seconds, rivals=rivals, slow=slow)
    summary["mask"] = quotients(seconds, over=MASKED)
    summary["frame_store"] = quotients(seconds, over=OURS, under=STORED)
    facts = {**surroundings(found, rounds, stopped), "frames_asked": frames, "size": size}
    return {**facts, "clips": clips, "summary": summary}


def load_peers(size: int) -> tuple[Peer, ...]:
    """Return the peers that give frames of `size` px.

    torchcodec resizes with torchvision, CLIP4Clip with PIL.
    """
    return (
        replace(TORCHCODEC, read=partial(_read_torchcodec, size=size)),
        replace(CLIP4CLIP, read=partial(_read_clip4clip, size=size)),
    )


def _read_torchcodec(path: Path, frames: int, *, size: int) -> ReaderTimes:
    from torchcodec.decoders import VideoDecoder
    from torchvision.transforms import v2

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, seek_mode="exact")
    indices = spread(len(decoder), frames)
    resize = v2.Resize(size, v2.InterpolationMode.BICUBIC, antialias=True)
    ready = v2.CenterCrop(size)(resize(decoder.get_frames_at(indices.tolist()).data))
    return ReaderTimes(indices, ready.permute(0, 2, 3, 1).numpy())


def _read_clip4clip(path: Path, frames: int, *, size: int) -> ReaderTimes:
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    resize, cut = Resize(size, InterpolationMode.BICUBIC), CenterCrop(size)
    return extract_seconds(path, frames, lambda picture: cut(resize(picture)))


def _recipes(catalog: Catalog, frames: int, store: Path) -> dict[str, Recipe]:
    """Return a whole recipe for each row, of which `ClipDataset` uses sampler, reader, view, mask and store."""
    common: Document = {
        "name": "bench",
        "dataset": {"use": "moving-shapes"},
        "encoder": {"use": "tiny"},
        "sampler": {"use": "uniform", "eval_frames": frames, "by": "index"},
    }
    off, on = {"enabled": False}, {"enabled": True, "folder": str(store)}
    plans = {OURS: ("whole-frame", off), MASKED: ("frame-difference", off), STORED: ("whole-frame", on)}
    return {
        name: validate({**common, "mask": {"use": mask}, "frame_store": kept}, where="bench load", catalog=catalog)
        for name, (mask, kept) in plans.items()
    }


def _own(paths: Sequence[Path], recipes: Mapping[str, Recipe], size: int) -> Own:
    places = {path: place for place, path in enumerate(paths)}
    reads = {name: partial(_frames, _source(recipe, paths, size), places) for name, recipe in recipes.items()}
    view = FrameTransform(recipes[OURS].view, _tower(size))

    def at(path: Path, indices: NDArray[np.int64]) -> Frames:
        rule = view.wanted_size(training=False)
        clip = read_frames(VideoRef(path.stem, path), indices=indices, size=rule)
        frames: Frames = view(clip, training=False, rng=clip.rng()).frames
        return frames

    return Own(reads, count=lambda path: len(frame_times(VideoRef(path.stem, path))), at=at)


def _source(recipe: Recipe, paths: Sequence[Path], size: int) -> ClipDataset:
    videos = [VideoRef(str(place), path) for place, path in enumerate(paths)]
    return ClipDataset(
        ClipSettings.of(recipe), videos, training=False, preprocess=_tower(size), shapes=BuildContext(image_size=size)
    )


def _tower(size: int) -> Preprocess:
    """Return a CLIP tower's, without its normalisation, which no side does here."""
    return Preprocess(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _frames(source: ClipDataset, places: Mapping[Path, int], path: Path) -> Frames:
    item = source[ClipRequest(places[path])]
    if isinstance(item, ClipItem):
        # A store's frames are only mapped into memory: copied, they have really been read.
        return item.frames if item.frames.flags.writeable else item.frames.copy(order="K")
    raise VideoError(item.reason) if isinstance(item, UnreadableVideo) else item
