"""How weights from a file want their pictures: from header, configuration, tags or layout, else it is demanded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from helpers.small_clip import PICTURES, SIZES, alpha_tower, name_model, write_folder
from safetensors.torch import save_file

from fdakit import CheckpointError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model import recorded_preprocess
from fdakit.model.open_clip_models.preprocessing import file_preprocess
from fdakit.model.open_clip_models.source import find_source
from fdakit.model.preprocess_record import preprocess_header
from fdakit.plugin import BuildContext, Preprocess
from fdakit.testing.building import build_part

OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
DEFAULT = Preprocess(32, *OPENAI, source="open_clip's default")
OWN = Preprocess(32, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), "bilinear", "squash", "where it was made")


FAMILIES = [name for name in open_clip.list_models() if re.match(r"PE-Core|MobileCLIP2|.*SigLIP2", name)]


@pytest.mark.parametrize("model", FAMILIES)
def test_a_file_wants_what_every_tag_of_its_model_wants(tmp_path: Path, model: str) -> None:
    found = file_preprocess(find_source(model), [tmp_path / "any.pt"], default=DEFAULT)
    tags = open_clip.list_pretrained_tags_by_model(model)
    assert tags
    for tag in tags:
        wanted = open_clip.get_pretrained_cfg(model, tag)
        assert (found.mean, found.std) == (wanted["mean"], wanted["std"]), tag
        assert (found.interpolation, found.resize) == (wanted["interpolation"], wanted["resize_mode"]), tag
    assert found.unknown == ()
    assert found.source == f"all tags of {model} agree"


def test_the_three_families_are_there() -> None:
    assert len(FAMILIES) > 20
    assert {re.match("PE-Core|MobileCLIP2|.*(SigLIP2)", n)[0].rpartition("-")[2] for n in FAMILIES} == {  # type: ignore[index]
        "Core",
        "MobileCLIP2",
        "SigLIP2",
    }


def test_every_name_of_open_clip_is_told_or_demanded(tmp_path: Path) -> None:
    told = 0
    for model in open_clip.list_models():
        found = file_preprocess(find_source(model), [tmp_path / "any.pt"], default=DEFAULT)
        tags = [open_clip.get_pretrained_cfg(model, t) for t in open_clip.list_pretrained_tags_by_model(model)]
        for name, theirs in (
            ("mean", "mean"),
            ("std", "std"),
            ("interpolation", "interpolation"),
            ("resize", "resize_mode"),
        ):
            values = {str(tag[theirs]) for tag in tags}
            assert (name in found.unknown) == (len(values) != 1), (model, name)
            if name not in found.unknown:
                assert {str(getattr(found, name))} == values, (model, name)
        told += not found.unknown
    assert told > 100


def weights(model: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state: dict[str, torch.Tensor] = build_part(OPEN_CLIP, model=model).clip.state_dict()
    return {name: value.contiguous() for name, value in state.items()}


def built(model: str, file: Path, **options: Any) -> Preprocess:
    found: Preprocess = build_part(OPEN_CLIP, model=model, pretrained=str(file), **options).preprocess
    return found


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A small model without tags."""
    return name_model(tmp_path, "small-for-pictures")


def test_a_header_wins_and_comes_back_equal(tmp_path: Path, small: str) -> None:
    state = weights(small)
    save_file(state, tmp_path / "own.safetensors", metadata=preprocess_header(OWN))
    assert recorded_preprocess(tmp_path / "own.safetensors") == OWN
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": SIZES, "preprocess_cfg": {}}))
    found = built(small, tmp_path / "own.safetensors")
    assert (found, found.source) == (OWN, "header of own.safetensors (where it was made)")


def told(**changed: object) -> str:
    return json.dumps({**json.loads(preprocess_header(OWN)["preprocess"]), **changed})


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "3",
        '{"mean": [1, 2]}',
        *(told(size=size) for size in (0, -5, 10**9, float("inf"), float("nan"), 224.5, True, "224")),
        *(told(mean=mean) for mean in ([10**400, 0, 0], "123", [0, 0], [0, 0, "0"], [float("nan")] * 3)),
        *(told(std=std) for std in ([0] * 3, [1e-320, 1, 1], [float("nan"), 1, 1], [1e9] * 3)),
        told(interpolation=[1]),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, value: str) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "w.safetensors", metadata={"preprocess": value})
    with pytest.raises(CheckpointError, match=r"w\.safetensors: its header's 'preprocess' is not readable"):
        recorded_preprocess(tmp_path / "w.safetensors")


