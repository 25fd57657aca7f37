"""The folder of a video's masks: complete, whole or not there, and nobody else's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fdakit import FdakitError, VideoError
from fdakit.catalog import Catalog
from fdakit.mask_inspection import export
from fdakit.mask_inspection.export import write_masks
from fdakit.mask_inspection.selection import choose_masks
from fdakit.mask_inspection.viewer import MaskViewer
from fdakit.plugin import VideoRef

Write = Callable[..., Path]


@pytest.fixture
def viewer(catalog: Catalog) -> MaskViewer:
    """Two masks of one kind over three frames."""
    masks = ["frame-difference", "frame-difference threshold=100"]
    return MaskViewer(choose_masks(masks, frames=3, catalog=catalog), size=48)


@pytest.fixture
def write(viewer: MaskViewer, clips: Path, tmp_path: Path) -> Write:
    """`write("red-across.mp4")`: the folder that was written."""

    def writing(name: str = "red-across.mp4", folder: Path = clips, film_frames: int | None = None) -> Path:
        path = folder / name
        return Path(
            write_masks(viewer, VideoRef(path.stem, path), tmp_path / "out", film_frames=film_frames)["folder"]
        )

    return writing


def test_a_folder_holds_sheet_masks_video_and_facts(
    write: Write, viewer: MaskViewer, clips: Path, tmp_path: Path
) -> None:
    folder = write(film_frames=6)
    assert folder == tmp_path / "out" / "red-across"
    seen = viewer.see(VideoRef("red-across", clips / "red-across.mp4"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "frame-difference",
        "frame-difference-2",
        "masks.json",
        "overlay.mp4",
        "sheet.png",
    ]
    facts = json.loads((folder / "masks.json").read_text())
    assert (facts["video"], facts["frames_in_video"]) == (str(clips / "red-across.mp4"), 12)
    assert (facts["width"], facts["height"], facts["duration"]) == (64, 48, 1.5)
    for mask, row in zip(seen.masks, facts["masks"], strict=True):
        assert (row["name"], row["use"]) == (mask.name, "fdakit:frame-difference")
        assert [frame["coverage"] for frame in row["frames"]] == mask.coverage.tolist()
        assert [frame["index"] for frame in row["frames"]] == [2, 6, 10]
        assert row["mean_coverage"] == pytest.approx(mask.coverage.mean())
        pictures = [np.asarray(Image.open(path)) for path in sorted((folder / row["folder"]).iterdir())]
        np.testing.assert_array_equal(np.stack(pictures), (mask.alpha * 255).astype(np.uint8))
    assert [row["options"]["threshold"] for row in facts["masks"]] == [25, 100]
    assert Image.open(folder / "sheet.png").size == seen.sheet().size


@pytest.mark.parametrize(
    ("name", "frames", "seconds"), [("red-across", 5, 1.5), ("pink-down", 7, 5), ("red-rests", 4, 1)]
)
def test_the_overlay_video_lasts_as_long_as_the_video(write: Write, name: str, frames: int, seconds: float) -> None:
    folder = write(f"{name}.mp4", film_frames=frames)
    with av.open(str(folder / "overlay.mp4")) as film:
        shown = sum(1 for _ in film.decode(video=0))
        assert shown == (1 if name == "red-rests" else frames)
        assert film.duration is not None
        assert film.duration / 1e6 == pytest.approx(seconds, rel=0.01)


def test_videos_of_one_name_stand_side_by_side_and_a_video_seen_again_replaces_itself(
    write: Write, clips: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(clips / "blue-down.mp4", other / "red-across.mp4")
    first = write(film_frames=3)
    second = write(folder=other)
    assert (first.name, second.name) == ("red-across", "red-across-2")
    (first / "notes.txt").write_text("mine")
    (first / "frame-difference" / "007.png").write_text("of a longer sheet")
    assert write() == first
    assert write(folder=other) == second
    assert (first / "notes.txt").read_text() == "mine"
    assert not (first / "overlay.mp4").exists()
    assert len(list((first / "frame-difference").iterdir())) == 3
    assert sorted(path.name for path in first.parent.iterdir()) == ["red-across", "red-across-2"]


def test_a_kill_between_the_renames_of_a_folder_loses_nothing_that_lay_in_it(write: Write) -> None:
    folder = write()
    (folder / "notes").mkdir()
    (folder / "notes" / "one.txt").write_text("mine")
    folder.rename(folder.with_name(f".{folder.name}.old"))
    assert write() == folder
    assert (folder / "notes" / "one.txt").read_text() == "mine"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_video_whose_name_is_as_long_as_names_may_be_has_its_folder(
    write: Write, clips: Path, tmp_path: Path
) -> None:
    name = "n" * 251 + ".mp4"
    shutil.copy(clips / "red-across.mp4", tmp_path / name)
    assert (write(name, folder=tmp_path) / "masks.json").is_file()


def test_a_folder_of_somebody_else_is_left_alone(write: Write, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "red-across"
    theirs.mkdir(parents=True)
    (theirs / "masks.json").write_text("[]")
    assert write().name == "red-across-2"
    assert [path.name for path in theirs.iterdir()] == ["masks.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_folder_is_whole_or_not_there(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException
) -> None:
    kept = write()
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}

    def stopped(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(export, "write_overlay_video", stopped)
    for name in ("red-across.mp4", "blue-down.mp4"):
        with pytest.raises((KeyboardInterrupt, FdakitError)) as told:
            write(name, film_frames=2)
        if isinstance(error, OSError):
            assert "No space left on device" in str(told.value)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["red-across"]
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_what_cannot_be_read_or_written_is_worded(write: Write, tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match="cannot be opened"):
        write("none.mp4", folder=tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FdakitError, match="out: cannot be written"):
        write()
