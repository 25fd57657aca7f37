"""Weights whose licence is not known to be permissive say where it is told, once, when they are loaded."""

from __future__ import annotations

import warnings

import open_clip
import pytest

from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model.open_clip_models import building
from fdakit.model.open_clip_models.licences import licence_notice
from fdakit.plugin import BuildContext

pytestmark = pytest.mark.integration

RESTRICTED = ("apple/", "visheratin/", "timm/MobileCLIP", "metaclip")


def test_every_tag_of_open_clip_is_permissive_or_names_its_card() -> None:
    told = {}
    for model, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(model, tag)
        told[config["hf_hub"].rstrip("/")] = licence_notice(config, None)
    assert {repo for repo, notice in told.items() if not notice and any(mark in repo for mark in RESTRICTED)} == set()
    assert told["apple/DFN2B-CLIP-ViT-B-16"] == "licence of these weights: see hf.co/apple/DFN2B-CLIP-ViT-B-16"
    for repo in (
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "timm/vit_base_patch16_clip_224.openai",
        "timm/PE-Core-B-16",
    ):
        assert told[repo] == ""
    unknown = {repo for repo, notice in told.items() if notice and not any(mark in repo for mark in RESTRICTED)}
    assert unknown == set(), "read their cards: permissive ones are listed, others are restricted"


def test_a_repository_that_nobody_knows_names_its_card_and_a_file_says_nothing() -> None:
    assert licence_notice({}, "somebody/their-clip") == "licence of these weights: see hf.co/somebody/their-clip"
    assert licence_notice({}, "laion/anything") == ""
    assert licence_notice({}, None) == ""
    assert "not known to fdakit" in licence_notice({"url": "https://example.org/x.pt"}, None)


@pytest.mark.parametrize(("tag", "told"), [("dfn2b", True), ("openai", False), ("none", False)])
@pytest.mark.parametrize("pretrained", [True, False])
def test_the_line_is_printed_when_weights_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tag: str, told: bool, pretrained: bool
) -> None:
    create = open_clip.create_model

    def without_weights(name: str, **options: object) -> object:
        return create("ViT-B-16", **{**options, "pretrained": None, "load_weights": False})  # type: ignore[arg-type]

    monkeypatch.setattr(building, "tag_file", lambda known, what: "kept.safetensors")
    monkeypatch.setattr(building.open_clip, "create_model", without_weights)
    options = OPEN_CLIP.options.model_validate({"model": "ViT-B-16", "pretrained": tag})
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        OPEN_CLIP.build(options, BuildContext(pretrained=pretrained))
    lines = [str(one.message) for one in heard if "licence of these weights" in str(one.message)]
    wanted = "encoder ViT-B-16 with pretrained 'dfn2b': licence of these weights: see hf.co/apple/DFN2B-CLIP-ViT-B-16"
    assert lines == ([wanted] if told and pretrained else [])
