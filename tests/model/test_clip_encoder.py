"""The encoder around open_clip's towers: what a fusion may change and what must stay as it was."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from helpers.clip_batches import clip_batch
from helpers.tiny_towers import LinearPatches
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer
from torch import nn

from fdakit import PluginError
from fdakit.builtin.encoders.tiny import TINY
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.fusions.none import NoFusion
from fdakit.model import ClipEncoder
from fdakit.model.towers.vision_tower import VisionTower
from fdakit.plugin import BuildContext, Fused, Preprocess, Stem
from fdakit.testing.building import build_part

pytestmark = pytest.mark.integration

KINDS = ("tiny", "vit", "resnet", "fastvit")
MakeEncoder = Callable[..., ClipEncoder]


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest, make_encoder: MakeEncoder) -> ClipEncoder:
    """Each build of tower in turn; tests leave it as they found it."""
    if request.param == "tiny":
        return build_part(TINY, width=64, layers=1, text_layers=1).eval()
    return make_encoder(request.param)


@pytest.fixture
def vit(make_encoder: MakeEncoder) -> ClipEncoder:
    return make_encoder("vit")


def pictures(encoder: ClipEncoder, videos: int = 2, frames: int = 3) -> torch.Tensor:
    size = encoder.preprocess.size
    return torch.randn(videos, frames, 3, size, size, generator=torch.Generator().manual_seed(1))


def alphas(encoder: ClipEncoder, count: int = 6) -> torch.Tensor:
    size = encoder.preprocess.size
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(2))


def alpha_conv(encoder: ClipEncoder, *, drawn: bool) -> nn.Module:
    fusion: nn.Module = build_part(ALPHA_CONV, encoder.shapes)
    if drawn:
        for weight in fusion.parameters():
            nn.init.normal_(weight, std=0.05)
    return fusion


@torch.no_grad()
def encode(
    encoder: ClipEncoder, frames: torch.Tensor, fusion: Any = None, alpha: torch.Tensor | None = None
) -> torch.Tensor:
    fuse = fusion or NoFusion()
    return encoder.encode_videos(clip_batch(frames), lambda rgb, stem: fuse(rgb, alpha, stem)).vectors


@torch.no_grad()
def plain(encoder: ClipEncoder, frames: torch.Tensor) -> torch.Tensor:
    """open_clip's own forward pass of the same frames."""
    clip: Any = encoder.clip
    return clip.encode_image(frames.flatten(0, 1)).view(*frames.shape[:2], -1)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_every_weight_keeps_its_name(kind: str, make_clip: Any, make_encoder: MakeEncoder) -> None:
    own, behind = make_clip(kind), make_encoder(kind)
    assert list(behind.clip.state_dict()) == list(own.state_dict())
    assert [name for name, _ in behind.clip.named_modules()] == [name for name, _ in own.named_modules()]


def test_without_fusion_the_vectors_are_open_clips_bit_for_bit(encoder: ClipEncoder) -> None:
    frames = pictures(encoder)
    assert torch.equal(encode(encoder, frames), plain(encoder, frames))


def test_fresh_alpha_conv_changes_no_bit_whatever_the_alpha(encoder: ClipEncoder) -> None:
    frames, fusion = pictures(encoder), alpha_conv(encoder, drawn=False)
    assert torch.equal(encode(encoder, frames, fusion, alphas(encoder)), plain(encoder, frames))


def test_alpha_of_a_half_changes_no_bit_whatever_the_weights(encoder: ClipEncoder) -> None:
    frames, fusion = pictures(encoder), alpha_conv(encoder, drawn=True)
    assert torch.equal(encode(encoder, frames, fusion, torch.full_like(alphas(encoder), 0.5)), plain(encoder, frames))
    assert not torch.equal(encode(encoder, frames, fusion, alphas(encoder)), plain(encoder, frames))


def test_gradient_reaches_every_alpha_convolution_through_a_frozen_tower(encoder: ClipEncoder) -> None:
    fusion, frames = alpha_conv(encoder, drawn=False), pictures(encoder)
    frozen = deepcopy(encoder).requires_grad_(False)
    valid = torch.ones(2, 3, dtype=torch.bool)
    fuse = partial(_fuse, fusion, alphas(encoder))
    frozen.encode_videos(clip_batch(frames, valid), fuse).vectors[..., 0].sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in fusion.parameters())


