"""What every weight is to training: roles and depths in every build of tower, and of encoders of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from open_clip import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay
from torch import nn

from fdakit import PluginError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.model import ClipEncoder
from fdakit.model.layer_depth import clip_role, clip_towers
from fdakit.model.parameter_roles import Weight, list_weights, towers_of
from fdakit.model.retriever import Retriever
from fdakit.plugin import Preprocess
from fdakit.testing.building import build_part

MakeEncoder = Callable[..., ClipEncoder]
PREPROCESS = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def retriever(encoder: Any, fusion: Any = None, aggregator: Any = None) -> Retriever:
    labels = {"encoder": "encoder 'mine' (local)", "fusion": "", "aggregator": "", "matcher": ""}
    return Retriever(
        encoder=encoder,
        fusion=fusion,
        aggregator=aggregator or build_part(MEAN),
        matcher=build_part(COSINE),
        preprocess=PREPROCESS,
        labels=labels,
    )


def with_alpha(encoder: ClipEncoder) -> Retriever:
    return retriever(encoder, build_part(ALPHA_CONV, encoder.shapes))


def by_name(weights: Sequence[Weight]) -> dict[str, Weight]:
    return {weight.name: weight for weight in weights}


class Scaled(nn.Module):
    """An objective with a scale, a bias of it, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.logit_scale, self.logit_bias = (nn.Parameter(torch.zeros(())) for _ in range(2))
        self.inner = nn.Linear(2, 2)


@pytest.mark.parametrize("kind", ["vit", "resnet", "fastvit"])
def test_every_weight_is_listed_once_in_the_order_of_the_modules(kind: str, make_encoder: MakeEncoder) -> None:
    joined = with_alpha(make_encoder(kind))
    weights = list_weights(joined, [Scaled(), "no module", Scaled()])
    names = [name for name, _ in joined.named_parameters()]
    assert [weight.name for weight in weights][: len(names)] == names
    assert [weight.name for weight in weights][len(names) :] == [
        f"objective.{number}.{name}" for number in (0, 2) for name, _ in Scaled().named_parameters()
    ]
    values = dict(joined.named_parameters())
    assert all(weight.value is values[weight.name] for weight in weights[: len(names)])


@pytest.mark.parametrize("kind", ["vit", "resnet", "fastvit"])
def test_the_stem_is_what_reads_rgb_and_the_rest_goes_to_its_tower(kind: str, make_encoder: MakeEncoder) -> None:
    joined = with_alpha(make_encoder(kind))
    stem = [f"encoder.clip.visual.{convolution.name}" for convolution in joined.encoder.shapes.stem]
    assert stem
    for weight in list_weights(joined):
        if weight.name == "encoder.clip.logit_scale":
            expected = "logit-scale"
        elif weight.name.startswith("fusion."):
            expected = "alpha-path"
        elif not weight.name.startswith("encoder.clip.visual."):
            expected = "text-tower"
        else:
            expected = "stem" if weight.name.rpartition(".")[0] in stem else "visual-trunk"
        assert weight.role == expected, weight.name


def test_objectives_own_weights_are_told_from_their_scale() -> None:
    found = by_name(list_weights(retriever(nn.Linear(1, 1)), [Scaled()]))
    assert {name: weight.role for name, weight in found.items() if name.startswith("objective.")} == {
        "objective.0.logit_scale": "logit-scale",
        "objective.0.logit_bias": "logit-scale",
        "objective.0.inner.weight": "objective",
        "objective.0.inner.bias": "objective",
    }


def depth(found: dict[str, Weight], name: str) -> tuple[int, int, int]:
    """Layer, number of layers and block of a weight of the model."""
    place = found[f"encoder.clip.{name}"].depth
    assert place is not None, name
    return place.layer, place.of, place.block


