"""A data set's folder held against its sources, and where members of archives belong."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path, PurePosixPath

import pytest

from fdakit import DatasetError
from fdakit.dataset_files.source_folder import find_sources, is_folder, make_folders, place_member
from fdakit.plugin import SourceFile

IDS = SourceFile("ids.txt", "the ids", "a.example", others=("lists/ids.txt", "ids.csv"))
CLIPS = SourceFile("videos", "the clips", "b.example", others=("Clips", "Set/videos"))


def known(text: str) -> SourceFile:
    return SourceFile(IDS.path, "the ids", "a.example", IDS.others, (sha256(text.encode()).hexdigest(),))


def test_files_are_found_under_any_name_and_compared_with_known_copies(tmp_path: Path) -> None:
    assert [each.absent for each in find_sources(tmp_path, [IDS, CLIPS])] == [True, True]
    (tmp_path / "ids.csv").write_text("a\n")
    (found,) = find_sources(tmp_path, [known("a\n")])
    assert (found.path, found.digest, found.absent) == (tmp_path / "ids.csv", "equal", False)
    assert find_sources(tmp_path, [known("b\n")])[0].digest == "unknown"  # of another form, whose copies are unknown
    (tmp_path / "ids.txt").write_text("a\n")
    assert [find_sources(tmp_path, [each])[0].digest for each in (IDS, known("a\n"), known("b\n"))] == [
        "unknown",
        "equal",
        "differs",
    ]


def test_of_a_folder_the_videos_are_listed(tmp_path: Path) -> None:
    for name in ("b.MP4", "deep/a.avi", "notes.txt", ".hidden.mp4", ".trash/c.mp4"):
        path = tmp_path / "Clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "Clips" / "deep" / "back").symlink_to(tmp_path / "Clips")  # a circle
    (found,) = find_sources(tmp_path, [CLIPS])
    assert found.videos == (tmp_path / "Clips" / "b.MP4", tmp_path / "Clips" / "deep" / "a.avi")
    assert not found.absent
    (tmp_path / "videos").mkdir()
    (found,) = find_sources(tmp_path, [CLIPS])
    assert (found.absent, found.hidden) == (False, ())  # an empty folder hides nothing
    (tmp_path / "videos" / "notes.txt").touch()
    (found,) = find_sources(tmp_path, [CLIPS])
    assert (found.absent, found.hidden) == (True, ("Clips",))
    (moved,) = find_sources(tmp_path, [CLIPS], elsewhere={"videos": tmp_path / "Clips"})
    assert (len(moved.videos), moved.hidden) == (2, ())


def test_folders_are_made_unless_they_are_there_under_another_name(tmp_path: Path) -> None:
    root = tmp_path / "data" / "mine"
    assert make_folders(root, find_sources(root, [IDS, CLIPS])) == (root, root / "videos")
    assert make_folders(root, find_sources(root, [IDS, CLIPS])) == ()
    (root / "videos").rmdir()
    (root / "Clips").mkdir()
    assert make_folders(root, find_sources(root, [IDS, CLIPS])) == ()
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="file: the folder cannot be made"):
        make_folders(tmp_path / "file", ())


def test_a_folder_is_told_by_its_name() -> None:
    names = ("videos", "a.txt", ".", "Set/videos", "a/b.tar.gz")
    folders = [is_folder(SourceFile(name, "", "")) for name in names]
    assert folders == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("member", "place"),
    [
        ("set/ids.txt", "ids.txt"),
        ("set/lists/ids.txt", "ids.txt"),  # the shorter name comes first
        ("set/ids.csv", "ids.csv"),
        ("set/other_ids.txt", None),
        ("set/readme.md", None),
        ("a.avi", "videos/a.avi"),
        ("Clips/a.AVI", "videos/a.AVI"),
        ("Set/videos/all/a.mp4", "videos/all/a.mp4"),
        ("film/a.avi", "videos/film/a.avi"),
        ("__MACOSX/Clips/a.avi", None),
        ("Clips/._a.avi", None),
        ("", None),
    ],
)
def test_members_of_an_archive_have_their_place(tmp_path: Path, member: str, place: str | None) -> None:
    found = find_sources(tmp_path, [IDS, CLIPS])
    wanted = None if place is None else tmp_path / place
    assert place_member(tmp_path, found, tmp_path / "set.zip", PurePosixPath(member)) == wanted


def test_what_is_there_is_not_wanted_again(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").touch()
    (tmp_path / "Clips").mkdir()
    (tmp_path / "Clips" / "a.avi").touch()
    found = find_sources(tmp_path, [IDS, CLIPS])
    for member, place in (
        ("set/ids.txt", None),
        ("deep/a.avi", tmp_path / "Clips" / "a.avi"),  # the same clip, unpacked by hand
        ("deep/b.avi", tmp_path / "Clips" / "deep" / "b.avi"),
    ):
        assert place_member(tmp_path, found, tmp_path / "set.zip", PurePosixPath(member)) == place


def test_shards_of_samples_come_out_as_they_are_each_in_its_folder(tmp_path: Path) -> None:
    found = find_sources(tmp_path, [SourceFile(".", "videos and their captions", "anywhere")])
    for name in ("0.mp4", "0.txt", "deep/0.json"):
        assert place_member(tmp_path, found, tmp_path / "00007.tar.gz", PurePosixPath(name)) == (
            tmp_path / "00007" / name
        )


def test_what_was_unpacked_a_folder_too_deep_is_found(tmp_path: Path) -> None:
    for name in ("set/data/ids.csv", "set/Clips/films/a.avi", "set/empty/videos/notes.txt", "1/2/3/4/ids.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    ids, clips = find_sources(tmp_path, [IDS, CLIPS])
    assert (ids.absent, clips.absent) == (True, True)
    assert (ids.deeper, clips.deeper) == (tmp_path / "set" / "data" / "ids.csv", tmp_path / "set" / "Clips")
    (tmp_path / "ids.txt").touch()
    (tmp_path / "set" / "Clips").rename(tmp_path / "Clips")
    assert [each.deeper for each in find_sources(tmp_path, [IDS, CLIPS])] == [None, None]