def test_a_configuration_beside_the_file_is_taken_if_it_is_of_that_model(tmp_path: Path, small: str) -> None:
    torch.save(weights(small), tmp_path / "w.pt")
    config = tmp_path / "open_clip_config.json"
    config.write_text(json.dumps({"model_cfg": SIZES, "preprocess_cfg": PICTURES}))
    found = built(small, tmp_path / "w.pt")
    assert (found, found.source) == (OWN, "open_clip_config.json beside w.pt")
    config.write_text(json.dumps({"model_cfg": {**SIZES, "embed_dim": 8}, "preprocess_cfg": PICTURES}))
    assert built(small, tmp_path / "w.pt").unknown == ("mean", "std", "interpolation", "resize")
    config.write_text('{"model_cfg": {}}')
    with pytest.raises(CheckpointError, match="is next to the weights and cannot be read"):
        built(small, tmp_path / "w.pt")


def test_openai_s_layouts_want_openai_s_pictures_where_tags_do_not_agree(tmp_path: Path, small: str) -> None:
    torch.save(alpha_tower(weights(small)), tmp_path / "alpha.pth")
    found = build_part(
        OPEN_CLIP, model=small, visual_checkpoint=str(tmp_path / "alpha.pth"), quick_gelu=True
    ).preprocess
    assert (found.mean, found.std, found.interpolation, found.resize) == (*OPENAI, "bicubic", "shortest")
    assert found.source == "OpenAI's, by the layout of alpha.pth (Alpha-CLIP visual tower)"
    assert found.unknown == ()


def test_what_only_some_tags_want_is_unknown_with_the_choice(tmp_path: Path) -> None:
    found = file_preprocess(find_source("ViT-L-14"), [tmp_path / "w.pt"], default=DEFAULT)
    assert found.unknown == ("mean", "std")
    assert f"{tmp_path / 'w.pt'}: nothing tells mean, std of the pictures that its weights want" in found.source
    assert "mean [0.5, 0.5, 0.5], std [0.5, 0.5, 0.5] (laion2b_s32b_b82k)" in found.source


def test_a_folder_whose_configuration_is_silent_is_asked_about(tmp_path: Path) -> None:
    write_folder(tmp_path / "clip")
    config = tmp_path / "clip" / "open_clip_config.json"
    config.write_text(json.dumps({"model_cfg": SIZES, "preprocess_cfg": {"mean": [0.1, 0.2, 0.3]}}))
    model = f"local-dir:{tmp_path / 'clip'}"
    found = build_part(OPEN_CLIP, model=model)
    assert found.preprocess.unknown == ("std",)
    assert found.preprocess.source == f"open_clip_config.json of {model} says nothing of std of pictures"
    assert found.former_preprocess.unknown == ()
    torch.save(alpha_tower(weights(name_model(tmp_path, "small-silent"))), tmp_path / "alpha.pth")
    settled = build_part(OPEN_CLIP, model=model, pretrained=str(tmp_path / "alpha.pth"), quick_gelu=True).preprocess
    assert (settled.mean, settled.unknown) == (OPENAI[0], ())


@pytest.mark.integration
def test_tags_folders_and_random_weights_say_where_they_know_it_from(tmp_path: Path) -> None:
    write_folder(tmp_path / "clip")
    folder = build_part(OPEN_CLIP, model=f"local-dir:{tmp_path / 'clip'}").preprocess
    assert folder.source == f"open_clip_config.json of local-dir:{tmp_path / 'clip'}"
    options = OPEN_CLIP.options.model_validate({"model": "PE-Core-T-16-384", "pretrained": "meta"})
    tagged = OPEN_CLIP.build(options, BuildContext(pretrained=False))
    assert (tagged.preprocess.source, tagged.preprocess.mean) == ("open_clip's tag 'meta'", (0.5, 0.5, 0.5))
    assert tagged.former_preprocess is None
    file = OPEN_CLIP.build(options.model_copy(update={"pretrained": "a/file.pt"}), BuildContext(pretrained=False))
    assert (file.preprocess.mean, file.preprocess.resize) == ((0.5, 0.5, 0.5), "squash")
    assert file.former_preprocess.mean == OPENAI[0]