def test_depths_of_open_clips_vit_and_text_tower(make_encoder: MakeEncoder) -> None:
    found = by_name(list_weights(with_alpha(make_encoder("vit"))))
    for name in ("conv1.weight", "class_embedding", "positional_embedding", "ln_pre.bias"):
        assert depth(found, f"visual.{name}") == (0, 4, 0)
    for block in (0, 1):
        assert depth(found, f"visual.transformer.resblocks.{block}.attn.in_proj_weight") == (block + 1, 4, block + 1)
    for name in ("ln_post.weight", "proj"):
        assert depth(found, f"visual.{name}") == (3, 4, 0)
    assert depth(found, "token_embedding.weight") == depth(found, "positional_embedding") == (0, 3, 0)
    assert depth(found, "transformer.resblocks.0.ln_1.weight") == (1, 3, 1)
    assert depth(found, "ln_final.weight") == depth(found, "text_projection") == (2, 3, 0)
    outside = {name for name, weight in found.items() if weight.depth is None}
    assert outside == {"encoder.clip.logit_scale", "fusion.convolutions.0.weight"}


def test_depths_of_a_resnet_run_through_its_stages(make_encoder: MakeEncoder) -> None:
    found = by_name(list_weights(with_alpha(make_encoder("resnet"))))
    for name in ("conv1.weight", "conv3.weight", "bn2.bias"):
        assert depth(found, f"visual.{name}") == (0, 6, 0)
    for stage in (1, 2, 3, 4):
        assert depth(found, f"visual.layer{stage}.0.conv1.weight") == (stage, 6, stage)
    assert depth(found, "visual.attnpool.positional_embedding") == (5, 6, 0)


def test_a_text_tower_of_its_own_has_the_roles_and_depths_of_one_inside_the_model(make_clip: Any) -> None:
    vision = CLIPVisionCfg(image_size=32, patch_size=8, width=64, head_width=32, layers=2)
    text = CLIPTextCfg(context_length=12, width=32, heads=2, layers=1)
    inside, apart = make_clip("vit"), CustomTextCLIP(embed_dim=32, vision_cfg=vision, text_cfg=text)
    told = []
    for clip in (inside, apart):
        depths = {name: place for tower in clip_towers(clip, prefix="") for name, place in tower.depths().items()}
        assert set(depths) | {"logit_scale"} == {name for name, _ in clip.named_parameters()}
        told.append({name.removeprefix("text."): place for name, place in depths.items()})
    assert told[0] == told[1]
    assert any(name.startswith("text.") for name, _ in apart.named_parameters())


@pytest.mark.integration
def test_a_timm_trunk_has_the_depths_of_its_own_matcher_and_timms_own_scales() -> None:
    encoder = build_part(OPEN_CLIP, model="PE-Core-T-16-384")
    trunk: Any = encoder.clip.visual.trunk
    found = by_name(list_weights(with_alpha(encoder)))
    own = group_parameters(trunk, trunk.group_matcher(coarse=False), reverse=True)
    for name, layer in own.items():
        assert depth(found, f"visual.trunk.{name}")[:2] == (layer, 14)
    assert depth(found, "visual.trunk.blocks.11.attn.qkv.weight")[2] == 12
    assert depth(found, "visual.trunk.norm.weight") == (12, 14, 0)  # timm's layer of the last block, but in no block
    assert found["encoder.clip.visual.trunk.patch_embed.proj.weight"].role == "stem"
    groups = param_groups_layer_decay(trunk, layer_decay=0.7)
    expected = {id(weight): group["lr_scale"] for group in groups for weight in group["params"]}
    scales = towers_of(with_alpha(encoder))[0].scales(0.7)
    for name, weight in trunk.named_parameters():
        assert scales[f"encoder.clip.visual.trunk.{name}"] == pytest.approx(expected[id(weight)])


def test_scales_fall_by_one_factor_a_layer_and_leave_out_what_is_frozen(make_encoder: MakeEncoder) -> None:
    joined = with_alpha(make_encoder("vit"))
    joined.encoder.clip.visual.conv1.requires_grad_(False)
    weights = by_name(list_weights(joined))
    scales = {name: scale for tower in towers_of(joined) for name, scale in tower.scales(0.5).items()}
    assert set(scales) == {name for name, w in weights.items() if w.depth is not None and w.value.requires_grad}
    for name, scale in scales.items():
        place = weights[name].depth
        assert place is not None
        assert scale == 0.5 ** (place.of - 1 - place.layer)


