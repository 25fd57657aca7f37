"""`check_encoder`: encoders of frames, clips and patches keep it, and each assertion rejects one that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sample_plugins import component
from torch import nn

from fdakit.builtin.encoders.tiny import TINY
from fdakit.plugin import BuildContext, ClipBatch, Fused, PluginError, Preprocess, TextFeatures, VideoFeatures
from fdakit.testing import ExampleStem, check_encoder

SIZE, WIDTH = 16, 8
Fuse = Callable[..., Fused]


class Tower(nn.Module):
    """Mean colours, one vector a frame; words hashed by their letters, one token each."""

    preprocess = Preprocess(SIZE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pixel_form = "unit"
    accepts = frozenset({"pixels"})
    frame_count: int | None = None
    shapes = BuildContext(image_size=SIZE, embedding=WIDTH, grid=(2, 2))

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = nn.Linear(3, WIDTH), nn.Linear(2, WIDTH)

    def looked_at(self, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
        """Vectors of the valid frames `(n, d)`."""
        pixels = clips.packed()
        fused = fuse(pixels, None)
        return self.image((pixels if fused.pixels is None else fused.pixels).mean((2, 3)))

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        return VideoFeatures(clips.unpacked(self.looked_at(clips, fuse)), clips.valid)

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        words = [[(float(len(word)), float(ord(word[0]))) for word in text.split()] for text in texts]
        longest = max(map(len, words))
        mask = torch.tensor([[place < len(one) for place in range(longest)] for one in words])
        given = torch.tensor([one + [(0.0, 0.0)] * (longest - len(one)) for one in words])
        tokens = self.text(given) * mask.unsqueeze(-1)
        return TextFeatures(tokens.sum(1), tokens, mask)


class OfClips(Tower):
    """Two vectors a clip, the first and the last frame: fewer than frames, of which it takes exactly three."""

    frame_count = 3

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        frames = clips.unpacked(self.looked_at(clips, fuse))
        last = frames[torch.arange(len(frames)), clips.valid.sum(1) - 1]
        return VideoFeatures(torch.stack([frames[:, 0], last], 1), clips.valid[:, :2], kind="clip")


class OfPatches(Tower):
    """Four vectors a frame, of which those of padding are invalid; takes uint8."""

    pixel_form = "uint8"

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        pixels = clips.packed()
        fused = fuse(pixels, None)
        seen = (pixels if fused.pixels is None else fused.pixels).float() / 255
        patches = self.image(nn.functional.adaptive_avg_pool2d(seen, 2).flatten(2).mT)
        vectors = clips.unpacked(patches).flatten(1, 2)
        return VideoFeatures(vectors, clips.valid.repeat_interleave(4, 1), kind="patch")


class WithRoles(Tower):
    """Queries are turned round."""

    asymmetric = True

    def __init__(self) -> None:
        super().__init__()
        self.instructions = {"query": "find: ", "document": ""}

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        found = super().encode_texts(texts, role)
        return TextFeatures(-found.vectors if role == "query" else found.vectors)


class WithStem(Tower):
    """Looks at the map of a stem instead of the pixels."""

    pixel_form = "normalised"
    accepts = frozenset({"pixels", "stem"})

    def __init__(self) -> None:
        super().__init__()
        self.stem = ExampleStem(channels=3)

    def looked_at(self, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
        pixels = clips.packed()
        fused = fuse(pixels, self.stem)
        (maps,) = fused.features or self.stem(pixels if fused.pixels is None else fused.pixels)
        return self.image(maps.mean((2, 3)))


class Keeping(Tower):
    """The mean colour of the patches that are kept, of four by four."""

    accepts = frozenset({"pixels", "keep"})
    shapes = BuildContext(image_size=SIZE, embedding=WIDTH, grid=(4, 4))

    def counts(self, fused: Fused, length: int) -> torch.Tensor:
        assert fused.keep is not None
        return torch.full((len(fused.keep),), length) if fused.keep_counts is None else fused.keep_counts

    def looked_at(self, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
        pixels = clips.packed()
        fused = fuse(pixels, None)
        patches = nn.functional.adaptive_avg_pool2d(pixels if fused.pixels is None else fused.pixels, 4).flatten(2).mT
        if fused.keep is None:
            return self.image(patches.mean(1))
        length = fused.keep.shape[1]
        stay = torch.arange(length) < self.counts(fused, length)[:, None]
        kept = patches.gather(1, fused.keep[..., None].expand(-1, -1, 3)) * stay[..., None]
        return self.image(kept.sum(1) / stay.sum(1, keepdim=True))


class Words:
    """The words of a text by length and first letter, up to nine or the longest of the texts."""

    def __init__(self, shift: float = 0.0, *, longest: bool = False) -> None:
        self.shift, self.longest = shift, longest

    def __call__(self, texts: Sequence[str]) -> dict[str, Any]:
        length = max(len(text.split()) for text in texts) if self.longest else 9
        rows = [[(len(word) + self.shift, ord(word[0])) for word in text.split()] for text in texts]
        return {"words": np.array([row + [(0, 0)] * (length - len(row)) for row in rows], np.float32)}


class WithTokens(Tower):
    """The tower with its texts tokenised apart."""

    tokeniser = Words()

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        return Tower.encode_texts(self, texts, role)

    def text_tokeniser(self, role: str = "query") -> Words:
        return self.tokeniser

    def encode_tokens(self, tokens: Any, role: str = "query") -> TextFeatures:
        words = tokens["words"]
        mask = words.abs().sum(-1) > 0
        vectors = self.text(words) * mask.unsqueeze(-1)
        return TextFeatures(vectors.sum(1), vectors, mask)


@pytest.mark.parametrize("tower", [Tower, OfClips, OfPatches, WithRoles, WithStem, WithTokens, Keeping])
def test_encoders_of_every_level_keep_the_laws(tower: type[Tower]) -> None:
    check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


def test_tiny_keeps_the_laws_with_all_that_it_accepts() -> None:
    check_encoder(TINY, image_size=64, patch=32, width=64, layers=2, text_layers=1)


def changed(base: type[Tower] = Tower, **members: Any) -> type[Tower]:
    return type("Changed", (base,), members)


def of_features(change: Callable[[VideoFeatures, ClipBatch], Any], base: type[Tower] = Tower) -> type[Tower]:
    """The tower with other features of its clips."""

    def encode_videos(self: Any, clips: ClipBatch, fuse: Fuse) -> Any:
        return change(base.encode_videos(self, clips, fuse), clips)

    return changed(base, encode_videos=encode_videos)


def of_texts(change: Callable[[TextFeatures, Sequence[str], str], Any]) -> type[Tower]:
    """The tower with other features of its texts."""

    def encode_texts(self: Any, texts: Sequence[str], role: str = "query") -> Any:
        return change(Tower.encode_texts(self, texts, role), texts, role)

    return changed(encode_texts=encode_texts)


def looking(look: Callable[[Any, ClipBatch, Fuse], torch.Tensor], base: type[Tower] = Tower) -> type[Tower]:
    return changed(base, looked_at=look)


def twice(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    fuse(clips.packed(), None)
    return Tower.looked_at(self, clips, fuse)


def with_padding(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    fuse(clips.frames.flatten(0, 1), None)
    return self.image(clips.packed().mean((2, 3)))


def deaf(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    fuse(clips.packed(), None)
    return self.image(clips.packed().mean((2, 3)))


def stemless(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    return Tower.looked_at(self, clips, fuse)


def deaf_to_maps(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    fused = fuse(clips.packed(), self.stem)
    return self.image(clips.packed().mean((2, 3)) if fused.pixels is None else fused.pixels.mean((2, 3)))


def moved(found: VideoFeatures, by: torch.Tensor) -> VideoFeatures:
    return VideoFeatures(found.vectors + by, found.valid, found.kind)


def with_kind(vectors: torch.Tensor, valid: torch.Tensor, kind: Any = "frame") -> VideoFeatures:
    return VideoFeatures(vectors, valid, kind)


BY_VIDEOS = [
    (lambda found, clips: None, r"returned None; wanted fdakit\.plugin\.VideoFeatures"),
    (lambda found, clips: found.rows(slice(0, 2)), r"vectors \(2, 3, 8\); wanted \(3, m, 8\)"),
    (lambda found, clips: with_kind(found.vectors[:, :2], found.valid[:, :2]), "2 vectors of kind 'frame' for 3"),
    (lambda found, clips: with_kind(found.vectors, found.valid | True), "valid where their frames are"),
    (lambda found, clips: with_kind(found.vectors, found.valid & False, "clip"), "no valid vector"),
    (lambda found, clips: moved(found, torch.tensor(torch.nan)), "padding reaches the vectors"),
    (lambda found, clips: moved(found, found.vectors.mean((0, 1))), "depend on the rest of the batch"),
    (lambda found, clips: moved(found, found.vectors[:1, :1] * (len(found.vectors) == 3)), "the rest of the batch"),
    (
        lambda found, clips: moved(found, (torch.arange(len(found.vectors)) == 1).view(-1, 1, 1)),
        "depend on the order",
    ),
    (
        lambda found, clips: moved(found, clips.frames.nan_to_num(0.25).mean((1, 2, 3, 4)).view(-1, 1, 1)),
        "what its padding holds",
    ),
    (lambda found, clips: moved(found, torch.tensor(float(clips.frames.shape[1]))), "how far it is padded"),
    (
        lambda found, clips: with_kind(found.vectors, found.valid & (len(clips.valid) > 1), "clip"),
        "what is valid of a video depends on the rest",
    ),
]


@pytest.mark.parametrize(("change", "words"), BY_VIDEOS)
def test_features_of_videos_that_break_a_law_are_rejected(change: Callable[..., Any], words: str) -> None:
    tower = of_features(change)
    with pytest.raises(AssertionError, match=words):
        check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


def all_kept(self: Any, fused: Any, length: int) -> torch.Tensor:
    return torch.full((len(fused.keep),), length)


def one_less(self: Any, fused: Fused, length: int) -> torch.Tensor:
    return Keeping.counts(self, fused, length) - int(fused.keep_counts is not None)


def of_first(self: Any, fused: Fused, length: int) -> torch.Tensor:
    counts = Keeping.counts(self, fused, length)
    return counts[:1].expand(len(counts))


def seen_beyond(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
    kept: list[Fused] = []

    def noted(*given: Any) -> Fused:
        kept.append(fuse(*given))
        return kept[-1]

    found = Keeping.looked_at(self, clips, noted)
    beyond = kept[0].keep_counts is not None and kept[0].keep is not None and int(kept[0].keep[:, -1].max()) > 8
    return found + beyond


def refusing(self: Any, fused: Fused, length: int) -> torch.Tensor:
    if fused.keep_counts is not None:
        raise PluginError("cannot keep other numbers of patches of other frames")
    return Keeping.counts(self, fused, length)


def test_an_encoder_that_ignores_how_many_patches_of_a_frame_are_kept_is_rejected() -> None:
    for counts in (all_kept, one_less, of_first):
        tower = changed(Keeping, counts=counts)
        with pytest.raises(AssertionError, match="keep_counts: a frame has other vectors than with as many"):
            check_encoder(component(build=lambda options, shapes, tower=tower: tower()), image_size=SIZE)
    tower = changed(Keeping, looked_at=seen_beyond)
    with pytest.raises(AssertionError, match="what keep holds beyond keep_counts"):
        check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


def test_an_encoder_may_refuse_to_keep_other_numbers_of_patches_of_other_frames() -> None:
    tower = changed(Keeping, counts=refusing)
    check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


BY_TEXTS = [
    (lambda found, texts, role: TextFeatures(found.vectors[:1]), r"text vectors \(1, 8\); wanted \(3, 8\)"),
    (lambda found, texts, role: TextFeatures(found.vectors * torch.nan), "text vectors are not finite"),
    (lambda found, texts, role: TextFeatures(found.vectors, found.tokens[..., :4], found.mask), "4 wide; wanted 8"),
    (lambda found, texts, role: TextFeatures(found.vectors, found.tokens, found.mask & False), "has no token"),
    (lambda found, texts, role: TextFeatures(found.vectors, found.tokens / 0, found.mask), "tokens are not finite"),
    (
        lambda found, texts, role: TextFeatures(found.vectors, cut=torch.zeros(len(texts), 2)),
        r"cut has the shape \(3, 2\)",
    ),
    (lambda found, texts, role: TextFeatures(found.vectors - found.vectors.mean(0)), "a text depends on the rest"),
    (
        lambda found, texts, role: TextFeatures(found.vectors, found.tokens - found.tokens.mean(0), found.mask),
        "tokens of a text depend on the rest",
    ),
    (
        lambda found, texts, role: TextFeatures(found.vectors * (1 + (role == "query"))),
        "queries and documents differ",
    ),
]


@pytest.mark.parametrize(("change", "words"), BY_TEXTS)
def test_features_of_texts_that_break_a_law_are_rejected(change: Callable[..., Any], words: str) -> None:
    tower = of_texts(change)
    with pytest.raises(AssertionError, match=words):
        check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


class NoModule:
    """The members of an encoder, and no weights."""

    preprocess, pixel_form, accepts, frame_count = Tower.preprocess, "unit", frozenset[str](), None
    shapes = Tower.shapes

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> None: ...

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> None: ...


@pytest.mark.parametrize(
    ("tower", "words"),
    [
        (NoModule, r"NoModule is no torch\.nn\.Module"),
        (looking(twice), "fuse was called 2 times"),
        (looking(with_padding), r"fuse was given \(9, 3, 16, 16\); wanted the valid frames in order, \(8, 3"),
        (looking(deaf), "accepts 'pixels', but another one"),
        (looking(stemless, WithStem), "gives fuse no stem"),
        (looking(deaf_to_maps, WithStem), "accepts 'stem', but another one"),
        (changed(accepts=frozenset({"pixels", "attention_bias"})), "accepts 'attention_bias', but another one"),
        (changed(accepts=frozenset({"pixels", "keep"})), "accepts 'keep', but another one"),
        (changed(WithRoles, encode_texts=Tower.encode_texts), "have the same vectors"),
        (changed(WithTokens, tokeniser=Words(1.0)), "encode_tokens gives other vectors than encode_texts"),
        (changed(WithTokens, tokeniser=Words(longest=True)), "the shape of 'words' depends on the text"),
        (changed(preprocess=Preprocess(8, (0, 0, 0), (1, 1, 1))), "preprocess.size is 8; wanted 16"),
    ],
)
def test_an_encoder_that_breaks_a_law_is_rejected(tower: type[Tower], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


def recomputing(factor: float) -> type[Tower]:
    """The tower with activations of its image layer computed again, and its gradient scaled there."""

    def set_grad_checkpointing(self: Any, enable: bool = True) -> None:
        self.again = enable

    def looked_at(self: Any, clips: ClipBatch, fuse: Fuse) -> torch.Tensor:
        if not getattr(self, "again", False):
            return Tower.looked_at(self, clips, fuse)
        pixels = clips.packed()
        fused = fuse(pixels, None)
        given = (pixels if fused.pixels is None else fused.pixels).mean((2, 3))
        vectors = torch.utils.checkpoint.checkpoint(self.image, given, use_reentrant=False)
        return vectors.detach() + factor * (vectors - vectors.detach())

    return changed(set_grad_checkpointing=set_grad_checkpointing, looked_at=looked_at)


def naming(blocks: Callable[[Any], list[nn.Module]]) -> type[Tower]:
    return changed(blocks=blocks)


@pytest.mark.parametrize("tower", [recomputing(1.0), naming(lambda tower: [tower.image, tower.text])])
def test_abilities_for_training_keep_the_laws(tower: type[Tower]) -> None:
    check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)


@pytest.mark.parametrize(
    ("tower", "words"),
    [
        (recomputing(1.01), "set_grad_checkpointing changes the gradients"),
        (naming(lambda tower: [nn.Linear(1, 1)]), r"blocks\(\) names modules that are not its own"),
    ],
)
def test_abilities_for_training_that_break_the_laws_are_found(tower: type[Tower], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_encoder(component(build=lambda options, shapes: tower()), image_size=SIZE)
