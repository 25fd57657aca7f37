"""Other readers, each as its users call it but on one thread: torchcodec, OpenCV, decord and CLIP4Clip's extractor.

Each counts the frames itself and gives RGB uint8. Their packages come with `pip install "fdakit[bench]"`; what is not
installed is left out and named.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from fdakit.errors import FdakitError, VideoError, nearest
from fdakit.system.optional_libraries import is_installed, library_fault

from .clips import ReaderTimes, spread


@dataclass(frozen=True)
class Peer:
    """A reader to stand beside: its name, the packages that may bring its module, and its read at native size."""

    name: str
    packages: tuple[str, ...]
    module: str
    read: Callable[[Path, int], ReaderTimes]
    slow: bool = False  # by design, so that it is never called the fastest peer


@dataclass(frozen=True)
class Found:
    """The peers that can be used, by name, the reason why another cannot, and their modules and versions."""

    peers: Mapping[str, Peer]
    absent: Mapping[str, str]
    modules: Mapping[str, ModuleType]
    versions: Mapping[str, str]


def find_peers(offered: Sequence[Peer], names: Sequence[str] | None) -> Found:
    """Return those of `names` among the `offered`; all that are installed where `names` is None.

    Raises `FdakitError` for a name that is not on offer, or one asked for that cannot be used.
    """
    known = {peer.name: peer for peer in offered}
    for name in names or ():
        if name not in known:
            raise FdakitError(f"bench: no peer {name!r}; {nearest(name, known)}")
    modules, absent = {}, {}
    for name in known if names is None else names:
        module = known[name].module
        if fault := library_fault(module):
            absent[name] = fault
        else:
            modules[name] = importlib.import_module(module)
    if absent and names is not None:
        lacking = "; ".join(f"peer {name!r}: {reason}" for name, reason in absent.items())
        remedy = (
            "" if all(is_installed(known[name].module) for name in absent) else 'pip install "fdakit[bench]", or '
        )
        raise FdakitError(f"bench: {lacking}; {remedy}leave it out of --peers")
    versions = {name: _version(known[name].packages) for name in modules}
    return Found({name: known[name] for name in modules}, absent, modules, versions)


def _version(packages: Sequence[str]) -> str:
    """Return the version of the first of these that is installed."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return "unknown version"  # built from source, or installed under another name


def read_torchcodec(path: Path, frames: int) -> ReaderTimes:
    """Return `VideoDecoder`, exact seeking, one FFmpeg thread."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, seek_mode="exact", dimension_order="NHWC")
    indices = spread(len(decoder), frames)
    return ReaderTimes(indices, decoder.get_frames_at(indices.tolist()).data.numpy())


def read_opencv(path: Path, frames: int) -> ReaderTimes:
    """Return every frame up to the last wanted one grabbed, the wanted ones retrieved and turned from BGR to RGB."""
    import cv2

    capture = _capture(path)
    try:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if count < 1:
            raise VideoError(f"{path}: OpenCV counts {count} frames")
        indices = spread(count, frames)
        wanted, found = set(indices.tolist()), []
        for place in range(int(indices[-1]) + 1):
            if not capture.grab():
                raise VideoError(f"{path}: OpenCV counts {count} frames and ends at frame {place}")
            if place in wanted:
                found.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    return ReaderTimes(indices, np.stack(found))


def read_decord(path: Path, frames: int) -> ReaderTimes:
    """Return `VideoReader.get_batch`, one thread."""
    import decord

    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    indices = spread(len(reader), frames)
    return ReaderTimes(indices, reader.get_batch(indices.tolist()).asnumpy())


def read_clip4clip(path: Path, frames: int) -> ReaderTimes:
    """Return `extract_seconds` at native size."""
    return extract_seconds(path, frames, lambda picture: picture)


def extract_seconds(path: Path, frames: int, prepare: Callable[[Image.Image], Image.Image]) -> ReaderTimes:
    """For each second a seek to its first frame, a read, `prepare`; then as many as wanted, evenly chosen.

    The method, with one frame a second, of CLIP4Clip's `RawVideoExtractorCV2`, https://github.com/ArrowLuo/CLIP4Clip;
    here on one thread.
    """
    import cv2

    capture = _capture(path)
    try:
        count, rate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), int(capture.get(cv2.CAP_PROP_FPS))
        if count < 1 or rate < 1:
            raise VideoError(f"{path}: OpenCV counts {count} frames at {rate} a second")
        pictures, indices = [], []
        for place in range(0, (count + rate - 1) // rate * rate + 1, rate):
            capture.set(cv2.CAP_PROP_POS_FRAMES, place)
            good, picture = capture.read()
            if not good:
                break
            pictures.append(prepare(Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).convert("RGB")))
            indices.append(place)
    finally:
        capture.release()
    if not pictures:
        raise VideoError(f"{path}: OpenCV reads no frame")
    kept = np.linspace(0, len(pictures) - 1, min(frames, len(pictures)), dtype=int)
    return ReaderTimes(np.array(indices)[kept], np.stack([np.asarray(pictures[place]) for place in kept]))


def _capture(path: Path) -> Any:
    import cv2

    if any("\ud800" <= sign <= "\udfff" for sign in str(path)):
        raise VideoError(f"{path}: OpenCV crashes on a name that is not UTF-8; rename it")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise VideoError(f"{path}: OpenCV cannot open it")
    return capture


_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")

TORCHCODEC = Peer("torchcodec", ("torchcodec",), "torchcodec", read_torchcodec)
OPENCV = Peer("opencv", _OPENCV, "cv2", read_opencv)
DECORD = Peer("decord", ("decord2", "decord"), "decord", read_decord)
CLIP4CLIP = Peer("clip4clip", _OPENCV, "cv2", read_clip4clip, slow=True)
DECODERS = (TORCHCODEC, OPENCV, DECORD, CLIP4CLIP)
