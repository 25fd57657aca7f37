"""The zoo: every name leads to weights that exist, licences are said, files are found without any network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
from helpers.sample_plugins import document
from helpers.small_clip import snapshot

from fdakit import CheckpointError
from fdakit.catalog import load_catalog
from fdakit.model.zoo import (
    HUB_FILES,
    ZOO,
    ZooModel,
    archive_sha256,
    encoder_table,
    find_model,
    known_sha256,
    weights_folder,
    zoo_files,
)
from fdakit.recipe.validation import validate

IDS = [model.name for model in ZOO]
ALPHA = [model for model in ZOO if model.visual_checkpoint]


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a cache and a working directory with nothing in them."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("FDAKIT_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("model", ZOO, ids=IDS)
def test_what_is_written_here_is_what_open_clip_knows(model: ZooModel) -> None:
    tag = open_clip.get_pretrained_cfg(model.model, model.pretrained)
    assert tag["hf_hub"].rstrip("/") == model.hub
    assert bool(tag.get("quick_gelu")) == (model.archive is not None)
    if model.archive is not None:
        assert tag["url"].endswith(f"/{archive_sha256(model)}/{model.archive}")
        assert len(archive_sha256(model) or "") == 64
    else:
        assert archive_sha256(model) is None


def test_names_are_unique_and_every_published_alpha_tower_has_one() -> None:
    assert len(set(IDS)) == len(ZOO)
    towers = {(model.alpha, model.model) for model in ALPHA}
    sizes = {"ViT-B-16", "ViT-L-14", "ViT-L-14-336"}
    assert towers == {(data, size) for data in ("GRIT-1M", "GRIT-20M") for size in sizes} | {
        ("GRIT-1M + MIM", "ViT-B-16"),
        ("GRIT-1M + MIM", "ViT-L-14"),
    }
    assert len({model.visual_checkpoint for model in ALPHA}) == len(ALPHA) == 8


def test_alpha_towers_are_for_research_only_and_the_others_say_that_alpha_is_zero() -> None:
    for model in ZOO:
        assert model.research_only == (model in ALPHA)
        assert ("CC BY-NC 4.0" in model.licence) == (model in ALPHA)
        assert (model.alpha == "zero") == ("starts at zero" in model.note) == (model not in ALPHA)
        assert model.sha256 is None  # of the towers, none is published
    assert [m.name for m in ZOO if "commercial" in m.note] == ["clip-b16-datacomp", "clip-l14-datacomp"]


@pytest.mark.parametrize("model", ZOO, ids=IDS)
def test_nothing_is_found_where_nothing_is(model: ZooModel) -> None:
    files = zoo_files(model)
    assert [file.part for file in files] == (["clip", "alpha"] if model in ALPHA else ["clip"])
    assert [file.found for file in files] == [None] * len(files)


@pytest.mark.parametrize("model", ALPHA, ids=[model.name for model in ALPHA])
def test_an_alpha_tower_is_known_by_both_of_its_names(model: ZooModel, bare: Path) -> None:
    for name in filter(None, (model.visual_checkpoint, model.other_name)):
        path = put(bare / "weights" / name)
        (_, alpha) = zoo_files(model)
        assert alpha.found is not None
        assert alpha.found.absolute() == path
        assert encoder_table(model, zoo_files(model))["visual_checkpoint"] == str(Path("weights") / name)
        assert known_sha256(model, alpha) is None
        path.unlink()


def test_the_folder_is_weights_or_what_the_variable_names(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_folder() == Path("weights")
    monkeypatch.setenv("FDAKIT_WEIGHTS", str(bare / "elsewhere"))
    path = put(bare / "elsewhere" / "ViT-B-16.pt")
    assert zoo_files(find_model("clip-b16"))[0].found == path


@pytest.mark.parametrize("name", HUB_FILES)
def test_a_tag_is_found_in_the_hubs_cache_and_its_checksum_is_the_files_own(bare: Path, name: str) -> None:
    model = find_model("clip-b16-datacomp")
    content = b"as fetched"
    sha256 = hashlib.sha256(content).hexdigest()
    blob = put(bare / "hub" / "models--laion--CLIP-ViT-B-16-DataComp.XL-s13B-b90K" / "blobs" / sha256, content)
    link = snapshot(bare / "hub", model.hub) / name
    link.symlink_to(blob)
    (file,) = zoo_files(model)
    assert file.found == link
    assert not file.archive
    assert known_sha256(model, file) == sha256
    assert encoder_table(model, (file,)) == {"use": "open-clip", "model": model.model, "pretrained": model.pretrained}


def test_a_file_of_unknown_origin_has_no_checksum_to_compare(bare: Path) -> None:
    model = find_model("clip-b16-datacomp")
    put(snapshot(bare / "hub", model.hub) / HUB_FILES[0])
    assert known_sha256(model, zoo_files(model)[0]) is None


@pytest.mark.parametrize("place", ["weights", "home/.cache/clip"])
def test_openais_own_archive_is_taken_by_path(bare: Path, place: str) -> None:
    model = find_model("clip-l14-336")
    path = put(bare / place / "ViT-L-14-336px.pt")
    (file,) = zoo_files(model)
    assert file.found is not None
    assert file.found.absolute() == path
    assert known_sha256(model, file) == archive_sha256(model)
    table = encoder_table(model, (file,))
    assert (Path(table["pretrained"]).absolute(), table["quick_gelu"]) == (path, True)


@pytest.mark.parametrize("model", ZOO, ids=IDS)
def test_every_models_encoder_passes_check(model: ZooModel) -> None:
    table = encoder_table(model, zoo_files(model))
    assert validate(document(encoder=table), where="zoo", catalog=load_catalog()).parts["encoder"].name == "open-clip"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        CheckpointError, match=r"model 'alpha-clip-b16': not in the zoo; did you mean 'alpha-clip-b16-"
    ):
        find_model("alpha-clip-b16")
