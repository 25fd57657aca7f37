"""Pictures and texts as open_clip's models take them: Alpha-CLIP's numbers, every type of input, neutral alpha."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.parity import base_files, build_clip, cases, tower_files
from safetensors.torch import load_file

from fdakit import PluginError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.fusions.none import NoFusion
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.model import ClipEncoder
from fdakit.model.architecture import read_architecture
from fdakit.model.image_model import ImageTextModel
from fdakit.model.retriever import Retriever
from fdakit.model.weight_loading import load_towers, read_clip_weights
from fdakit.plugin import BuildContext, Preprocess
from fdakit.testing.building import build_part

CASES = [case for case in cases("alphaclip") if base_files(case) and tower_files(case)]
LABELS = {"encoder": "encoder 'small' (tests)", "fusion": "fusion 'small' (tests)", "aggregator": "none"}
GREY = (0.5, 0.5, 0.5)


class Counting:
    """A tokeniser of small ids, as the fixtures' vocabulary is small: the length of each text, then 1."""

    context_length = 77

    def __call__(self, texts: list[str], context_length: int = 77) -> torch.Tensor:
        ids = torch.zeros(len(texts), context_length, dtype=torch.int64)
        ids[:, 0] = torch.tensor([len(text) for text in texts])
        ids[:, 1] = 1
        return ids


def model_of(encoder: Any, fusion: Any) -> ImageTextModel:
    retriever = Retriever(
        encoder=encoder,
        fusion=fusion,
        aggregator=build_part(MEAN),
        matcher=build_part(COSINE),
        preprocess=encoder.preprocess,
        labels=LABELS,
    )
    return ImageTextModel(retriever).eval()


def alpha_clip(case: Path) -> ImageTextModel:
    base, alpha = (read_clip_weights(files(case)[0]) for files in (base_files, tower_files))
    sizes = read_architecture(base)
    clip = build_clip(sizes, quick_gelu=True)
    load_towers(clip, base, where=case)
    encoder = ClipEncoder(
        clip, tokenizer=Counting(), preprocess=Preprocess(sizes.image_size, GREY, GREY), shapes=BuildContext()
    )
    encoder.load(alpha.visual_part(), where=case)
    fusion = build_part(ALPHA_CONV, encoder.shapes)
    fusion.start_from(encoder)
    return model_of(encoder, fusion)


@pytest.fixture
def model() -> ImageTextModel:
    return alpha_clip(min(CASES, key=lambda case: case.name != "vit_w64"))


@pytest.fixture
def pictures(model: ImageTextModel) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.randn(3, 3, model.preprocess.size, model.preprocess.size)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@torch.no_grad()
def test_parity_alphaclip_through_masks_from_0_to_1(case: Path) -> None:
    io, meta = load_file(case / "io.safetensors"), json.loads((case / "meta.json").read_text())
    found, rule = alpha_clip(case), meta["tolerance"]["outputs"]
    plane = torch.ones_like(io["image"][:, :1])
    alphas = {"foreground": plane, "background": plane * 0, "zeros": plane * 0.5}
    alphas |= {
        k: (io[f"alpha.{k}"] * 0.26 + 0.5).clamp(0, 1) for k in ("random_binary", "soft") if f"alpha.{k}" in io
    }
    assert len(alphas) > 3
    for kind, alpha in alphas.items():
        vectors = found.encode_image(io["image"], alpha)
        torch.testing.assert_close(vectors, io[f"image_features.{kind}"], atol=rule["atol"], rtol=rule["rtol"])
    torch.testing.assert_close(found.encode_text(io["text"]), io["text_features"], atol=1e-4, rtol=1e-4)
    _, _, scale = found(io["image"], io["text"])
    assert scale.item() == pytest.approx(found.encoder.clip.logit_scale.exp().item(), rel=1e-6)


@torch.no_grad()
def test_no_alpha_means_foreground_everywhere(model: ImageTextModel, pictures: torch.Tensor) -> None:
    ones = torch.ones(3, 1, *pictures.shape[2:])
    assert torch.equal(model.encode_image(pictures), model.encode_image(pictures, ones))
    assert not torch.allclose(model.encode_image(pictures), model.encode_image(pictures, ones * 0))


