"""Sparse decoding: the pixels of a full decode, from fewer frames."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from helpers.sample_videos import GROUPED, encode, noise, rows, sequential
from hypothesis import given, settings, strategies as st

from fdakit.plugin import VideoRef
from fdakit.video import OpenVideo, frame_times, read_frames, video_file as module
from fdakit.video.packet_source import PacketSource

KINDS = {
    "h264.mp4": ("libx264", GROUPED),
    "h264.mkv": ("libx264", {**GROUPED, "b-pyramid": "none"}),
    "open.ts": ("libx264", {**GROUPED, "x264-params": "open-gop=1:keyint=12"}),
    "h264.avi": ("libx264", GROUPED),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=12:bframes=3:qp=20:log-level=none"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2", "g": "9"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2", "g": "9"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2", "g": "9"}),
    "vp9.webm": ("libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
    "pictures.mkv": ("mjpeg", {}),
    "moving.gif": ("gif", {}),
}
COUNT = 50


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[np.ndarray]]]:
    """Every kind of film with the frames of its full decode."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for name, (codec, options) in KINDS.items():
        if codec not in av.codecs_available:
            continue
        path = (
            _gif(folder / name)
            if codec == "gif"
            else encode(folder / name, noise(COUNT), codec=codec, options=options)
        )
        made[name] = (path, sequential(path))
    return made


def _gif(path: Path) -> Path:
    from PIL import Image

    first, *others = [Image.fromarray(picture) for picture in noise(COUNT)]
    first.save(path, save_all=True, append_images=others, duration=40, loop=0)
    return path


@pytest.mark.integration
@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", KINDS)
def test_any_frames_are_those_of_a_full_decode(
    films: dict[str, tuple[Path, list[np.ndarray]]], name: str, data: st.DataObject
) -> None:
    if name not in films:
        pytest.skip(f"this PyAV has no encoder {KINDS[name][0]}")
    path, full = films[name]
    video = VideoRef("a", path)
    assert len(frame_times(video)) == len(full)
    indices = data.draw(st.lists(st.integers(0, len(full) - 1), min_size=1, max_size=12, unique=True).map(sorted))
    found = read_frames(video, indices=np.array(indices)).frames
    np.testing.assert_array_equal(found, np.stack([full[index] for index in indices]))


def decoded(monkeypatch: pytest.MonkeyPatch, path: Path, indices: list[int], **options: bool) -> int:
    """How many packets went into the decoder, the last flush of each run not counted."""
    sent = 0
    before = PacketSource.packets

    def counted(source: PacketSource, first: int, last: int) -> object:
        nonlocal sent
        for number, packet in before(source, first, last):
            sent += 1
            yield number, packet

    with monkeypatch.context() as patch:
        patch.setattr(PacketSource, "packets", counted)
        with OpenVideo(VideoRef("a", path)) as opened:
            opened.read(np.array(indices), **options)  # type: ignore[arg-type]
            assert opened.refetched == 0
    return sent


