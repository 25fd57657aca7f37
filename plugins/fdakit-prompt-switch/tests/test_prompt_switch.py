"""The laws of the parts, and those of the method."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from fdakit_prompt_switch import CAPTIONING, PROMPT_SWITCH, PROMPT_SWITCH_TINY, SEGMENTS
from fdakit_prompt_switch._chunks import Chunks
from fdakit_prompt_switch._prompt_cube import PromptCube

from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext, ClipBatch, Fused, PluginError, Preprocess, StartsFromEncoder
from fdakit.testing import build_part, check_encoder, check_exact_step, check_objective, check_sampler

SIZES = {"image_size": 32, "patch": 8, "width": 64, "layers": 2, "text_layers": 1, "embedding": 16}
TINY: dict[str, Any] = {**SIZES, "vocabulary": 64, "context_length": 8}


def clips(count: int, frames: int, *, seed: int = 0) -> ClipBatch:
    pictures = torch.randn(count, frames, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return ClipBatch(pictures, torch.ones(count, frames, dtype=torch.bool), torch.zeros(count, frames))


def encode(encoder: Any, batch: ClipBatch) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = encoder.encode_videos(batch, lambda rgb, stem: Fused()).vectors
    return found


def make(**options: Any) -> Any:
    torch.manual_seed(0)
    return build_part(PROMPT_SWITCH_TINY, **{**TINY, **options}).eval()


def make_loud(**options: Any) -> Any:
    """An encoder whose last attention is not zero and whose prompts matter."""
    encoder = make(**options)
    torch.nn.init.normal_(encoder.cube.attention.out_proj.weight, std=0.1)
    torch.nn.init.normal_(encoder.cube.prompts)
    return encoder


@pytest.mark.parametrize("clips", ["independent", "joint"])
@pytest.mark.parametrize("order", ["strided", "consecutive"])
@pytest.mark.parametrize("prompts", [1, 2, 3, 4])
def test_the_encoder_obeys_the_laws(prompts: int, order: str, clips: str) -> None:
    sizes = {name: size for name, size in TINY.items() if name != "image_size"} | {"patch": 16}
    check_encoder(PROMPT_SWITCH_TINY, image_size=64, prompts=prompts, order=order, clips=clips, **sizes)


def test_the_sampler_obeys_the_laws() -> None:
    check_sampler(SEGMENTS)
    check_sampler(SEGMENTS, segments=3, train_clips=2, eval_clips=3, skip_last=True)


def test_the_objective_obeys_the_laws() -> None:
    encoder = narrow()
    check_objective(CAPTIONING, reaches=["videos"], encoder=encoder)
    check_exact_step(objective=CAPTIONING, encoder=encoder, common_weight=0.5)
    assert isinstance(build_part(CAPTIONING, encoder.shapes), StartsFromEncoder)


class Spelling:
    """A tokeniser of eight words: a start, a letter of the text, an end."""

    context_length = 6

    def __call__(self, texts: list[str], context_length: int) -> torch.Tensor:
        ids = torch.zeros(len(texts), context_length, dtype=torch.int64)
        ids[:, :3] = torch.tensor([[6, 1 + ord(text[0]) % 5, 7] for text in texts])
        return ids


def narrow() -> ClipEncoder:
    """An encoder as narrow as the features that laws of objectives are tried on."""
    sizes = {"width": 16, "heads": 1, "layers": 1}
    clip = open_clip.CLIP(
        16,
        vision_cfg=open_clip.CLIPVisionCfg(image_size=16, patch_size=8, width=16, head_width=16, layers=1),
        text_cfg=open_clip.CLIPTextCfg(context_length=6, vocab_size=8, **sizes),
    )
    grey = (0.5, 0.5, 0.5)
    return ClipEncoder(clip, tokenizer=Spelling(), preprocess=Preprocess(16, grey, grey), shapes=BuildContext())


def test_switching_twice_is_the_identity_and_moves_prompts_alone() -> None:
    cube = PromptCube(3, 8, heads=1, scale=1.0)
    tokens = torch.randn(6, 5 + 3, 8)
    once = cube.switched(tokens)
    assert torch.equal(cube.switched(once), tokens)
    assert torch.equal(once[:, :5], tokens[:, :5])
    assert torch.equal(once[3 + 1, 5 + 2], tokens[3 + 2, 5 + 1])


def test_with_its_output_at_zero_the_last_attention_changes_nothing() -> None:
    fresh, batch = make(prompts=2), clips(2, 2)
    before = encode(fresh, batch)
    fresh.cube.attention.in_proj_weight.data.mul_(7)
    assert torch.equal(encode(fresh, batch), before)


def test_frames_know_of_the_others_of_their_clip_and_of_no_other_clip() -> None:
    encoder = make_loud(prompts=2, order="consecutive")
    batch = clips(1, 4)
    before = encode(encoder, batch)
    batch.frames[0, 0] += 1
    changed = (encode(encoder, batch) - before).abs().amax(-1)[0]
    assert (changed[:2] > 1e-4).all()
    assert torch.equal(changed[2:], torch.zeros(2))


def test_a_video_of_two_clips_is_the_two_encoded_apart() -> None:
    encoder, batch = make_loud(prompts=3), clips(2, 6)
    apart = [
        encode(encoder, ClipBatch(batch.frames[:, k::2], batch.valid[:, k::2], batch.times[:, k::2])) for k in (0, 1)
    ]
    torch.testing.assert_close(encode(encoder, batch), torch.stack(apart, 2).flatten(1, 2), atol=5e-5, rtol=0)


def test_frames_that_a_clip_lacks_are_its_last_again() -> None:
    encoder, batch = make_loud(prompts=3), clips(1, 2)
    filled = torch.cat((batch.frames, batch.frames[:, -1:]), dim=1)
    wanted = encode(encoder, ClipBatch(filled, torch.ones(1, 3, dtype=torch.bool), torch.zeros(1, 3)))
    torch.testing.assert_close(encode(encoder, batch), wanted[:, :2])


@pytest.mark.parametrize("strided", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_frame_is_where_it_is_looked_for(size: int, strided: bool) -> None:
    valid = torch.arange(7) < torch.tensor([[7], [4], [1], [6]])
    batch = ClipBatch(torch.zeros(4, 7, 1, 1, 1), valid, torch.zeros(4, 7))
    arranged = Chunks.of(batch, size=size, strided=strided)
    numbers = torch.arange(1, int(valid.sum()) + 1)
    wanted = torch.zeros(4, 7, dtype=torch.long)
    wanted[valid] = numbers
    assert torch.equal(arranged.frames(arranged.arranged(numbers)), wanted)
    lengths = arranged.real.sum(1)
    assert torch.equal(lengths, -(-valid.sum(1) // size))


def test_a_batch_without_a_frame_has_vectors_of_zero() -> None:
    batch = clips(2, 3)
    empty = ClipBatch(batch.frames, torch.zeros(2, 3, dtype=torch.bool), batch.times)
    assert not encode(make(), empty).any()


def test_the_weights_have_roles_of_their_own_and_blocks_are_those_that_are_called() -> None:
    encoder = make()
    roles = {name: encoder.parameter_role(name) for name, _ in encoder.named_parameters()}
    assert roles["cube.prompts"] == "prompts"
    assert roles["cube.attention.out_proj.weight"] == "aggregator"
    assert roles["clip.visual.conv1.weight"] == "stem"
    assert len(encoder.blocks()) == TINY["text_layers"]


def test_words_after_the_end_of_a_caption_count_nothing() -> None:
    from dataclasses import replace

    encoder = make(embedding=64)
    captioner = build_part(CAPTIONING, encoder.shapes)
    captioner.start_from(encoder)
    texts = encoder.encode_texts(["a dog runs", "two"])
    given, targets = captioner._targets(texts)
    rest = texts.ids.clone()
    rest[texts.ids == 0] = captioner.end
    again = captioner._targets(replace(texts, ids=rest, mask=torch.ones_like(rest, dtype=torch.bool)))
    assert torch.equal(again[1], targets)
    assert (targets == captioner.end).sum(1).tolist() == [1, 1]
    assert given.shape == targets.shape


def test_common_words_have_the_published_ids_of_clip_and_weigh_less(small_model: str) -> None:
    encoder = build_part(PROMPT_SWITCH, BuildContext(pretrained=False), model=small_model)
    captioner = build_part(CAPTIONING, encoder.shapes)
    captioner.start_from(encoder)
    light = (captioner.weights == 0.25).nonzero().flatten().tolist()
    published = [267, 269, 320, 518, 525, 530, 531, 533, 537, 539, 550, 589, 631, 682, 763, 781, 997, 49406, 49407]
    assert light == published


def test_an_encoder_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match=r"needs a text tower with embeddings .* 16, and found embeddings of 64"):
        build_part(CAPTIONING, make().shapes).start_from(make())
    with pytest.raises(PluginError, match="does not tell its vocabulary"):
        build_part(CAPTIONING, BuildContext(embedding=16))
    with pytest.raises(PluginError, match="heads = 5 does not divide"):
        build_part(CAPTIONING, make().shapes, heads=5)
    with pytest.raises(PluginError, match="ModifiedResNet, is no ViT of open_clip's own"):
        build_part(PROMPT_SWITCH, model="RN50")


def test_evaluation_takes_evenly_spaced_frames_in_time_order_and_training_one_of_each_part() -> None:
    sampler = build_part(SEGMENTS, segments=3, eval_clips=2)
    rng = np.random.default_rng(0)
    assert sampler(60, np.arange(60.0), False, rng).tolist() == [6, 12, 26, 32, 46, 52]
    drawn = np.stack([sampler(60, np.arange(60.0), True, rng) for _ in range(200)])
    assert (drawn // 20 == [0, 1, 2]).all()
    assert set((drawn % 20).flatten()) == set(range(20))
