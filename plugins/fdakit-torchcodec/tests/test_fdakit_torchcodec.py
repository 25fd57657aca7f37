"""The laws of a reader, torchcodec's frames beside pyav's, and what happens where it cannot read."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from fdakit_torchcodec import TORCHCODEC, TorchcodecOptions, TorchcodecReader, build, import_decoder
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, Needs, PluginError, Reader, VideoError, VideoRef
from fdakit.testing.reading import check_reader
from fdakit.video import frame_times, read_frames

WRONG_IN_TORCHCODEC = {"eye_makeup.avi", "talking_head_a.mpg", "talking_head_b.mpg"}


@pytest.fixture
def reader() -> TorchcodecReader:
    try:
        import_decoder()
    except PluginError as error:
        pytest.skip(str(error))
    return TorchcodecReader("cpu", 1)


@pytest.fixture(scope="session")
def data() -> Path:
    value = os.environ.get("FDAKIT_DATA")
    if not value:
        pytest.skip("FDAKIT_DATA is not set; this test needs the shared data folder")
    return Path(value) / "videos"


def film(path: Path, *, count: int = 30, turn: int = 0) -> VideoRef:
    """Return `count` frames of 96 x 64 px, 25 a second, with B-frames: a bright bar moves over a ramp."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10", "bf": "3", "g": "12"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        if turn:
            stream.set_display_rotation(turn)
        for place in range(count):
            picture = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None], (64, 96, 3)).copy()
            picture[:, 3 * place : 3 * place + 6] = (240, 120, 8 * place % 256)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return VideoRef("film", path)


def difference(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours.astype(int) - theirs).mean())


def test_it_obeys_the_laws_of_a_reader(reader: TorchcodecReader, tmp_path: Path) -> None:
    video = film(tmp_path / "a.mp4")
    assert isinstance(reader, Reader)
    check_reader(TORCHCODEC, video.path)
    check_reader(TORCHCODEC, video.path, threads=2)


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_frames_and_neighbours_are_those_of_pyav_and_upright(
    reader: TorchcodecReader, tmp_path: Path, turn: int
) -> None:
    video, indices, needs = film(tmp_path / "a.mp4", turn=turn), np.array([0, 7, 29]), Needs(neighbours=(-1, 2))
    clip, wanted = reader.read(video, indices, needs, None), read_frames(video, indices=indices, needs=needs)
    assert clip.frames.shape[1:3] == ((96, 64) if turn in (90, -90) else (64, 96))
    assert difference(clip.frames, wanted.frames) <= 1
    for gap in (-1, 2):
        assert difference(clip.neighbours[gap], wanted.neighbours[gap]) <= 1
    assert clip.times.tolist() == wanted.times.tolist()


def test_a_segment_counts_from_its_own_start_and_looks_beyond_it(reader: TorchcodecReader, tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mp4")
    part = VideoRef("part", whole.path, start=0.4, end=0.8)
    assert reader.times(part).tolist() == frame_times(whole)[10:20].tolist()
    clip = reader.read(part, np.array([0, 9]), Needs(neighbours=(1,)), None)
    assert np.array_equal(clip.frames, reader.read(whole, np.array([10, 19]), Needs(), None).frames)
    assert np.array_equal(clip.neighbours[1], reader.read(whole, np.array([11, 20]), Needs(), None).frames)
    with pytest.raises(ValueError, match="from 0 to 9"):
        reader.read(part, np.array([10]), Needs(), None)


def test_frames_come_in_the_size_that_the_rule_says(reader: TorchcodecReader, tmp_path: Path) -> None:
    video = film(tmp_path / "a.mp4", turn=90)

    def halve(shape: tuple[int, int]) -> tuple[int, int]:
        return shape[0] // 2, shape[1] // 2

    clip = reader.read(video, np.array([4]), Needs(), halve)
    native = read_frames(video, indices=np.array([4])).frames
    mean = native.reshape(1, 48, 2, 32, 2, 3).astype(float).mean(axis=(2, 4))
    assert clip.frames.shape == mean.shape
    assert np.abs(clip.frames - mean).mean() < 3


def test_motion_vectors_are_refused_by_name(reader: TorchcodecReader, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"reader 'torchcodec': video 'film': .* motion vectors.*'pyav'"):
        reader.read(film(tmp_path / "a.mp4"), np.array([0]), Needs(motion_vectors=True), None)


def test_what_cannot_be_read_is_a_video_error(reader: TorchcodecReader, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    video = film(tmp_path / "a.mp4")
    content = bytearray(video.path.read_bytes())
    middle = content.index(b"mdat") + 1200
    content[middle : middle + 800] = bytes(800)
    video.path.write_bytes(content)
    for broken, indices, words in (
        (VideoRef("text", text), [0], "cannot be opened as a video"),
        (video, list(range(30)), "torchcodec cannot decode it"),
    ):
        with pytest.raises(VideoError, match=words) as caught:
            reader.read(broken, np.array(indices), Needs(), None)
        assert str(broken.path) in str(caught.value)


def test_it_travels_to_worker_processes(reader: TorchcodecReader, tmp_path: Path) -> None:
    video = film(tmp_path / "a.mp4")
    again = pickle.loads(pickle.dumps(reader)).read(video, np.array([3]), Needs(), None)
    assert np.array_equal(again.frames, reader.read(video, np.array([3]), Needs(), None).frames)


def test_natural_clips_have_the_pixels_of_pyav_or_are_refused(reader: TorchcodecReader, data: Path) -> None:
    refused, compared = set(), 0
    for video in videos(data / "natural"):
        indices = spread(video)
        try:
            clip = reader.read(video, indices, Needs(), None)
        except VideoError as error:
            assert "torchcodec" in str(error)
            refused.add(video.path.name)
            continue
        assert difference(clip.frames, read_frames(video, indices=indices).frames) <= 1, video.path.name
        compared += 1
    assert refused <= WRONG_IN_TORCHCODEC
    assert compared >= 32


def test_odd_files_end_with_the_frames_of_pyav_or_a_video_error(reader: TorchcodecReader, data: Path) -> None:
    compared = 0
    for video in videos(data / "odd"):
        try:
            indices = spread(video)
            clip = reader.read(video, indices, Needs(), None)
            wanted = read_frames(video, indices=indices)
        except VideoError as error:
            assert str(video.path) in str(error)
            continue
        assert difference(clip.frames, wanted.frames) <= 5, video.path.name
        compared += 1
    assert compared >= 50


def videos(folder: Path) -> Iterator[VideoRef]:
    for path in sorted(folder.iterdir()):
        if path.suffix != ".tsv":
            yield VideoRef(path.stem, path)


def spread(video: VideoRef) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(frame_times(video)) - 1, 4).astype(np.int64))