def _fuse(fusion: Any, alpha: torch.Tensor, rgb: torch.Tensor, stem: Stem) -> Fused:
    return fusion(rgb, alpha, stem)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_constant_alpha_adds_the_kernels_sum_to_every_patch(vit: ClipEncoder, alpha: float) -> None:
    frames, fusion = pictures(vit), alpha_conv(vit, drawn=True)
    kernel = next(fusion.parameters()).detach().sum(dim=(1, 2, 3))

    def add(rgb: torch.Tensor, _: Any, stem: Stem) -> Fused:
        return Fused((stem(rgb)[0] + ((alpha - 0.5) / 0.26 * kernel)[:, None, None],))

    found = encode(vit, frames, fusion, torch.full((6, 1, 32, 32), alpha))
    torch.testing.assert_close(found, encode(vit, frames, add), atol=1e-5, rtol=0)


def test_a_wrong_number_of_maps_is_refused(vit: ClipEncoder) -> None:
    with pytest.raises(PluginError, match="2 maps; this stem has 1"):
        encode(vit, pictures(vit), lambda rgb, _, stem: Fused(stem(rgb) * 2))


@pytest.mark.parametrize("kind", ["resnet", "fastvit"])
def test_maps_given_before_an_error_are_forgotten(kind: str, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(kind)
    frames, fusion = pictures(encoder), alpha_conv(encoder, drawn=True)
    expected = plain(encoder, frames + 1)

    def fail(*_: Any) -> None:
        raise RuntimeError("out of luck")

    hook = encoder.clip.visual.register_forward_pre_hook(fail)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="out of luck"):
        encode(encoder, frames, fusion, alphas(encoder))
    hook.remove()
    assert torch.equal(plain(encoder, frames + 1), expected)


def test_a_tower_without_a_stem_refuses_maps_and_takes_pixels(make_encoder: MakeEncoder) -> None:
    encoder = make_encoder("vit")
    encoder = behind(replaced(encoder.clip, LinearPatches()), size=32).eval()
    assert encoder.accepts == {"pixels"}
    assert (encoder.shapes.stem, encoder.shapes.grid, encoder.shapes.width) == ((), (0, 0), 0)
    frames = pictures(encoder)
    darker = encode(encoder, frames, lambda rgb, _, stem: Fused(pixels=rgb * 0.5))
    assert torch.equal(darker, plain(encoder, frames * 0.5))
    with pytest.raises(PluginError, match=r"LinearPatches: no convolution reads RGB"):
        encoder.stem(frames[:, 0])


def replaced(clip: Any, visual: nn.Module) -> Any:
    clip.visual = visual
    return clip


def test_padded_frames_are_never_encoded(encoder: ClipEncoder) -> None:
    frames, seen = pictures(encoder), []
    valid = torch.tensor([[True, True, True], [True, False, False]])
    spoilt = frames.clone()
    spoilt[~valid] = torch.nan

    def fuse(rgb: torch.Tensor, stem: Stem) -> Fused:
        seen.append(rgb)
        return Fused(stem(rgb))

    with torch.no_grad():
        found = encoder.encode_videos(clip_batch(spoilt, valid), fuse)
    assert torch.equal(seen[0], frames[valid])
    assert torch.equal(found.valid, valid)
    torch.testing.assert_close(found.vectors[valid], plain(encoder, frames)[valid], atol=1e-5, rtol=0)
    assert (found.vectors[~valid] == 0).all()


def test_another_order_or_size_of_batch_gives_the_same_vectors(encoder: ClipEncoder) -> None:
    frames, order = pictures(encoder, videos=5), torch.tensor([3, 0, 4, 1, 2])
    whole = encode(encoder, frames)
    torch.testing.assert_close(encode(encoder, frames[order]), whole[order], atol=1e-5, rtol=0)
    torch.testing.assert_close(encode(encoder, frames[3:4]), whole[3:4], atol=1e-5, rtol=0)


def test_the_shapes_tell_what_the_tower_is(vit: ClipEncoder, make_encoder: MakeEncoder) -> None:
    found = vit.shapes
    assert (found.image_size, found.grid, found.prefix_tokens, found.width) == (32, (4, 4), 1, 64)
    assert (found.embedding, found.layers, found.heads) == (32, 2, 2)
    assert (found.context_length, found.vocabulary) == (12, 49408)
    (stem,) = found.stem
    assert (stem.channels, stem.kernel, stem.stride, stem.padding) == (64, (8, 8), (8, 8), (0, 0))
    assert len(make_encoder("fastvit").shapes.stem) == 2


def test_a_tower_that_reads_no_rgb_is_refused(make_clip: Any) -> None:
    clip = make_clip("vit")
    clip.visual.conv1 = nn.Conv2d(4, 64, 8, 8)
    with pytest.raises(PluginError, match="VisionTransformer: cannot encode an RGB image of 32 px"):
        ClipEncoder(clip, tokenizer=None, preprocess=Preprocess(32, (0, 0, 0), (1, 1, 1)), shapes=BuildContext())