def tree(*names: str) -> nn.Module:
    """A module with weights of these names."""
    root = nn.Module()
    for name in names:
        inner = root
        *folders, last = name.split(".")
        for folder in folders:
            if folder not in inner._modules:
                inner.add_module(folder, nn.Module())
            inner = inner._modules[folder]  # type: ignore[assignment]
        inner.register_parameter(last, nn.Parameter(torch.zeros(1)))
    return root


HUGGING_FACE = {
    "roberta": (
        ("text.transformer.embeddings.word_embeddings.weight", (0, 0)),
        ("text.transformer.encoder.layer.0.attention.self.query.weight", (1, 1)),
        ("text.transformer.encoder.layer.11.output.dense.bias", (2, 2)),
        ("text.proj.0.weight", (3, 0)),
    ),
    "mt5": (
        ("text.transformer.embed_tokens.weight", (0, 0)),
        ("text.transformer.block.0.layer.1.DenseReluDense.wo.weight", (1, 1)),
        ("text.transformer.block.1.layer.0.SelfAttention.q.weight", (2, 2)),
        ("text.transformer.final_layer_norm.weight", (3, 0)),
    ),
    "nllb": (
        ("text.transformer.embed_tokens.weight", (0, 0)),
        ("text.transformer.layers.0.fc1.weight", (1, 1)),
        ("text.transformer.layer_norm.weight", (2, 0)),
    ),
}


@pytest.mark.parametrize("kind", HUGGING_FACE)
def test_text_towers_of_hugging_face_are_read_by_their_names(kind: str) -> None:
    clip = tree("visual.conv1.weight", *(name for name, _ in HUGGING_FACE[kind]))
    _, text = clip_towers(clip, prefix="")
    assert {name: (place.layer, place.block) for name, place in text.depths().items()} == dict(HUGGING_FACE[kind])


def test_a_tower_of_unknown_build_has_no_depths_and_no_scales() -> None:
    visual, text = clip_towers(tree("visual.mixer.weight", "text.mamba.3.weight"), prefix="")
    for tower in (visual, text):
        assert list(tower.named_parameters())
        assert tower.depths() == {}
        assert tower.scales(0.5) == {}


class Mine(nn.Module):
    """An encoder of a stranger."""

    def __init__(self) -> None:
        super().__init__()
        self.eyes, self.words = nn.Linear(1, 1), nn.Linear(1, 1)


def test_an_encoder_that_tells_no_roles_is_all_visual_trunk() -> None:
    weights = list_weights(retriever(Mine()))
    assert Counter(weight.role for weight in weights) == {"visual-trunk": 4}
    assert {weight.depth for weight in weights} == {None}


def test_an_encoder_may_tell_its_roles() -> None:
    class Telling(Mine):
        def parameter_role(self, name: str) -> str:
            return "text-tower" if name.startswith("words.") else "stem"

    roles = {weight.name: weight.role for weight in list_weights(retriever(Telling()))}
    assert roles == {
        "encoder.eyes.weight": "stem",
        "encoder.eyes.bias": "stem",
        "encoder.words.weight": "text-tower",
        "encoder.words.bias": "text-tower",
    }


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        (lambda name: "text-towr", r"parameter_role\('eyes.weight'\) gave 'text-towr'; did you mean 'text-tower'"),
        (lambda name: {}[name], r"failed in parameter_role: KeyError"),
    ],
)
def test_an_encoder_that_tells_no_role_is_named(tell: Any, words: str) -> None:
    encoder: Any = Mine()
    encoder.parameter_role = tell
    with pytest.raises(PluginError, match=r"encoder 'mine' \(local\).*" + words):
        list_weights(retriever(encoder))


def test_a_weight_that_two_parts_share_is_listed_once() -> None:
    encoder, objective = Mine(), Scaled()
    objective.borrowed = encoder.eyes
    names = [weight.name for weight in list_weights(retriever(encoder), [objective])]
    assert "encoder.eyes.weight" in names
    assert not any("borrowed" in name for name in names)


def test_a_convolution_is_not_taken_for_another_whose_name_begins_alike() -> None:
    roles = [clip_role(f"visual.{name}.weight", stem=["conv1"]) for name in ("conv1", "conv10", "layer1.0.conv1")]
    assert roles == ["stem", "visual-trunk", "visual-trunk"]
    assert clip_role("conv1.weight", stem=["conv1"]) == "text-tower"
