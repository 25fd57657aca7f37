"""The encoder `open-clip` from a folder: open_clip's own layout, read strictly, every fault in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.small_clip import PICTURES, SIZES, WEIGHTS, alpha_tower, name_model, save_weights, write_folder

from fdakit import CheckpointError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext
from fdakit.testing.building import build_part

pytestmark = pytest.mark.integration


def build(folder: Path | str, **options: Any) -> ClipEncoder:
    found: ClipEncoder = build_part(OPEN_CLIP, model=f"local-dir:{folder}", **options)
    return found


def same(encoder: ClipEncoder, state: dict[str, torch.Tensor]) -> bool:
    own = encoder.clip.state_dict()
    return set(own) == set(state) and all(torch.equal(value, state[name]) for name, value in own.items())


def test_a_folder_gives_sizes_weights_and_preprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = write_folder(tmp_path / "small")
    encoder = build(tmp_path / "small")
    assert same(encoder, state)
    seen = encoder.preprocess
    assert (seen.size, seen.interpolation, seen.resize) == (32, "bilinear", "squash")
    assert (list(seen.mean), list(seen.std)) == (PICTURES["mean"], PICTURES["std"])
    assert (encoder.shapes.embedding, encoder.context_length) == (16, 8)
    monkeypatch.chdir(tmp_path)
    assert same(build("small"), state)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pth", "mine.safetensors"])
def test_weights_are_found_by_open_clips_names_or_as_the_only_file(tmp_path: Path, name: str) -> None:
    state = write_folder(tmp_path, weights=name)
    assert same(build(tmp_path), state)


def test_of_several_weights_files_open_clips_own_name_wins_or_one_must_be_named(tmp_path: Path) -> None:
    other = write_folder(tmp_path, weights="a.safetensors", seed=1)
    save_weights(tmp_path / "b.pth", other)
    with pytest.raises(CheckpointError, match=r"several weights files \(a\.safetensors, b\.pth\); name one of them"):
        build(tmp_path)
    assert same(build(tmp_path, pretrained=str(tmp_path / "b.pth")), other)
    own = write_folder(tmp_path, seed=2)
    assert same(build(tmp_path), own)


def test_quick_gelu_is_the_configurations_unless_the_option_says_otherwise(tmp_path: Path) -> None:
    write_folder(tmp_path, quick_gelu=True)
    kinds = {
        asked: type(build(tmp_path, quick_gelu=asked).clip.visual.transformer.resblocks[0].mlp.gelu).__name__
        for asked in (None, True, False)
    }
    assert kinds == {None: "LeanQuickGELU", True: "LeanQuickGELU", False: "GELU"}


def test_a_visual_checkpoint_replaces_the_folders_tower(tmp_path: Path) -> None:
    write_folder(tmp_path / "small", quick_gelu=True)
    tower = write_folder(tmp_path / "other", seed=9)
    torch.save(alpha_tower(tower), tmp_path / "alpha.pth")
    with pytest.warns(
        UserWarning, match=r"alpha\.pth: an Alpha-CLIP visual tower; .* research only \(CC BY-NC 4\.0\)"
    ):
        encoder = build(tmp_path / "small", visual_checkpoint=str(tmp_path / "alpha.pth"))
    assert torch.equal(encoder.clip.visual.conv1.weight, tower["visual.conv1.weight"])
    assert (encoder.alpha_weights[0] == 0.01).all()


def test_where_a_checkpoint_fills_the_weights_the_configuration_is_enough(tmp_path: Path) -> None:
    write_folder(tmp_path, weights=None)
    options = OPEN_CLIP.options.model_validate({"model": f"local-dir:{tmp_path}"})
    assert OPEN_CLIP.build(options, BuildContext(pretrained=False)).shapes.embedding == 16
    with pytest.raises(CheckpointError, match="holds no weights; put open_clip_model"):
        OPEN_CLIP.build(options, BuildContext())


def broken(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "open_clip_config.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not readable as JSON"),
        ("\x00", "not readable as JSON"),
        ("[]", "lacks model_cfg"),
        ('{"embed_dim": 16}', "lacks model_cfg"),
        ('{"model_cfg": 3}', "lacks model_cfg"),
        ('{"model_cfg": {"embed_dim": "16", "vision_cfg": {}}}', "lacks embed_dim, text_cfg"),
        (json.dumps({"model_cfg": {**SIZES, "depth": 3}}), "open_clip cannot make a model of its configuration"),
        (json.dumps({"model_cfg": {**SIZES, "vision_cfg": {"layers": "x"}}}), "open_clip cannot make a model"),
        (json.dumps({"model_cfg": {**SIZES, "vision_cfg": {"timm_model_name": "nothing"}}}), "open_clip cannot make"),
    ],
)
def test_a_broken_configuration_is_an_error_in_words(tmp_path: Path, text: str, words: str) -> None:
    write_folder(tmp_path / "small")
    with pytest.raises(CheckpointError, match=words) as caught:
        build(broken(tmp_path / "small", text))
    assert str(tmp_path / "small") in str(caught.value)


def test_no_folder_and_no_configuration_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere is no folder; name one that holds open_clip_config\.json"):
        build(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="is no folder"):
        build_part(OPEN_CLIP, model="local-dir:")
    with pytest.raises(CheckpointError, match=r"open_clip_config\.json: absent"):
        build(tmp_path)


def test_weights_of_other_sizes_are_refused(tmp_path: Path) -> None:
    wide = write_folder(tmp_path / "wide", embed_dim=24)
    write_folder(tmp_path / "small")
    save_weights(tmp_path / "small" / WEIGHTS, wide)
    with pytest.raises(CheckpointError, match=r"another architecture: .*text_projection is \(32, 24\), wanted"):
        build(tmp_path / "small")


def test_tags_belong_to_open_clips_own_names(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"'openai' is neither a file .* nor a tag, which 'local-dir:.*none of"):
        build(tmp_path, pretrained="openai")
    with pytest.raises(CheckpointError, match=r"tags: .*openai"):
        build_part(OPEN_CLIP, model="ViT-B-32", pretrained="opanai")
    with pytest.raises(CheckpointError, match=r"near it: .*ViT-B-32.*local-dir:FOLDER"):
        build_part(OPEN_CLIP, model="ViT-B-33")


def test_a_name_gives_random_weights_from_the_callers_seed(tmp_path: Path) -> None:
    name = name_model(tmp_path, "small-by-name")
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build_part(OPEN_CLIP, model=name).clip.visual.conv1.weight)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.integration
def test_a_tag_s_own_preprocessing_holds_also_where_a_checkpoint_brings_the_weights() -> None:
    options = OPEN_CLIP.options.model_validate({"model": "MobileCLIP-S1", "pretrained": "datacompdr"})
    seen = OPEN_CLIP.build(options, BuildContext(pretrained=False)).preprocess
    assert (seen.mean, seen.std, seen.interpolation) == ((0, 0, 0), (1, 1, 1), "bilinear")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path)
    (tmp_path / "inside").mkdir()
    words = rf"pretrained: '.*' is neither a file \({tmp_path / 'inside'} is a folder\)"
    with pytest.raises(CheckpointError, match=words):
        build(tmp_path, pretrained=str(tmp_path / "inside"))
    with pytest.raises(CheckpointError, match=rf"visual_checkpoint: {tmp_path / 'inside'} is a folder"):
        build(tmp_path, visual_checkpoint=str(tmp_path / "inside"))
    with pytest.raises(CheckpointError, match="is absent"):
        build(tmp_path, pretrained="x" * 300)