def test_what_fdakit_reads_otherwise_than_torchcodec_is_refused(data: Path) -> None:
    for name, words in (
        ("h264_bframes.avi", "does not say when frames are shown"),
        ("concat.ts", "starts again"),
        ("nvop.avi", "do not go one to one"),
        ("hflip_matrix.mp4", "mirrors"),
    ):
        path = data / "trials" / name
        with pytest.raises(VideoError, match=words) as caught:
            TorchcodecReader("cpu", 1).read(VideoRef("a", path), np.array([0]), Needs(), None)
        assert str(path) in str(caught.value)
        assert "reader.use = 'pyav'" in str(caught.value)


def test_a_cover_picture_is_passed_over(reader: TorchcodecReader, data: Path) -> None:
    video = VideoRef("a", data / "trials/cover_first.mp4")
    assert reader.read(video, np.array([0, 29]), Needs(), None).frames.shape == (2, 64, 96, 3)


def test_without_torchcodec_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(PluginError, match=r"cannot be imported .*pip install torchcodec"):
        build(TorchcodecOptions(), BuildContext())


def test_without_ffmpeg_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("Could not load libtorchcodec.\nlong list")

    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", Lacking("torchcodec.decoders"))
    with pytest.raises(
        PluginError, match=r"cannot load its libraries \(Could not load libtorchcodec\); install FFmpeg"
    ):
        build(TorchcodecOptions(), BuildContext())


def test_without_ffmpeg_a_release_that_loads_it_late_is_found_out_before_any_video(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class VideoDecoder:
        def __init__(self, source: object) -> None:
            raise RuntimeError("Could not load libtorchcodec. Likely causes:\nlong list")

    late = ModuleType("torchcodec.decoders")
    late.VideoDecoder = VideoDecoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", late)
    with pytest.raises(
        PluginError, match=r"cannot load its libraries \(Could not load libtorchcodec.*install FFmpeg"
    ):
        build(TorchcodecOptions(), BuildContext())


def test_a_gpu_that_is_not_there_is_named(reader: TorchcodecReader) -> None:
    import torch

    if torch.cuda.is_available():
        assert build(TorchcodecOptions(device="cuda"), BuildContext()) == TorchcodecReader("cuda", 1)
    else:
        with pytest.raises(PluginError, match="device 'cuda': torch finds no GPU"):
            build(TorchcodecOptions(device="cuda"), BuildContext())


def test_on_a_gpu_frames_are_those_of_the_cpu(reader: TorchcodecReader, tmp_path: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("torch finds no GPU here")
    video, indices = film(tmp_path / "a.mp4"), np.array([0, 7, 29])
    there = TorchcodecReader("cuda", 1).read(video, indices, Needs(), None)
    assert difference(there.frames, reader.read(video, indices, Needs(), None).frames) <= 3
