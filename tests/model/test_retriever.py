"""The joined parts: pixels as torchvision prepares them, cosines, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import Normalize, ToTensor

from fdakit import PluginError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.fusions.none import ignore_alpha
from fdakit.model import ClipEncoder
from fdakit.model.retriever import Retriever, cosine
from fdakit.plugin import Fused, Preprocess, Stem
from fdakit.testing.building import build_part

LABELS = {
    "encoder": "encoder 'small' (own 0.1)",
    "fusion": "fusion 'odd' (other 2.0)",
    "aggregator": "aggregator 'mean' (own 0.1)",
}
VALID = torch.tensor([[True, False], [True, True]])


@pytest.fixture
def make(make_encoder: Callable[..., ClipEncoder]) -> Callable[..., Retriever]:
    """A retriever of a small tower, with some part exchanged."""
    encoder = make_encoder("vit")

    def make(preprocess: Preprocess = encoder.preprocess, **parts: Any) -> Retriever:
        chosen = {"encoder": encoder, "fusion": ignore_alpha, "aggregator": build_part(MEAN), **parts}
        return Retriever(**chosen, preprocess=preprocess, labels=LABELS).eval()

    return make


def pictures(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


def clip_batch() -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.from_numpy(pictures()).permute(0, 3, 1, 2).view(2, 2, 3, 32, 32)
    alpha = torch.rand(2, 2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return frames, alpha


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ],
)
def test_pixels_are_normalised_as_torchvision_does_bit_for_bit(
    make: Callable[..., Retriever], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    images = pictures()
    found = make(Preprocess(32, mean, std)).normalise(torch.from_numpy(images).permute(0, 3, 1, 2))
    expected = torch.stack([Normalize(mean, std)(ToTensor()(image)) for image in images])
    assert torch.equal(found, expected)


@torch.no_grad()
def test_the_fusion_sees_the_valid_frames_with_their_own_alpha(make: Callable[..., Retriever]) -> None:
    frames, alpha = clip_batch()
    seen: list[torch.Tensor] = []

    def fusion(rgb: torch.Tensor, chosen: torch.Tensor, stem: Stem) -> Fused:
        seen.extend((rgb, chosen))
        return Fused(stem(rgb))

    retriever = make(fusion=fusion)
    found = retriever.encode_frames(frames, alpha, VALID)
    assert torch.equal(seen[0], retriever.normalise(frames)[VALID])
    assert torch.equal(seen[1], alpha[VALID])
    assert found.coverage is not None
    torch.testing.assert_close(found.coverage, alpha.mean(dim=(2, 3, 4)))


def test_cosine_of_one_vector_a_video_and_of_one_for_each_text() -> None:
    rng = np.random.default_rng(3)
    texts, videos, pairs = rng.normal(size=(3, 8)), rng.normal(size=(5, 8)), rng.normal(size=(3, 5, 8))

    def angle(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    left = torch.from_numpy(texts)
    found = cosine(left, torch.from_numpy(videos))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, [[angle(q, v) for v in videos] for q in texts], atol=1e-6)
    found = cosine(left, torch.from_numpy(pairs))
    np.testing.assert_allclose(found, [[angle(texts[i], pairs[i, j]) for j in range(5)] for i in range(3)], atol=1e-6)


def fails(*_: Any) -> Any:
    raise KeyError("nothing here")


class Conditioned:
    """Pools nothing; says which texts it was given."""

    text_conditioned = True
    indexable = False

    def __call__(self, frames: Any, texts: Any) -> torch.Tensor:
        assert texts is not None
        return frames.vectors.mean(1)[None].repeat(len(texts.vectors), 1, 1)


@torch.no_grad()
def test_texts_reach_only_the_aggregators_that_look_at_them(make: Callable[..., Retriever]) -> None:
    frames, alpha = clip_batch()
    for aggregator, shape in ((Conditioned(), (3, 2, 32)), (build_part(MEAN), (2, 32))):
        retriever = make(aggregator=aggregator)
        features, texts = retriever.encode_frames(frames, alpha, VALID), retriever.encode_texts(["a", "b", "c"])
        videos = retriever.video_vectors(features, texts)
        assert videos.shape == shape
        assert retriever.scores(videos, texts).shape == (3, 2)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("fusion", r"fusion 'odd' \(other 2\.0\) failed in the forward pass: KeyError: 'nothing here'"),
        ("encode_frames", r"encoder 'small' \(own 0\.1\) failed while encoding frames: KeyError"),
        ("encode_texts", r"encoder 'small' \(own 0\.1\) failed while encoding texts: KeyError"),
        ("aggregator", r"aggregator 'mean' \(own 0\.1\) failed while pooling frames: KeyError"),
    ],
)
def test_a_failing_part_is_named_with_kind_and_provider(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch, broken: str, words: str
) -> None:
    retriever = make(fusion=fails) if broken == "fusion" else make()
    if broken.startswith("encode"):
        monkeypatch.setattr(retriever.encoder, broken, fails)
    if broken == "aggregator":
        monkeypatch.setattr(retriever, "aggregator", type("Broken", (Conditioned,), {"__call__": fails})())
    frames, alpha = clip_batch()
    with pytest.raises(PluginError, match=words):
        features = retriever.encode_frames(frames, alpha, VALID)
        retriever.video_vectors(features, retriever.encode_texts(["a"]))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("fusion", r"^fusion 'odd' \(other 2\.0\) failed in the forward pass: returned None; wanted Fused$"),
        ("aggregator", r"^aggregator 'mean' \(own 0\.1\) failed while pooling frames: returned None; wanted Tensor$"),
    ],
)
def test_what_a_part_gives_back_is_of_its_kind(make: Callable[..., Retriever], part: str, words: str) -> None:
    class Nothing:
        text_conditioned = False

        def __call__(self, *given: Any) -> None:
            return None

    retriever = make(**{part: Nothing()})
    with pytest.raises(PluginError, match=words):
        retriever.video_vectors(retriever.encode_frames(*clip_batch(), VALID))


@pytest.mark.parametrize("call", ["encode_frames", "encode_texts"])
def test_an_encoder_that_gives_bare_tensors_is_named(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    retriever = make()
    monkeypatch.setattr(type(retriever.encoder), call, lambda *given: torch.zeros(2, 4))
    given: tuple[Any, ...] = (*clip_batch(), VALID) if call == "encode_frames" else (["a dog"],)
    with pytest.raises(PluginError, match=r"^encoder .small. .*: returned torch\.float32\(2, 4\); wanted"):
        getattr(retriever, call)(*given)
