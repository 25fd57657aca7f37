"""Every split for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import NoOptions, component, offering

from fdakit import DatasetError
from fdakit.catalog import Catalog, Part, load_catalog
from fdakit.dataset_tools.split_loading import LoadedSplits, load_splits, load_without_videos
from fdakit.errors import PartError
from fdakit.plugin import BuildContext, Split


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


class Half:
    """One split loads, one is absent, and one may fail for a fault of the part."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken

    def splits(self) -> tuple[str, ...]:
        return ("train", "test", *(("odd",) if self._broken else ()))

    def load(self, split: str, progress: object) -> Split:
        if split == "train":
            raise DatasetError("train.txt: absent")
        if split == "odd":
            raise KeyError("odd")
        return Split(split, (), ())


def test_a_split_that_cannot_be_loaded_does_not_hide_the_others() -> None:
    loaded = load_splits(Half(), who="dataset 'half'", progress=quiet)
    assert loaded == LoadedSplits((Split("test", (), ()),), {"train": "train.txt: absent"})
    assert loaded.need_some() is loaded
    with pytest.raises(DatasetError, match=r"^one\ntwo$"):
        LoadedSplits((), {"train": "one", "val": "two", "test": "one"}).need_some()
    with pytest.raises(DatasetError, match="the data set names no split"):
        LoadedSplits((), {}).need_some()


def test_a_fault_of_the_part_is_its_own() -> None:
    with pytest.raises(PartError, match="dataset 'half' failed while loading split 'odd': KeyError"):
        load_splits(Half(broken=True), who="dataset 'half'", progress=quiet)


def msvd(catalog: Catalog, root: Path, **options: object) -> Part[Any]:
    offer = catalog.find("dataset", "msvd")
    return Part(offer, offer.component.options.model_validate({"root": root, **options}))


def test_captions_tell_without_a_folder_of_videos(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "test_list.txt").write_text("a_0_5\n")
    (tmp_path / "captions.json").write_text(json.dumps({"a_0_5": ["a dog"]}))
    (tmp_path / "a_0_5.mp4").touch()  # beside the folder, where no run looks
    loaded = load_without_videos(msvd(catalog, tmp_path), BuildContext(), progress=quiet)
    (split,) = loaded.splits
    assert split.videos[0].path == tmp_path / "videos" / "a_0_5.mp4"
    assert set(loaded.reasons) == {"train", "val"}
    (tmp_path / "YouTubeClips").mkdir()
    (there,) = load_without_videos(msvd(catalog, tmp_path), BuildContext(), progress=quiet).splits
    assert there.videos[0].path.parent == tmp_path / "YouTubeClips"
    chosen = msvd(catalog, tmp_path, videos=tmp_path / "elsewhere")
    assert "elsewhere: no such folder" in load_without_videos(chosen, BuildContext(), progress=quiet).reasons["test"]


def test_a_data_set_that_names_no_sources_loads_as_it_does() -> None:
    catalog = load_catalog(extra=[offering("dataset", component("half", lambda options, shapes: Half()))])
    part = Part(catalog.find("dataset", "half"), NoOptions())
    assert load_without_videos(part, BuildContext(), progress=quiet).reasons == {"train": "train.txt: absent"}
