"""`motion-tokens` by the clip: which patches stay, the counts a tower takes, run lengths, real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recipe_fixtures import MakeRecipe

from fdakit.builtin.fusions._clip_tokens import even_counts, marked_patches, run_lengths
from fdakit.builtin.fusions.motion_tokens import MOTION_TOKENS
from fdakit.features import ClipBatch, Fused
from fdakit.inference.factory import build_retriever
from fdakit.plugin import VideoRef
from fdakit.testing import check_fusion
from fdakit.video.decode import frame_times, read_frames

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "options", [{"keep_rule": "clip"}, {"run_length": True}, {"keep_rule": "clip", "run_length": True}]
)
def test_the_contracts_laws_hold(options: dict[str, object]) -> None:
    for share in (0.3, 0.9):
        check_fusion(MOTION_TOKENS, neutral=0.5, keep_share=share, **options)


def test_the_first_frame_stays_whole_and_the_others_share_the_clips_budget() -> None:
    coverage = torch.tensor([[0, 0, 0, 0.0], [0, 0.9, 0.8, 0.7], [0, 0.1, 0, 0], [0, 0, 0, 0], [0, 0.2, 0, 0]])
    clips = torch.tensor([3, 3, 3, 7, 7])
    found = marked_patches(coverage, clips, share=0.5, spread=1)
    assert found.int().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]


def test_what_does_not_move_is_left_out_however_large_the_budget() -> None:
    found = marked_patches(torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64), share=1.0, spread=2)
    assert found.sum(1).tolist() == [6, 2, 2]


def test_numbers_are_rounded_up_to_eighths_with_the_patches_that_move_most() -> None:
    rng = torch.Generator().manual_seed(0)
    coverage = torch.rand(20, 50, generator=rng)
    marked = torch.rand(20, 50, generator=rng) < torch.rand(20, 1, generator=rng)
    marked[:, 0] = True
    kept, counts = even_counts(marked, coverage)
    assert (kept | marked).equal(kept)
    assert kept.sum(1).equal(counts)
    assert len(set(counts.tolist())) <= 8
    assert (counts - marked.sum(1)).max() < 7
    for row in range(20):
        more, out = kept[row] & ~marked[row], ~kept[row]
        assert not more.any() or not out.any() or coverage[row, more].min() >= coverage[row, out].max()


def test_a_run_lasts_until_the_patch_is_kept_again_or_the_clip_ends() -> None:
    kept = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 0, 0]], dtype=torch.bool)
    clips = torch.tensor([0, 0, 0, 4, 4])
    found = run_lengths(kept, clips)
    assert found[kept].tolist() == [3, 1, 2, 2, 1, 1, 2, 2, 1]


def test_a_tower_gives_each_frame_what_it_gives_it_alone(make_recipe: MakeRecipe) -> None:
    """With numbers that vary, by frame, in one call; gradients too."""
    encoder = build_retriever(make_recipe(), device=CPU).encoder
    tokens, size = encoder.shapes.grid[0] * encoder.shapes.grid[1], encoder.preprocess.size
    rgb = torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(1)).requires_grad_()
    keep, counts = torch.arange(tokens).expand(5, -1), torch.tensor([tokens, 2, 3, 2, tokens])
    bias = torch.linspace(-1, 1, tokens).expand(5, -1)
    found = encoder.encode_images(rgb, Fused(keep=keep, keep_counts=counts, attention_bias=bias))  # type: ignore[attr-defined]
    for row, count in enumerate(counts.tolist()):
        one = Fused(keep=keep[row : row + 1, :count], attention_bias=bias[:1])
        alone = encoder.encode_images(rgb[row : row + 1], one)  # type: ignore[attr-defined]
        torch.testing.assert_close(found[row], alone[0], atol=1e-5, rtol=1e-5)
    found.square().sum().backward()
    assert rgb.grad is not None
    assert (rgb.grad.flatten(1).abs().amax(1) > 0).all()


@pytest.mark.parametrize("counts", [[0, 1], [1, 99]])
def test_counts_beyond_the_positions_are_refused(make_recipe: MakeRecipe, counts: list[int]) -> None:
    from fdakit.errors import PluginError

    encoder = build_retriever(make_recipe(), device=CPU).encoder
    size = encoder.preprocess.size
    fused = Fused(keep=torch.arange(2).expand(2, -1), keep_counts=torch.tensor(counts))
    with pytest.raises(PluginError, match=r"keep_counts: from \d+ to \d+; wanted 1 to 2"):
        encoder.encode_images(torch.zeros(2, 3, size, size), fused)  # type: ignore[attr-defined]


def test_counts_without_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="keep_counts without keep"):
        Fused(keep_counts=torch.ones(1, dtype=torch.int64))


def test_a_clip_depends_on_no_other_of_its_batch_and_padding_changes_nothing(make_recipe: MakeRecipe) -> None:
    retriever = build_retriever(make_recipe(fusion={"use": "motion-tokens", "keep_rule": "clip"}), device=CPU)
    size, rng = retriever.preprocess.size, torch.Generator().manual_seed(2)
    frames = torch.randint(0, 256, (3, 4, 3, size, size), generator=rng, dtype=torch.uint8)
    alpha = (torch.rand(3, 4, 1, size, size, generator=rng) < 0.1).float()
    valid = torch.tensor([[True] * 4, [True, True, False, False], [True] * 4])
    clips = ClipBatch(frames, valid, torch.arange(4.0).double().expand(3, -1))
    with torch.no_grad():
        whole = retriever.encode_videos(clips, alpha)
        short = ClipBatch(frames[1:2, :2], valid[1:2, :2], clips.times[1:2, :2])
        alone = retriever.encode_videos(short, alpha[1:2, :2])
    torch.testing.assert_close(whole.vectors[1, :2], alone.vectors[0], atol=1e-5, rtol=1e-5)


def test_an_embedding_of_run_lengths_begins_without_effect_and_learns(make_recipe: MakeRecipe) -> None:
    made = {}
    for run_length in (False, True):
        fusion = {"use": "motion-tokens", "keep_rule": "clip", "run_length": run_length}
        retriever = build_retriever(make_recipe(fusion=fusion), device=CPU)
        size = retriever.preprocess.size
        rng = torch.Generator().manual_seed(2)
        frames = torch.randint(0, 256, (1, 4, 3, size, size), generator=rng, dtype=torch.uint8)
        clips = ClipBatch(frames, torch.ones(1, 4, dtype=torch.bool), torch.arange(4.0).double()[None])
        made[run_length] = retriever.encode_videos(clips, torch.zeros(1, 4, 1, size, size)).vectors
    torch.testing.assert_close(made[True], made[False], rtol=0, atol=0)
    made[True].sum().backward()
    grad = retriever.fusion.run_length.weight.grad  # type: ignore[attr-defined]
    assert grad[0].abs().max() > 0  # patches kept in one frame after the other
    assert grad[3].abs().max() > 0  # those of the first frame that stand for all four


@pytest.mark.integration
@pytest.mark.parametrize("name", ["bears.mp4", "basketball.mp4", "01_dog.mp4"])
def test_untrained_vectors_of_real_clips_stay_near_those_of_all_patches(
    make_recipe: MakeRecipe, data_dir: Path, name: str
) -> None:
    """With random weights; nearer than those of one patch a frame."""
    retriever = build_retriever(make_recipe(), device=CPU).eval()
    size = retriever.preprocess.size
    video = VideoRef("clip", data_dir / "videos" / "natural" / name)
    indices = np.linspace(0, len(frame_times(video)) - 1, 8).astype(np.int64)
    clip = read_frames(video, indices=indices, size=(size, size))
    grey = clip.frames.astype(np.int16).mean(axis=-1)
    moved = np.abs(np.diff(grey, axis=0, prepend=grey[1:2])) > 25
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)[None]
    clips = ClipBatch(frames, torch.ones(1, 8, dtype=torch.bool), torch.from_numpy(clip.times)[None])
    alpha = torch.from_numpy(moved.astype(np.float32))[None, :, None]

    def vector(**fusion: object) -> torch.Tensor:
        made = build_retriever(make_recipe(fusion=fusion), device=CPU).eval()
        with torch.no_grad():
            return made.aggregate(made.encode_videos(clips, alpha)).vector[0]

    whole = vector(use="alpha-conv")
    near = vector(use="motion-tokens", keep_rule="clip", keep_share=0.5)
    far = vector(use="motion-tokens", keep_tokens=1)
    assert whole @ near > 0.9
    assert whole @ near > whole @ far