def narrow_resnet() -> CLIP:
    """A modified ResNet of width 6: its second convolution reads three channels as its first does."""
    torch.manual_seed(3)
    vision = CLIPVisionCfg(image_size=64, layers=(1, 1, 1, 1), width=6, head_width=32)
    return CLIP(embed_dim=32, vision_cfg=vision, text_cfg=CLIPTextCfg(context_length=12, width=32, heads=2, layers=1))


def behind(clip: CLIP, size: int = 64) -> ClipEncoder:
    grey = (0.5, 0.5, 0.5)
    tokenizer = SimpleTokenizer(context_length=12)
    return ClipEncoder(clip, tokenizer=tokenizer, preprocess=Preprocess(size, grey, grey), shapes=BuildContext())


def test_a_later_convolution_of_three_channels_is_no_stem() -> None:
    clip = narrow_resnet()
    assert clip.visual.conv2.in_channels == 3
    encoder = behind(clip).eval()
    assert [stem.name for stem in encoder.shapes.stem] == ["conv1"]
    frames = pictures(encoder)
    assert torch.equal(encode(encoder, frames), plain(encoder, frames))
    for drawn in (False, True):
        fusion = alpha_conv(encoder, drawn=drawn)
        found = encode(encoder, frames, fusion, alphas(encoder))
        assert torch.equal(found, plain(encoder, frames)) is not drawn
    assert encoder.parameter_role("clip.visual.conv2.weight") == "visual-trunk"


def test_a_convolution_of_the_pictures_own_size_further_up_is_no_stem() -> None:
    tower = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 8, 4, 4))
    assert [stem.name for stem in VisionTower(tower, size=16).stem.convolutions] == ["0"]


def test_looking_for_the_stem_draws_nothing_and_moves_nothing() -> None:
    clip = narrow_resnet().train()
    clip.visual.layer1.eval()
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    modes = [module.training for module in clip.visual.modules()]
    state = torch.get_rng_state()
    VisionTower(clip.visual, size=64)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in clip.visual.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())
    assert not any(module._forward_pre_hooks for module in clip.visual.modules())


def words(count: int) -> str:
    return " ".join(["dog", "cat", "red", "car", "man", "sun"][i % 6] for i in range(count))


@pytest.mark.parametrize("max_tokens", [None, 6])
def test_a_text_is_cut_exactly_where_its_tokens_end(make_encoder: MakeEncoder, max_tokens: int | None) -> None:
    encoder = make_encoder("vit", max_tokens=max_tokens)
    room = (max_tokens or 12) - 2  # a start and an end token
    found = encoder.encode_texts([words(room - 1), words(room), words(room + 1), words(40)])
    assert found.cut.tolist() == [False, False, True, True]
    assert torch.equal(found.ids[1], found.ids[2])
    assert found.mask.sum(1).tolist() == [room + 1, room + 2, room + 2, room + 2]
    assert found.ids.shape == (4, 12)


def test_fewer_tokens_leave_short_texts_as_they_were(make_encoder: MakeEncoder) -> None:
    texts = [words(count) for count in range(5)]
    whole, cut = (make_encoder("vit", max_tokens=n).encode_texts(texts) for n in (None, 6))
    assert torch.equal(whole.vectors, cut.vectors)
    assert torch.equal(whole.ids, cut.ids)


def test_text_vectors_are_open_clips_bit_for_bit(vit: ClipEncoder) -> None:
    texts = [words(3), words(7)]
    clip: Any = vit.clip
    assert torch.equal(vit.encode_texts(texts).vectors, clip.encode_text(vit.tokenizer(texts, context_length=12)))


def test_tokens_of_texts_have_vectors_beside_them(vit: ClipEncoder) -> None:
    found = vit.encode_texts([words(3), words(7)])
    assert found.tokens is not None
    assert found.mask is not None
    assert found.tokens.shape == (*found.mask.shape, vit.shapes.embedding)
    ends = found.mask.sum(1) - 1
    torch.testing.assert_close(found.tokens[torch.arange(2), ends], found.vectors)


@pytest.mark.integration
def test_a_copy_of_the_encoder_lives_on_its_own(encoder: ClipEncoder) -> None:
    frames = pictures(encoder)
    fusion, alpha = alpha_conv(encoder, drawn=True), alphas(encoder)
    before = encode(encoder, frames, fusion, alpha)
    copy = deepcopy(encoder)
    assert torch.equal(encode(copy, frames, fusion, alpha), before)
    for weight in copy.parameters():
        nn.init.zeros_(weight)
    assert torch.equal(encode(encoder, frames, fusion, alpha), before)


def test_the_models_own_scale_is_read_and_never_trained(vit: ClipEncoder) -> None:
    scale: Any = vit.clip.logit_scale
    assert vit.logit_scale == pytest.approx(float(scale.detach()))
    assert not scale.requires_grad
