"""The mask `files`: layouts, matching of frames, placement, missing masks, bad files, and the frame store's keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from fdakit.builtin.masks._mask_shapes import shape_fault
from fdakit.builtin.masks.files import FILES
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.errors import DatasetError
from fdakit.plugin import BuildContext, Clip, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.testing import check_mask
from fdakit.testing.building import build_part, example_clip

MakeRecipe = Callable[..., Recipe]


def clip(frames: int = 3, shape: tuple[int, int] = (6, 8), step: float = 0.5) -> Clip:
    made = Clip("v", np.zeros((frames, *shape, 3), np.uint8), step * np.arange(frames))
    return made.placed(10 * np.arange(frames))


def save(path: Path, mask: NDArray[Any], mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(mask)
    (picture if mode is None else picture.convert(mode)).save(path)


def corner(rows: int = 2, columns: int = 3, shape: tuple[int, int] = (6, 8)) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    mask[:rows, :columns] = 255
    return mask


def alpha(folder: Path, of: Clip | None = None, **options: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = build_part(FILES, folder=str(folder), **options)(of or clip())
    return found


def written(folder: Path, *frames: Any, name: str = "v") -> Path:
    (folder / f"{name}.json").write_text(json.dumps({"frames": list(frames)}))
    return folder


def fault(folder: Path, of: Clip | None = None, **options: Any) -> str:
    with pytest.raises(DatasetError) as raised:
        alpha(folder, of, **options)
    return str(raised.value)


def test_the_contracts_laws_hold(tmp_path: Path) -> None:
    example = example_clip()
    for place in range(3):
        save(tmp_path / example.id / f"{place}.png", corner(shape=(32, 32)))
    check_mask(FILES, folder=str(tmp_path), missing="empty")
    check_mask(FILES, folder=str(tmp_path), missing="full", frame_tolerance=1)


@pytest.mark.parametrize("name", ["{:06d}.png", "{}.PNG"])
def test_png_files_by_frame_number(tmp_path: Path, name: str) -> None:
    for place, number in enumerate((0, 10, 20)):
        save(tmp_path / "v" / name.format(number), corner(rows=place + 1))
    (tmp_path / "v" / ".DS_Store").write_text("of the system")
    found = alpha(tmp_path)
    assert [int(frame.sum()) for frame in found] == [3, 6, 9]
    np.testing.assert_array_equal(found[1], corner(rows=2) / 255)


def test_png_files_by_time(tmp_path: Path) -> None:
    for place, name in enumerate(("0s.png", "0.52s.png", "1.000s.png")):
        save(tmp_path / "v" / name, corner(rows=place + 1))
    assert [int(frame.sum()) for frame in alpha(tmp_path)] == [3, 6, 9]
    assert "no mask for 0.500 s" in fault(tmp_path, tolerance=0.01)


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB"])
def test_png_files_of_every_kind_mark_what_is_not_zero(tmp_path: Path, mode: str) -> None:
    labels = corner() // 255 * 2  # as of data sets that number their objects
    if mode == "I;16":
        Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "0.png")
    elif mode == "P":
        picture = Image.fromarray(labels, mode="P")
        picture.putpalette([0, 0, 0, 0, 0, 0, 128, 0, 0] + [9] * 759)
        picture.save(tmp_path / "0.png")
    elif mode == "1":
        Image.fromarray(labels > 0).save(tmp_path / "0.png")
    else:
        save(tmp_path / "0.png", labels, mode)
    (tmp_path / "v").mkdir()
    (tmp_path / "0.png").rename(tmp_path / "v" / "0.png")
    np.testing.assert_array_equal(alpha(tmp_path, clip(1))[0], corner() / 255)


def test_soft_alpha_is_grey_over_white(tmp_path: Path) -> None:
    save(tmp_path / "v" / "0.png", np.full((6, 8), 51, np.uint8))
    np.testing.assert_allclose(alpha(tmp_path, clip(1), alpha="soft"), 0.2)
    assert (alpha(tmp_path, clip(1)) == 1).all()


def test_run_lengths_in_every_form_are_united(tmp_path: Path) -> None:
    whole, first = {"size": [3, 2], "counts": "06"}, {"size": [3, 2], "counts": [0, 3, 3]}
    sam = {"segmentation": {"size": [3, 2], "counts": [3, 3]}, "area": 3, "predicted_iou": 0.9}
    folder = written(
        tmp_path,
        {"frame": 20, "masks": [first, sam]},
        {"frame": 0, "masks": [first]},
        {"frame": 10, "masks": []},
    )
    found = alpha(folder, clip(shape=(3, 2)))
    np.testing.assert_array_equal(found[0], [[1, 0]] * 3)
    assert (found[1] == 0).all()
    assert (found[2] == 1).all()
    written(tmp_path, {"time": 0.0, "masks": [whole]})
    assert (alpha(folder, clip(1)) == 1).all()


def test_boxes_mark_the_pixels_whose_centres_they_hold(tmp_path: Path) -> None:
    boxes = [[1, 2, 3, 2], [6.6, -5, 100, 6.4], [0, 0, 0, 6]]
    found = alpha(written(tmp_path, {"frame": 0, "boxes": boxes, "size": [6, 8]}), clip(1))[0]
    wanted = np.zeros((6, 8))
    wanted[2:4, 1:4] = 1
    wanted[0, 7] = 1
    np.testing.assert_array_equal(found, wanted)


def test_masks_of_another_size_take_the_nearest_pixel(tmp_path: Path) -> None:
    save(tmp_path / "v" / "0.png", np.array([[0, 255], [255, 0]], np.uint8))
    found = alpha(tmp_path, clip(1))[0]
    np.testing.assert_array_equal(found, np.kron([[0, 1], [1, 0]], np.ones((3, 4))))


@pytest.mark.parametrize(("missing", "value"), [("empty", 0), ("full", 1)])
def test_missing_masks_become_what_is_asked_and_are_remarked(tmp_path: Path, missing: str, value: int) -> None:
    save(tmp_path / "v" / "10.png", corner())
    mask = build_part(FILES, folder=str(tmp_path), missing=missing)
    found = mask(clip())
    assert (found[0] == value).all()
    assert (found[2] == value).all()
    np.testing.assert_array_equal(found[1], corner() / 255)
    assert mask.remarks(clip()) == ("missing", "", "missing")
    other = Clip("w", np.zeros((1, 6, 8, 3), np.uint8), np.zeros(1)).placed(np.zeros(1, np.int64))
    assert (mask(other) == value).all()
    assert mask.remarks(other) == ("missing",)


def test_missing_masks_are_an_error_that_names_video_and_file(tmp_path: Path) -> None:
    said = fault(tmp_path)
    assert said.startswith(f"video 'v': no masks; looked for PNG files in {tmp_path / 'v'} and for")
    assert str(tmp_path / "v.json") in said
    save(tmp_path / "v" / "000012.png", corner())
    said = fault(tmp_path)
    assert f"video 'v': no mask for frame 0 in {tmp_path / 'v'}; the nearest, 12, is 12 frames away" in said
    assert "mask.frame_tolerance" in said
    assert alpha(tmp_path, clip(2), frame_tolerance=12).shape == (2, 6, 8)
    assert "no folder" in fault(tmp_path / "nowhere", missing="empty")


def test_the_earlier_of_two_equally_near_masks_is_taken_and_files_may_count_from_one(tmp_path: Path) -> None:
    save(tmp_path / "v" / "9.png", corner(rows=1))
    save(tmp_path / "v" / "11.png", corner(rows=2))
    of = clip(2)
    assert alpha(tmp_path, of, frame_tolerance=10)[1].sum() == 3
    assert alpha(tmp_path, of, frame_tolerance=10, first_frame=1)[1].sum() == 6


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "v.json"),
        ("[]", 'v.json: wanted {"frames": [...]}'),
        ({"frames": [3]}, "frames[0]: 3; wanted an object"),
        ({"frames": [{"frame": 0, "mask": []}]}, "frames[0]: unknown key 'mask'"),
        ({"frames": [{"frame": 0}]}, "frames[0]: wanted one of frame and time, and one of masks and boxes"),
        ({"frames": [{"frame": 0, "time": 0, "masks": []}]}, "frames[0]: wanted one of frame and time"),
        ({"frames": [{"frame": 0.5, "masks": []}]}, "frame is 0.5; wanted a whole number from 0"),
        ({"frames": [{"time": -1, "masks": []}]}, "time is -1; wanted a number from 0"),
        ({"frames": [{"frame": 0, "masks": []}, {"time": 1, "masks": []}]}, "frame numbers and others times"),
        ({"frames": [{"frame": 0, "masks": []}, {"frame": 0, "masks": []}]}, "v.json: 0 is there twice"),
        ({"frames": [{"frame": 0, "masks": {}}]}, "frames[0]: {}; wanted a list"),
        ({"frames": [{"frame": 0, "masks": [{"size": [2, 2], "counts": [3]}]}]}, "frames[0]: counts add up to 3"),
        (
            {"frames": [{"frame": 0, "masks": [{"size": [h, 2], "counts": [2 * h]} for h in (2, 3)]}]},
            "frames[0]: its masks are of different sizes",
        ),
        ({"frames": [{"frame": 0, "boxes": []}]}, "frames[0]: size is None; wanted [height, width]"),
        ({"frames": [{"frame": 0, "boxes": [[0, 0, 1]], "size": [2, 2]}]}, "box [0, 0, 1]; wanted [x, y, width"),
        ({"frames": [{"frame": 0, "boxes": [[0, 0, -1, 1]], "size": [2, 2]}]}, "box [0, 0, -1, 1]"),
    ],
)
def test_bad_json_is_an_error_that_names_file_and_place(tmp_path: Path, content: Any, words: str) -> None:
    (tmp_path / "v.json").write_text(content if isinstance(content, str) else json.dumps(content))
    said = fault(tmp_path, clip(1), missing="empty")
    assert str(tmp_path / "v.json") in said
    assert words in said


def test_bad_pictures_are_errors_that_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "v" / "0.png"
    save(path, corner())
    path.write_bytes(path.read_bytes()[:40])
    assert f"{path}: cannot be read as PNG" in fault(tmp_path, clip(1))
    save(path, np.zeros((2, 2, 4), np.uint8))
    assert f"{path}: a PNG of kind RGBA" in fault(tmp_path, clip(1))
    path.unlink()
    path.mkdir()
    assert f"{path}: cannot be read (not a regular file)" in fault(tmp_path, clip(1))
    path.rmdir()
    save(path.with_name("mask.png"), corner())
    assert "mask.png: not a name of a mask; name masks 000012.png" in fault(tmp_path, clip(1))


def test_ambiguous_places_and_ids_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "v" / "1.png", corner())
    save(tmp_path / "v" / "01.png", corner())
    assert f"{tmp_path / 'v'}: 1 is there twice" in fault(tmp_path)
    written(tmp_path)
    assert "keep one of them" in fault(tmp_path)
    for name in ("../v", "/v", "a/../../v", "..\\v"):
        odd = Clip(name, np.zeros((1, 6, 8, 3), np.uint8), np.zeros(1)).placed(np.zeros(1, np.int64))
        assert "no masks can be named by this id" in fault(tmp_path, odd, missing="empty")


def test_masks_of_the_unturned_picture_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "v" / "0.png", corner(shape=(80, 60)))
    said = fault(tmp_path, clip(1))
    assert "is 60 x 80 px, and the upright picture 8 x 6; turn masks as the video is shown" in said
    assert "turn masks" in fault(tmp_path, clip(1), stretch=True)


def test_masks_of_another_aspect_ratio_are_refused_unless_they_are_to_be_stretched(tmp_path: Path) -> None:
    save(tmp_path / "v" / "0.png", corner(rows=20, columns=40, shape=(40, 80)))
    said = fault(tmp_path, clip(1))
    assert said.startswith(
        f"{tmp_path / 'v'}: the mask at 0 is 80 x 40 px, and the upright picture 8 x 6, of another"
    )
    assert "set mask.stretch = true" in said
    np.testing.assert_array_equal(alpha(tmp_path, clip(1), stretch=True)[0], corner(rows=3, columns=4) / 255)


def test_masks_of_an_anamorphic_video_may_be_of_its_pixels_or_of_what_is_shown(tmp_path: Path) -> None:
    wide = replace(clip(1), pixel_aspect=1.5)
    for width in (80, 120):
        save(tmp_path / "v" / "0.png", corner(rows=30, columns=width // 2, shape=(60, width)))
        np.testing.assert_array_equal(alpha(tmp_path, wide)[0], corner(rows=3, columns=4) / 255)


@given(
    st.tuples(st.integers(16, 2160), st.integers(16, 3840)),
    st.floats(0.02, 3.0),
    st.sampled_from([round, int, lambda side: 2 * round(side / 2)]),
)
def test_a_mask_of_another_resolution_fits_however_its_sides_were_rounded(
    picture: tuple[int, int], scale: float, rounded: Callable[[float], int]
) -> None:
    mask = (max(1, rounded(picture[0] * scale)), max(1, rounded(picture[1] * scale)))
    assume(min(mask) > 1)
    assert shape_fault(mask, picture, pixel_aspect=1.0, stretch=False) == ""


def test_malformed_masks_that_no_frame_takes_are_told_when_the_file_is_read(tmp_path: Path) -> None:
    sound: dict[str, Any] = {"frame": 0, "masks": [{"size": [6, 8], "counts": [48]}]}
    for entry, words in (
        ({"masks": [{"size": [6, 8], "counts": [3]}]}, "counts add up to 3 pixels; size [6, 8] has 48"),
        ({"masks": [{"size": [6, 8], "counts": "\x7f"}]}, "counts have"),
        ({"masks": 3}, "3; wanted a list"),
        ({"boxes": [[0, 0, 1]], "size": [6, 8]}, "box [0, 0, 1]; wanted"),
        ({"boxes": [], "size": [6]}, "size is [6]; wanted"),
    ):
        written(tmp_path, sound, {"frame": 999, **entry})
        assert f"v.json: frames[1]: {words}" in fault(tmp_path, missing="empty")
    written(tmp_path, sound)
    assert alpha(tmp_path, missing="empty").sum() == 0


def test_damaged_pictures_that_no_frame_takes_are_told_too_and_files_are_checked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 999):
        save(tmp_path / "v" / f"{number}.png", corner())
    mask = build_part(FILES, folder=str(tmp_path), missing="empty")
    assert mask(clip())[0].sum() == 6
    other = replace(clip(), id="w")
    save(tmp_path / "w" / "0.png", corner())
    mask(other)
    monkeypatch.setattr(PngImageFile, "verify", lambda self: pytest.fail("checked again"))
    assert mask(clip())[0].sum() == 6  # after another video, its list is read anew
    monkeypatch.undo()
    path = tmp_path / "v" / "999.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"999\.png: cannot be read as PNG"):
        mask(clip())


def test_frames_in_memory_have_no_masks(tmp_path: Path) -> None:
    save(tmp_path / "v" / "0.png", corner())
    bare = Clip("v", np.zeros((1, 6, 8, 3), np.uint8), np.zeros(1))
    assert "frames in memory have no place in a file" in fault(tmp_path, bare)


TOWER = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.mark.integration
@pytest.mark.parametrize("view", [{}, {"flip": 1.0}, {"flip": 0.5, "crop_scale": [0.4, 0.9]}, {"scaler": "swscale"}])
def test_masks_follow_their_frames_through_the_view_and_into_the_store(
    make_recipe: MakeRecipe, clips: Path, tmp_path: Path, view: dict[str, Any]
) -> None:
    """The mask is the red of the pictures themselves: what the transformed frames show of it is what alpha marks."""
    from fdakit.video.decode import frame_times, read_frames

    video, masks = VideoRef("red-across", clips / "red-across.mp4"), tmp_path / "masks"
    everything = read_frames(video, indices=np.arange(len(frame_times(video))))
    for number, frame in enumerate(everything.frames):
        save(masks / video.id / f"{number + 1}.png", red(frame).astype(np.uint8) * 255)
    recipe = make_recipe(
        sampler={"use": "uniform", "train_pick": "centre", "train_frames": 3},
        mask={"use": "files", "folder": str(masks), "first_frame": 1},
        view=view,
        frame_store={"folder": str(tmp_path / "frames")},
    )
    for _ in range(2):  # made, then read from the store
        source = ClipDataset(ClipSettings.of(recipe), [video], training=True, preprocess=TOWER, shapes=BuildContext())
        for epoch in (0, 1):
            found = source[ClipRequest(0, epoch)]
            assert isinstance(found, ClipItem), found
            shown, marked = red(found.frames), np.asarray(found.masks["none"], bool)
            assert shown.any()
            assert (shown != marked).mean() < 0.02  # but for the edge, which resizing blends


def red(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    channels = frames.astype(np.int16)
    return np.asarray(channels[..., 0] - channels[..., 1:].max(axis=-1) > 60, np.bool_)


@pytest.mark.integration
def test_changed_mask_files_are_read_again_and_others_are_not(
    make_recipe: MakeRecipe, clips: Path, tmp_path: Path
) -> None:
    video, path = VideoRef("red-across", clips / "red-across.mp4"), tmp_path / "masks" / "red-across" / "0.png"
    save(path, corner())
    recipe = make_recipe(
        sampler={"use": "uniform", "train_pick": "centre", "train_frames": 3},
        mask={"use": "files", "folder": str(tmp_path / "masks"), "frame_tolerance": 999},
        frame_store={"folder": str(tmp_path / "frames")},
    )

    def covered() -> float:
        source = ClipDataset(ClipSettings.of(recipe), [video], training=True, preprocess=TOWER, shapes=BuildContext())
        found = source[ClipRequest(0, 0)]
        assert isinstance(found, ClipItem), found
        return float(np.asarray(found.masks["none"], bool).mean())

    first = covered()
    assert first == covered()
    save(path, corner(rows=4, columns=6))
    assert covered() > 2 * first
    save(path, corner())
    assert covered() == first


def test_the_version_follows_contents_and_names_not_times(tmp_path: Path) -> None:
    mask = build_part(FILES, folder=str(tmp_path))
    assert mask.version("v") == ""
    save(tmp_path / "v" / "0.png", corner())
    first = mask.version("v")
    (tmp_path / "v" / "0.png").touch()
    assert mask.version("v") == first == build_part(FILES, folder=str(tmp_path)).version("v")
    (tmp_path / "v" / "0.png").rename(tmp_path / "v" / "1.png")
    assert mask.version("v") != first
