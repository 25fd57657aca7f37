"""Finding the file of an id: any ending, any depth, and names that look as if they had an ending."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from fdakit import DatasetError
from fdakit.dataset_files import VIDEO_ENDINGS, find_videos


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, *ids: str) -> list[str]:
    """Where each id was found, relative to the folder."""
    return [str(path.relative_to(folder)) for path in find_videos(folder, ids).values()]


def test_videos_are_found_whatever_their_ending_and_depth(tmp_path: Path) -> None:
    fill(tmp_path, "a.avi", "b.MP4", "deep/er/c.webm", "d.x.mp4", "e.txt", "f.Ts")
    assert found(tmp_path, "a", "b", "c", "d.x", "e", "f") == [
        "a.avi",
        "b.MP4",
        "deep/er/c.webm",
        "d.x.mp4",
        "e.mp4",  # a text is no video: this is where it is expected
        "f.Ts",
    ]


def test_names_with_dots_and_with_endings_of_their_own_are_found(tmp_path: Path) -> None:
    film = "3086_UGLY_TRUTH_00.23.23.000-00.23.28.886"
    bare = "10052357@N03_7585070382_5762149bfc."
    fill(tmp_path, f"3086_UGLY_TRUTH/{film}.avi", "x.mp4", "y.MOV", "z.3gp", "w.mov", "w.mp4", f"{bare}mp4")
    assert found(tmp_path, film, "x.mov", "y.mov", "z", "w.mov", "w.mp4", bare, "gone.mov", "gone.") == [
        f"3086_UGLY_TRUTH/{film}.avi",
        "x.mp4",
        "y.MOV",
        "z.3gp",
        "w.mov",
        "w.mp4",
        f"{bare}mp4",
        "gone.mov",
        "gone..mp4",
    ]


@pytest.mark.parametrize("name", ["{}", "{}.mp4", "{}mp4", "{}MPG"])
def test_a_name_that_ends_in_a_bare_dot_is_found_in_each_way_it_is_saved(tmp_path: Path, name: str) -> None:
    bare = "10052357@N03_7585070382_5762149bfc."
    fill(tmp_path, name.format(bare))
    assert found(tmp_path, bare) == [name.format(bare)]


def test_ids_differ_by_case_and_endings_do_not(tmp_path: Path) -> None:
    fill(tmp_path, "AbC.mp4")
    assert found(tmp_path, "AbC", "abc") == ["AbC.mp4", "abc.mp4"]


def test_hidden_files_and_folders_are_no_videos(tmp_path: Path) -> None:
    fill(tmp_path, "._a.mp4", ".a.mp4", ".trash/a.mp4")
    assert found(tmp_path, "a", "._a") == ["a.mp4", "._a.mp4"]
    assert not any(path.is_file() for path in find_videos(tmp_path, ["a"]).values())


def test_of_several_files_the_least_deep_and_then_the_first_by_name_counts(tmp_path: Path) -> None:
    fill(tmp_path, "b/a.avi", "a.webm", "a.mp4", "small/c.mp4", "large/c.mp4", "deep/down/d.avi", "z/d.webm")
    assert found(tmp_path, "a", "c", "d") == ["a.mp4", "large/c.mp4", "z/d.webm"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_walked_once(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "a.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "videos")
    assert found(tmp_path / "videos", "a") == ["link/a.mp4"]


def test_an_absent_video_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"{tmp_path}/videos: no such folder"):
        find_videos(tmp_path / "videos", ["a"])


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.mp4", "locked/b.mp4")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match=r"locked: cannot be read \(Permission denied\); correct its rights"):
        find_videos(tmp_path, ["a"])


def test_a_folder_whose_files_may_not_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "listed/b.mp4")
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("listed"))
    with pytest.raises(DatasetError, match=r"listed: cannot be read \(Permission denied\); correct its rights"):
        find_videos(tmp_path, ["b"])


NAMES = st.text("abAB01_-@. é", min_size=1, max_size=12).filter(
    lambda name: not name.startswith(".") and name.strip()
)
CASES = st.sampled_from([str.lower, str.upper, str.title])


@given(
    st.dictionaries(NAMES, st.tuples(st.sampled_from(VIDEO_ENDINGS), CASES, st.sampled_from(["", "x", "x/y"]))),
    st.data(),
)
def test_every_id_is_found_and_only_what_is_there(
    files: dict[str, tuple[str, object, str]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        placed = {}
        for name, (ending, case, place) in files.items():
            placed[name] = Path(folder, place, name + case(ending))  # type: ignore[operator]
            fill(Path(folder), str(placed[name].relative_to(folder)))
        ids = data.draw(st.permutations(sorted(files)))
        assert find_videos(Path(folder), ids) == {name: placed[name] for name in ids}
        absent = data.draw(NAMES.filter(lambda name: not any(known.startswith(name.rstrip(".")) for known in files)))
        assert not find_videos(Path(folder), [absent])[absent].exists()