def test_decoding_begins_at_the_keyframe_before_and_ends_with_the_frame(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = films["h264.mp4"]
    assert decoded(monkeypatch, path, [0]) == 1
    assert decoded(monkeypatch, path, [36]) == 1  # a keyframe
    assert decoded(monkeypatch, path, [0, 24, 48]) == 3
    assert decoded(monkeypatch, path, [47]) <= 12
    assert decoded(monkeypatch, path, list(range(COUNT))) == COUNT


def test_frames_that_nothing_wanted_needs_are_left_out(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = films["h264.mkv"]  # one keyframe a dozen, then three B-frames before each P-frame
    came: list[int] = []
    before = module.VideoFile._take

    def counted(film: module.VideoFile, frames: list[av.VideoFrame], *rest: object) -> None:
        came.extend(frame.pts for frame in frames)
        before(film, frames, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(module.VideoFile, "_take", counted)
        with OpenVideo(VideoRef("a", path)) as opened:
            opened.read(np.array([11]))
    assert 1 < len(came) <= 5  # of twelve


def test_a_large_file_is_read_a_second_time_instead_of_kept(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdakit.video.packet_source.KEPT_BYTES", 0)
    for name in ("h264.mp4", "h264.mkv", "mpeg2.mpg"):
        path, full = films[name]
        indices = np.array([0, 13, 14, 40, 49])
        found = read_frames(VideoRef("a", path), indices=indices).frames
        np.testing.assert_array_equal(found, np.stack([full[index] for index in indices]))
    assert decoded(monkeypatch, films["h264.mp4"][0], [36]) == 1


def test_a_frame_that_does_not_come_out_is_fetched_by_a_full_decode_and_counted(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, full = films["h264.mp4"]
    before = module.plan_runs
    monkeypatch.setattr(module, "plan_runs", lambda *args, **options: before(*args, **options)[:1])
    with OpenVideo(VideoRef("a", path)) as opened:
        found = opened.read(np.array([0, 24, 48])).frames
        assert opened.refetched == 2
    np.testing.assert_array_equal(found, np.stack([full[0], full[24], full[48]]))


def test_a_decoder_that_stumbles_is_passed_over_to_the_full_decode(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, full = films["h264.mp4"]

    def broken(source: PacketSource, first: int, last: int) -> object:
        raise av.error.InvalidDataError(1, "made up")
        yield

    monkeypatch.setattr(PacketSource, "packets", broken)
    np.testing.assert_array_equal(read_frames(VideoRef("a", path), indices=np.array([7])).frames[0], full[7])


def test_told_to_decode_all_it_does(
    films: dict[str, tuple[Path, list[np.ndarray]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, full = films["h264.mp4"]
    assert decoded(monkeypatch, path, [30], sparse=False) == 0
    found = read_frames(VideoRef("a", path), indices=np.array([30]), sparse=False).frames
    np.testing.assert_array_equal(found[0], full[30])


def test_a_size_may_be_a_rule_from_the_upright_frames_own(tmp_path: Path) -> None:
    path = encode(tmp_path / "turned.mp4", noise(4), turn=90)
    seen: list[tuple[int, int]] = []

    def half(shape: tuple[int, int]) -> tuple[int, int]:
        seen.append(shape)
        return shape[0] // 2, shape[1] // 2

    assert read_frames(VideoRef("a", path), indices=np.array([2]), size=half).frames.shape == (1, 32, 24, 3)
    assert seen == [(64, 48)]


@pytest.mark.integration
def test_every_real_file_gives_the_frames_of_its_full_decode(data_dir: Path) -> None:
    """Uniform, random, first and last, and single requests."""
    odd, natural = data_dir / "videos/odd", data_dir / "videos/natural"
    unlike = ("rotation", "size")  # the full decode here neither turns nor scales; tested elsewhere
    paths = [odd / r["path"] for r in rows(odd / "odd.tsv") if r["expected"] == "ok"]
    paths = [p for p in paths if not any(word in p.name for word in unlike) and not p.name.startswith("video_")]
    small = [p for p in sorted(natural.iterdir()) if p.suffix != ".tsv" and p.stat().st_size < 450_000]
    rng = np.random.default_rng(0)
    tried = 0
    for path in (*paths, *small):
        video, full = VideoRef("a", path), sequential(path)
        if full[0].shape != read_frames(video, indices=np.array([0])).frames[0].shape:
            continue  # turned
        tried += 1
        count = len(full)
        uniform = np.unique(np.linspace(0, count - 1, 12).round().astype(int))
        drawn = np.sort(rng.choice(count, min(count, 5), replace=False))
        for indices in (uniform, drawn, np.unique([0, count - 1]), rng.integers(0, count, 1)):
            found = read_frames(video, indices=indices).frames
            np.testing.assert_array_equal(found, np.stack([full[i] for i in indices]), err_msg=f"{path} {indices}")
    assert tried > 40


@pytest.mark.proof
def test_every_natural_file_gives_the_frames_of_its_full_decode(data_dir: Path) -> None:
    rng = np.random.default_rng(1)
    for path in sorted((data_dir / "videos/natural").iterdir()):
        if path.suffix == ".tsv":
            continue
        full = sequential(path)
        count = len(full)
        requests = [np.unique(np.linspace(0, count - 1, k).round().astype(int)) for k in (6, 12, 40)]
        requests += [np.sort(rng.choice(count, k, replace=False)) for k in (1, 1, 1, 3, 12)]
        for indices in requests:
            found = read_frames(VideoRef("a", path), indices=indices).frames
            np.testing.assert_array_equal(found, np.stack([full[i] for i in indices]), err_msg=f"{path} {indices}")


def test_pixel_aspect_is_told_as_the_upright_picture_is_shown(data_dir: Path) -> None:
    odd = data_dir / "videos/odd"
    wide = read_frames(VideoRef("a", odd / "h264_white_frame_sar_16_9.mp4"), indices=np.array([0]))
    assert wide.pixel_aspect == pytest.approx(16 / 9)
    square = read_frames(VideoRef("a", odd / "h265_video.mp4"), indices=np.array([0]))
    assert square.pixel_aspect == 1


@pytest.mark.integration
def test_the_fast_scaler_moves_an_embedding_by_less_than_a_thousandth(data_dir: Path) -> None:
    import torch

    from fdakit.builtin.encoders.open_clip import OPEN_CLIP
    from fdakit.settings import ViewSettings
    from fdakit.testing.building import build_part
    from fdakit.video.transform import FrameTransform

    torch.manual_seed(0)
    encoder = build_part(OPEN_CLIP, model="ViT-B-32").eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (encoder.preprocess.mean, encoder.preprocess.std))
    vectors = {}
    for scaler in ("swscale", "pillow"):
        view = FrameTransform(ViewSettings(scaler=scaler), encoder.preprocess)  # type: ignore[arg-type]
        found = []
        for name in (
            "bears.mp4",
            "lion.mp4",
            "eye_makeup.avi",
            "dog_in_snow.mp4",
            "carphone_pristine.mp4",
            "bikes.mp4",
        ):
            video = VideoRef("a", data_dir / "videos/natural" / name)
            clip = read_frames(video, indices=np.array([0, 20, 39]), size=view.wanted_size(training=False))
            found.append(view(clip, training=False, rng=clip.rng()).frames)
        rgb = torch.from_numpy(np.concatenate(found)).permute(0, 3, 1, 2) / 255
        assert rgb.shape[1:] == (3, 224, 224)
        with torch.no_grad():
            vectors[scaler] = torch.nn.functional.normalize(encoder.clip.encode_image((rgb - mean) / std), dim=-1)
    distances = 1 - (vectors["swscale"] * vectors["pillow"]).sum(-1)
    assert 0 < distances.max() < 1e-3
