"""`bench decode`: our reader as its users call it, stand-in peers, the clip that stands apart; the plot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from fdakit import FdakitError
from fdakit.bench.clips import ReaderTimes, spread
from fdakit.bench.decode import bench_decode, build_reader, read_ours
from fdakit.bench.long_clip import RATE, make_long_clip
from fdakit.bench.peers import Peer
from fdakit.bench.plot import write_plot
from fdakit.bench.ratios import OURS
from fdakit.bench.tables import clip_table, markdown, notes, ratio_table
from fdakit.values import VideoRef
from fdakit.video import frame_times, read_frames


def read_exactly(path: Path, frames: int) -> ReaderTimes:
    video = VideoRef("a", path)
    indices = spread(len(frame_times(video)), frames)
    return ReaderTimes(indices, read_frames(video, indices=indices).frames)


def read_inverted(path: Path, frames: int) -> ReaderTimes:
    seen = read_exactly(path, frames)
    return ReaderTimes(seen.indices, 255 - seen.frames)


TWIN = Peer("twin", ("no-such-package", "pytest"), "json", read_exactly)
NEGATIVE = Peer("negative", ("pytest",), "json", read_inverted, slow=True)
GONE = Peer("gone", ("gone",), "no_such_module", read_exactly)


def test_our_read_is_the_uniform_frames_of_the_clip(clips: Path) -> None:
    path = clips / "pink-down.mp4"
    clip = read_ours(build_reader(), path, 4)
    np.testing.assert_array_equal(
        clip.frames, read_frames(VideoRef("a", path), indices=np.array([5, 15, 25, 35])).frames
    )


@pytest.fixture(scope="module")
def found(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    broken = tmp_path_factory.mktemp("broken") / "broken.mp4"
    broken.write_text("no video")
    paths = [clips / "pink-down.mp4", clips / "red-rests.mp4", broken]
    return bench_decode(paths, frames=4, rounds=2, offered=[TWIN, NEGATIVE, GONE], long_clip=clips / "blue-down.mp4")


def test_the_document_holds_what_was_measured(found: dict, clips: Path) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [clip["frames"] for clip in found["clips"]] == [40, 1, None]
    assert set(found["clips"][0]["seconds"]) == {OURS, "twin", "negative"}
    assert found["clips"][0]["differences"]["twin"] == 0
    assert found["clips"][0]["differences"]["negative"] > 50
    assert set(found["clips"][2]["failed"]) == {OURS, "twin", "negative"}
    summary = found["summary"]
    assert summary["clips"] == 2
    assert summary["fastest_peer_in_total"] == "twin"
    assert set(summary["peers"]) == {"twin", "negative"}
    assert list(found["absent"]) == ["gone"]


def test_the_long_clip_stands_apart_and_slow_peers_are_spared_it(found: dict, clips: Path) -> None:
    assert found["long"]["path"] == str(clips / "blue-down.mp4")
    assert set(found["long"]["seconds"]) == {OURS, "twin"}
    seconds = found["long"]["seconds"]
    assert found["long"]["summary"]["total_ratio_to_fastest_peer"] == pytest.approx(seconds["twin"] / seconds[OURS])


def test_the_tables_and_notes_tell_the_same(found: dict) -> None:
    rows = {row[0]: row for row in clip_table(found).rows}
    assert list(rows) == ["pink-down.mp4", "red-rests.mp4", "broken.mp4", "blue-down.mp4"]
    assert rows["broken.mp4"][1:] == ("-",) * 5
    ratios = ratio_table(found).rows
    assert ("long clip", "twin") in [row[:2] for row in ratios]
    assert ratios[0][:3] == ("all clips", "fastest peer", "2")
    said = "\n".join(notes(found))
    for words in (
        "medians of 2 interleaved rounds, one thread each",
        "frames of twin and fdakit: mean difference 0 grey levels in the median clip, at most 0",
        "not timed: gone: no_such_module cannot be imported",
        "broken.mp4: cannot be opened as a video",
    ):
        assert words in said
    lines = markdown(found).splitlines()
    assert lines[0] == "| clips | peer | count | total | median | minimum |"
    assert len([line for line in lines if line.startswith("|")]) == len(ratios) + 2


def test_the_plot_is_a_picture(found: dict, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    write_plot(found, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or ()}
    assert (0x2F, 0x6F, 0x9F) in colours  # bars were drawn
    with pytest.raises(FdakitError, match="cannot be written"):
        write_plot(found, tmp_path)
    with pytest.raises(FdakitError, match="nothing to plot"):
        write_plot({**found, "clips": [], "long": None}, tmp_path / "plot.png")


def test_without_matplotlib_the_plot_says_what_to_install(
    found: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(FdakitError, match=r"--plot needs matplotlib .*pip install \"fdakit\[plot\]\""):
        write_plot(found, tmp_path / "plot.png")


def test_the_long_clip_is_h264_with_b_frames_and_is_rendered_once(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = make_long_clip(tmp_path, seconds=12, height=64, width=96, progress=lambda *done: told.append(done))
    assert told[-1] == (12 * RATE, 12 * RATE)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 96, 64)
        packets = [packet for packet in container.demux(stream) if packet.size]
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    assert 2 <= len(keys) <= 3  # of 300 frames, at most 250 apart; x264 may set one more where much changes
    stamps = [packet.pts for packet in packets]
    assert stamps != sorted(stamps)  # B-frames: sent in another order than shown
    before = path.stat().st_mtime_ns
    assert make_long_clip(tmp_path, seconds=12, height=64, width=96) == path
    assert path.stat().st_mtime_ns == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("a file where the folder should be")
    with pytest.raises(FdakitError, match=r"1s-v1\.mp4: cannot be written .*set FDAKIT_CACHE"):
        make_long_clip(tmp_path, seconds=1, height=64, width=96)


def test_moving_things_move(tmp_path: Path) -> None:
    path = make_long_clip(tmp_path, seconds=2, height=128, width=192)
    frames = read_frames(VideoRef("a", path), indices=np.array([0, 25, 49])).frames.astype(int)
    assert np.abs(np.diff(frames, axis=0)).mean() > 5
    assert frames.std() > 20