@torch.no_grad()
def test_inputs_of_any_type_are_cast_to_the_weights(model: ImageTextModel, pictures: torch.Tensor) -> None:
    mask = torch.zeros(3, 1, *pictures.shape[2:])
    mask[..., 8:20, 8:20] = 1
    wanted, texts = model.encode_image(pictures, mask), model.encode_text(["a dog", "cats"])
    for kind in (torch.bool, torch.uint8, torch.float64, torch.float16):
        assert torch.equal(model.encode_image(pictures, mask.to(kind)), wanted)
    torch.testing.assert_close(model.encode_image(pictures.double(), mask), wanted)
    for kind in (torch.bfloat16, torch.float16):
        low = model.to(kind)
        for given in (pictures, pictures.to(kind)):
            found = low.encode_image(given, mask)
            assert found.dtype == kind
            assert torch.cosine_similarity(found.float(), wanted).min() > 0.999
        assert torch.cosine_similarity(low.encode_text(["a dog", "cats"]).float(), texts).min() > 0.999
        assert low.logit_scale.dtype == torch.float32


@torch.no_grad()
def test_texts_and_their_token_ids_are_the_same(model: ImageTextModel) -> None:
    texts = ["a dog", "cats"]
    assert torch.equal(model.encode_text(texts), model.encode_text(model.tokenizer(texts)))
    unit = model.encode_text(texts, normalize=True)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(2))
    with pytest.raises(TypeError, match=r"texts is 'a dog', .*; give a list, as \['a dog'\]"):
        model.encode_text("a dog")


@torch.no_grad()
def test_forward_gives_unit_vectors_and_the_factor(model: ImageTextModel, pictures: torch.Tensor) -> None:
    image, text, factor = model(pictures, ["a dog"])
    torch.testing.assert_close(image, model.encode_image(pictures, normalize=True))
    torch.testing.assert_close(image.norm(dim=-1), torch.ones(3))
    assert (text.shape[0], factor.shape) == (1, ())


def test_it_can_be_trained(model: ImageTextModel, pictures: torch.Tensor) -> None:
    model.train().encode_image(pictures, torch.rand(3, 1, *pictures.shape[2:])).sum().backward()
    (weight,) = model.fusion.parameters()
    assert weight.grad is not None
    assert bool(weight.grad.abs().sum() > 0)
    assert {name.split(".")[0] for name in model.state_dict()} == {"encoder", "fusion"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x, a: (x[0], a),
            r"image: found \(3, 32, 32\); wanted \(n, 3, 32, 32\), n from 1, as the transform gives",
        ),
        (lambda x, a: (x[:0], a[:0]), r"image: found \(0, 3, 32, 32\)"),
        (lambda x, a: (x[..., :16], a), r"image: found \(3, 3, 32, 16\)"),
        (lambda x, a: (x, a[:, 0]), r"alpha: found \(3, 32, 32\); wanted \(3, 1, 32, 32\)"),
        (lambda x, a: (x, a[:1]), r"alpha: found \(1, 1, 32, 32\)"),
        (
            lambda x, a: (x, (a - 0.5) / 0.26),
            r"values from -1\.9.* to 1\.9.*; give \[0, 1\], the model normalises it",
        ),
        (lambda x, a: (x, a * torch.nan), "values from nan"),
        (lambda x, a: (x, (a * 255).to(torch.uint8)), "values from 0 to 25"),
    ],
)
def test_other_shapes_and_levels_are_refused(
    model: ImageTextModel, pictures: torch.Tensor, change: Any, words: str
) -> None:
    alpha = torch.linspace(0, 1, 3 * 32 * 32).view(3, 1, 32, 32)
    with pytest.raises(ValueError, match=words):
        model.encode_image(*change(pictures, alpha))


class Plain(torch.nn.Module):
    """An encoder of a stranger: no open_clip model, no scale."""

    preprocess = Preprocess(8, GREY, GREY)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))


def test_an_encoder_without_tokens_says_so() -> None:
    model = model_of(Plain(), NoFusion())
    assert (model.tokenizer, model.logit_scale.item()) == (None, 0)
    with pytest.raises(PluginError, match=r"encoder 'small' \(tests\): takes texts, not token ids"):
        model.encode_text(torch.zeros(1, 4, dtype=torch.int64))
