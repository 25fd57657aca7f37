"""The joined parts: pixels as torchvision prepares them, cosines, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.clip_batches import clip_batch
from torch.nn.functional import cosine_similarity
from torchvision.transforms import Normalize, ToTensor

from fdakit import PluginError
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.fusions.none import NoFusion
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.matchers.max_sim import MAX_SIM
from fdakit.model import ClipEncoder
from fdakit.model.retriever import Retriever
from fdakit.plugin import ClipBatch, Fused, Preprocess, Stem, TextFeatures, VideoFeatures
from fdakit.testing.building import build_part

LABELS = {
    "encoder": "encoder 'small' (own 0.1)",
    "fusion": "fusion 'odd' (other 2.0)",
    "aggregator": "aggregator 'mean' (own 0.1)",
    "matcher": "matcher 'cosine' (own 0.1)",
}
VALID = torch.tensor([[True, False], [True, True]])


@pytest.fixture
def make(make_encoder: Callable[..., ClipEncoder]) -> Callable[..., Retriever]:
    """A retriever of a small tower, with some part exchanged."""
    encoder = make_encoder("vit")

    def make(preprocess: Preprocess = encoder.preprocess, **parts: Any) -> Retriever:
        chosen = {
            "encoder": encoder,
            "fusion": NoFusion(),
            "aggregator": build_part(MEAN),
            "matcher": build_part(COSINE),
            **parts,
        }
        return Retriever(**chosen, preprocess=preprocess, labels=LABELS).eval()

    return make


class Fusing:
    """A fusion made of a function, which gives maps of the stem."""

    uses = frozenset({"stem"})

    def __init__(self, fuse: Callable[..., Fused]) -> None:
        self.fuse = fuse

    def __call__(self, *given: Any) -> Fused:
        return self.fuse(*given)


def pictures(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)


def clips() -> tuple[ClipBatch, torch.Tensor]:
    frames = torch.from_numpy(pictures()).permute(0, 3, 1, 2).view(2, 2, 3, 32, 32)
    alpha = torch.rand(2, 2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return clip_batch(frames, VALID), alpha


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
    seen = []

    def fuse(rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        seen.append(rgb)
        return Fused()

    fusion = Fusing(fuse)
    batch = clip_batch(torch.from_numpy(images).permute(0, 3, 1, 2).unsqueeze(1))
    make(Preprocess(32, mean, std), fusion=fusion).encode_videos(batch, torch.zeros(4, 1, 1, 32, 32))
    (found,) = seen
    expected = torch.stack([Normalize(mean, std)(ToTensor()(image)) for image in images])
    assert torch.equal(found, expected)


@torch.no_grad()
def test_the_fusion_sees_the_valid_frames_with_their_own_alpha(make: Callable[..., Retriever]) -> None:
    batch, alpha = clips()
    seen: list[torch.Tensor] = []

    def fuse(rgb: torch.Tensor, chosen: torch.Tensor, stem: Stem) -> Fused:
        seen.extend((rgb, chosen))
        return Fused(stem(rgb))

    fusion = Fusing(fuse)
    retriever = make(fusion=fusion)
    found = retriever.encode_videos(batch, alpha)
    own = retriever.preprocess
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (own.mean, own.std))
    assert torch.equal(seen[0], ((batch.frames / 255 - mean) / std)[VALID])
    assert torch.equal(seen[1], alpha[VALID])
    assert found.coverage is not None
    torch.testing.assert_close(found.coverage, alpha.mean(dim=(2, 3, 4)))


def fails(*_: Any) -> Any:
    raise KeyError("nothing here")


def test_scores_are_in_full_precision_under_autocast(make: Callable[..., Retriever]) -> None:
    rng = torch.Generator().manual_seed(0)
    texts, videos = torch.randn(6, 32, generator=rng), torch.randn(5, 32, generator=rng)
    retriever = make()
    asked, shown = TextFeatures(texts), VideoFeatures.of_clips(videos)
    with torch.autocast("cpu", torch.bfloat16):
        found = retriever.scores(asked, shown)
    torch.testing.assert_close(found, cosine_similarity(texts[:, None], videos[None], dim=-1))
    half = retriever.scores(TextFeatures(texts.bfloat16()), shown)
    assert half.dtype == torch.float32


def test_a_matcher_of_tokens_needs_an_encoder_that_gives_them(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = make(matcher=build_part(MAX_SIM))
    plain = TextFeatures(torch.zeros(1, 32))
    monkeypatch.setattr(type(retriever.encoder), "encode_texts", lambda *given: plain)
    with pytest.raises(PluginError, match=r"^encoder 'small' .* gives no vectors of tokens, which matcher 'cosine' "):
        retriever.encode_texts(["a"])


class Several:
    """Gives two vectors a video, though it says one."""

    gives = "vector"

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        return features


def test_an_aggregator_that_gives_more_than_it_says_is_named(make: Callable[..., Retriever]) -> None:
    retriever = make(aggregator=Several())
    words = r"aggregator 'mean' \(own 0\.1\) failed .* it says that it gives a vector"
    with pytest.raises(PluginError, match=words):
        retriever.aggregate(retriever.encode_videos(*clips()))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("fusion", r"fusion 'odd' \(other 2\.0\) failed in the forward pass: KeyError: 'nothing here'"),
        ("encode_videos", r"encoder 'small' \(own 0\.1\) failed while encoding videos: KeyError"),
        ("encode_texts", r"encoder 'small' \(own 0\.1\) failed while encoding texts: KeyError"),
        ("aggregator", r"aggregator 'mean' \(own 0\.1\) failed while aggregating features: KeyError"),
    ],
)
def test_a_failing_part_is_named_with_kind_and_provider(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch, broken: str, words: str
) -> None:
    retriever = make(fusion=fails) if broken == "fusion" else make()
    if broken.startswith("encode"):
        monkeypatch.setattr(retriever.encoder, broken, fails)
    if broken == "aggregator":
        monkeypatch.setattr(retriever, "aggregator", type("Broken", (Several,), {"__call__": fails})())
    with pytest.raises(PluginError, match=words):
        retriever.encode_texts(["a"])
        retriever.aggregate(retriever.encode_videos(*clips()))


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("fusion", r"^fusion 'odd' \(other 2\.0\) failed in the forward pass: returned None; wanted Fused$"),
        (
            "aggregator",
            r"^aggregator 'mean' \(own 0\.1\) failed while aggregating features: returned None; wanted VideoF",
        ),
    ],
)
def test_what_a_part_gives_back_is_of_its_kind(make: Callable[..., Retriever], part: str, words: str) -> None:
    class Nothing:
        gives = "vector"

        def __call__(self, *given: Any) -> None:
            return None

    retriever = make(**{part: Nothing()})
    with pytest.raises(PluginError, match=words):
        retriever.aggregate(retriever.encode_videos(*clips()))


@pytest.mark.parametrize("call", ["encode_videos", "encode_texts"])
def test_an_encoder_that_gives_bare_tensors_is_named(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    retriever = make()
    monkeypatch.setattr(type(retriever.encoder), call, lambda *given: torch.zeros(2, 4))
    given: tuple[Any, ...] = clips() if call == "encode_videos" else (["a dog"],)
    with pytest.raises(PluginError, match=r"^encoder .small. .*: returned torch\.float32\(2, 4\); wanted"):
        getattr(retriever, call)(*given)


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (lambda rgb, alpha, stem: Fused(pixels=rgb), "gave pixels, which its `uses` does not list"),
        (lambda rgb, alpha, stem: Fused(stem(rgb), pixels=rgb), "pixels and maps of the stem at once"),
    ],
)
def test_a_fusion_that_gives_what_it_does_not_say_is_named(
    make: Callable[..., Retriever], fuse: Callable[..., Fused], words: str
) -> None:
    with pytest.raises(PluginError, match=rf"^fusion 'odd' \(other 2\.0\) failed in the forward pass: .*{words}"):
        make(fusion=Fusing(fuse)).encode_videos(*clips())


KEPT = torch.arange(2).expand(3, 2)  # of the three valid frames of `clips`, whose grid has 16 patches


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (lambda rgb, alpha, stem: Fused(stem(rgb) * 2), "gave 2 maps; this stem has 1 convolutions"),
        (lambda rgb, alpha, stem: Fused((stem(rgb)[0][:2],)), r"gave map 0 as .*; wanted floats \(3, 64, height"),
        (lambda rgb, alpha, stem: Fused((stem(rgb)[0][:, :9],)), r"gave map 0 as .*; wanted floats \(3, 64, height"),
        (lambda rgb, alpha, stem: Fused((stem(rgb)[0][..., :2],)), r"gave maps .*; this stem's are \(\d, \d\) high"),
        (lambda rgb, alpha, stem: Fused(keep=KEPT[:2]), r"gave keep torch\.int64\(2, 2\); wanted int64 \(3, k\)"),
        (lambda rgb, alpha, stem: Fused(keep=KEPT.int()), r"gave keep torch\.int32\(3, 2\); wanted int64"),
        (
            lambda rgb, alpha, stem: Fused(keep=torch.zeros(3, 99, dtype=torch.int64)),
            "gave keep .*; wanted int64 .*, k from 1 to ",
        ),
        (lambda rgb, alpha, stem: Fused(keep=KEPT + 98), "gave keep from 98 to 99; there are "),
        (lambda rgb, alpha, stem: Fused(attention_bias=torch.zeros(3, 1)), r"gave attention_bias .*\(3, 1\); wanted"),
        (lambda rgb, alpha, stem: Fused(attention_bias=torch.zeros(2, 4)), r"gave attention_bias .*\(2, 4\); wanted"),
    ],
)
def test_outputs_of_wrong_sizes_are_the_fusions_fault(
    make: Callable[..., Retriever], fuse: Callable[..., Fused], words: str
) -> None:
    class Steering(Fusing):
        uses = frozenset({"stem", "keep", "attention_bias"})

    with pytest.raises(PluginError, match=rf"^fusion 'odd' \(other 2\.0\) failed in the forward pass: {words}"):
        make(fusion=Steering(fuse)).encode_videos(*clips())


def test_an_encoder_that_fails_beside_a_sound_fusion_is_named(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = make(fusion=Fusing(lambda rgb, alpha, stem: Fused(stem(rgb))))

    def fail(encoder: ClipEncoder, batch: ClipBatch, fuse: Callable[..., Fused]) -> VideoFeatures:
        fuse(batch.packed(), encoder.stem)
        raise KeyError("mine")

    monkeypatch.setattr(type(retriever.encoder), "encode_videos", fail)
    with pytest.raises(PluginError, match=r"^encoder 'small' .* failed while encoding videos: KeyError: 'mine'"):
        retriever.encode_videos(*clips())


def test_values_that_are_not_finite_are_blamed_on_who_gave_them(make: Callable[..., Retriever]) -> None:
    nan = float("nan")
    broken = make(fusion=Fusing(lambda rgb, alpha, stem: Fused((stem(rgb)[0] * nan,))))
    with pytest.raises(PluginError, match=r"^fusion 'odd' .* failed in the forward pass: gave values that are"):
        broken.check_videos(broken.encode_videos(*clips()), *clips())
    sound = make()
    features = sound.encode_videos(*clips())
    padding = VideoFeatures(features.vectors.masked_fill(~features.valid[..., None], nan), features.valid)
    sound.check_videos(padding, *clips())
    odd = VideoFeatures(features.vectors * nan, features.valid)
    with pytest.raises(PluginError, match=r"^encoder 'small' .* while encoding videos: gave values that are"):
        sound.check_videos(odd, *clips())
    with pytest.raises(PluginError, match=r"^aggregator 'mean' .* while aggregating features: gave values that are"):
        sound.check_aggregated(odd)
    padded = torch.tensor([[True, False]])
    sound.check_texts(TextFeatures(torch.ones(1, 4), torch.tensor([[[1.0], [nan]]]).expand(1, 2, 4), padded))
    tokens = TextFeatures(torch.ones(1, 4), torch.full((1, 2, 4), nan), padded)
    for texts in (TextFeatures(torch.full((1, 4), nan)), tokens):
        with pytest.raises(PluginError, match=r"^encoder 'small' .* while encoding texts: gave values that are"):
            sound.check_texts(texts)


def test_pixels_of_another_size_are_the_fusions_fault(make: Callable[..., Retriever]) -> None:
    class Shrinking(Fusing):
        uses = frozenset({"pixels"})

    fusion = Shrinking(lambda rgb, alpha, stem: Fused(pixels=rgb[..., :16]))
    with pytest.raises(PluginError, match=r"^fusion 'odd' .* gave pixels torch\.float32\(3, 3, 32, 16\); wanted"):
        make(fusion=fusion).encode_videos(*clips())


@pytest.mark.parametrize("rows", [slice(1), slice(0)])
def test_features_of_another_number_of_videos_are_named(
    make: Callable[..., Retriever], monkeypatch: pytest.MonkeyPatch, rows: slice
) -> None:
    retriever = make()
    whole = retriever.encode_videos(*clips())
    monkeypatch.setattr(
        retriever, "aggregator", type("Cutting", (Several,), {"__call__": lambda s, f: f.rows(rows)})()
    )
    with pytest.raises(PluginError, match=r"aggregator 'mean' .* failed while aggregating features: .*wanted 2 rows"):
        retriever.aggregate(whole)
    monkeypatch.setattr(type(retriever.encoder), "encode_videos", lambda *given: whole.rows(rows))
    with pytest.raises(PluginError, match=r"encoder 'small' .* while encoding videos: .*wanted 2 rows of width 32"):
        retriever.encode_videos(*clips())
    monkeypatch.setattr(type(retriever.encoder), "encode_texts", lambda *given: TextFeatures(torch.zeros(2, 31)))
    with pytest.raises(PluginError, match=r"encoder 'small' .* while encoding texts: .*wanted 2 rows of width 32"):
        retriever.encode_texts(["a", "b"])


def test_a_video_without_a_valid_vector_is_the_encoders_fault(make: Callable[..., Retriever]) -> None:
    retriever = make()
    features = retriever.encode_videos(*clips())
    retriever.check_videos(features, *clips())
    empty = VideoFeatures(features.vectors, torch.tensor([[True, True], [False, False]]))
    with pytest.raises(PluginError, match=r"encoder 'small' .* while encoding videos: a video has no valid vector"):
        retriever.check_videos(empty, *clips())


def test_a_text_without_a_token_is_the_encoders_fault(make: Callable[..., Retriever]) -> None:
    features = TextFeatures(torch.zeros(2, 32), torch.zeros(2, 3, 32), torch.tensor([[True] * 3, [False] * 3]))
    with pytest.raises(PluginError, match=r"encoder 'small' .* a text's mask leaves no token"):
        make().check_texts(features)
    make().check_texts(features.rows(slice(1)))


def test_scores_of_whole_numbers_are_refused(make: Callable[..., Retriever]) -> None:
    class Counting:
        stores, needs_tokens = "vector", False

        def score(self, texts: Any, videos: Any) -> torch.Tensor:
            return torch.zeros(1, 2, dtype=torch.int64)

    with pytest.raises(PluginError, match=r"matcher 'cosine' .* returned torch\.int64\(1, 2\)"):
        make(matcher=Counting()).scores(TextFeatures(torch.zeros(1, 32)), VideoFeatures.of_clips(torch.zeros(2, 32)))
