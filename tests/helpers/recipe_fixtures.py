"""Small recipes on real clips: a tiny encoder of random weights, a handful of captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from helpers import example_parts

from fdakit.catalog import Catalog, load_catalog
from fdakit.plugin import Caption, Split, VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate

MakeRecipe = Callable[..., Recipe]
SPLITS = {
    "train": ("red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across", "pink-down"),
    "val": ("red-across", "blue-down", "pink-down"),
    "test": ("red-across", "green-across", "blue-down", "yellow-down", "pink-down", "red-rests"),
}


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """What is installed, and the parts of `helpers.example_parts`."""
    return load_catalog(extra=[example_parts])


@pytest.fixture(scope="session")
def manifest(clips: Path) -> Path:
    """Train 7 videos with 2 captions each, val 3, test 6, the last with one clip of a single frame."""
    lines = ["path,caption,split"]
    for split, names in SPLITS.items():
        for name in names:
            colour, way = name.split("-")
            lines.append(f"{name}.mp4,a {colour} square {way},{split}")
            if split == "train":
                lines.append(f"{name}.mp4,it is {colour} and goes {way},{split}")
    path = clips / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def document(manifest: Path) -> dict[str, Any]:
    """A recipe that trains in about a second."""
    return {
        "name": "small",
        "seed": 3,
        "dataset": {"use": "manifest", "path": str(manifest)},
        "sampler": {"use": "uniform", "train_frames": 2, "eval_frames": 3},
        "mask": {"use": "frame-difference"},
        "encoder": {
            "use": "tiny",
            "image_size": 32,
            "width": 64,
            "layers": 1,
            "text_layers": 1,
            "embedding": 16,
            "context_length": 8,
        },
        "observer": [],
        "loader": {"workers": 0},
        "train": {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "device": "cpu"},
        "eval": {"bootstrap": 20, "batch_size": 4},
    }


@pytest.fixture
def make_recipe(document: dict[str, Any], catalog: Catalog) -> MakeRecipe:
    """`make_recipe(train={"epochs": 1}, mask={"use": "soft"})`: keys are changed, a new `use` starts afresh."""

    def make(**tables: Any) -> Recipe:
        changed = deepcopy(document)
        for table, value in tables.items():
            if isinstance(value, Mapping) and "use" not in value:
                changed[table] = {**changed.get(table, {}), **value}
            else:
                changed[table] = value
        return validate(changed, where="small.toml", catalog=catalog)

    return make


@pytest.fixture
def split(clips: Path) -> Callable[..., Split]:
    """`split(("red-across", "a caption"), ...)`: pairs of clip and caption become a split."""

    def make(*pairs: tuple[str, str], name: str = "test", **also: Any) -> Split:
        ids = list(dict.fromkeys(video for video, _ in pairs))
        paths = {video: clips / f"{Path(video).name}.mp4" for video in ids}
        return Split(
            name,
            tuple(VideoRef(video, paths[video]) for video in ids),
            tuple(Caption(text, video) for video, text in pairs),
            **also,
        )

    return make
