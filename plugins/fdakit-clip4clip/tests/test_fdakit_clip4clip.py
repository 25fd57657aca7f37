"""The laws of each part, what they add to the laws, and errors in words. Parity has tests of its own in fdakit's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fdakit_clip4clip import BERT_ADAM, CLIP4CLIP, SEQ_LSTM, SEQ_TRANSFORMER, read_head
from fdakit_clip4clip.frames import frames_by_time, rate_of, reference_frames, sliced
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, CheckpointError, PluginError, VideoError, VideoFeatures
from fdakit.testing import check_aggregator, check_exact_step, check_optimiser, check_sampler
from fdakit.testing.building import build_part

WIDTH = 16


def times(count: int, fps: float = 25.0) -> NDArray[np.float64]:
    return np.arange(count) / fps


@pytest.mark.parametrize("rate", ["times", "whole"])
@pytest.mark.parametrize("choice", ["head", "tail", "uniform"])
@pytest.mark.parametrize("per_second", [1, 4])
def test_the_sampler_obeys_the_laws(rate: str, choice: str, per_second: int) -> None:
    check_sampler(CLIP4CLIP, rate=rate, choice=choice, per_second=per_second, train_frames=5, eval_frames=1)


@pytest.mark.parametrize("component", [SEQ_LSTM, SEQ_TRANSFORMER])
def test_the_heads_obey_the_laws(component: Any) -> None:
    check_aggregator(component)
    check_exact_step(aggregator=component)


def test_the_optimiser_obeys_the_laws() -> None:
    check_optimiser(BERT_ADAM)
    check_optimiser(BERT_ADAM, tensor_norm=0.0, weight_decay=0.0)


def test_at_broken_rates_a_second_is_a_second_by_the_clock_unless_the_reference_is_asked_for() -> None:
    exact = times(920, 30000 / 1001)
    assert np.allclose(exact[frames_by_time(exact)], np.arange(31), atol=1 / 29)
    theirs = reference_frames(920, 30000 / 1001)
    assert len(theirs) == 32
    assert exact[theirs[-1]] == pytest.approx(31 * 29 / 30, rel=2e-3)  # a second early


def test_times_that_change_their_rate_are_followed() -> None:
    uneven = np.concatenate([np.arange(10) / 10, 1 + np.arange(50) / 25])
    assert frames_by_time(uneven).tolist() == [0, 10, 35]
    assert frames_by_time(uneven + 7.5).tolist() == [0, 10, 35]
    assert frames_by_time(np.array([0.0, 5.0])).tolist() == [0, 1]
    assert frames_by_time(np.array([3.0])).tolist() == [0]


@pytest.mark.parametrize("fps", [5.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0])
def test_the_rate_is_told_from_times_that_a_container_rounds(fps: float) -> None:
    for count in (200, 1000):
        assert rate_of(np.round(times(count, fps), 3)) == pytest.approx(fps, rel=3e-4)
        assert int(rate_of(np.round(times(count, fps), 3))) == int(fps)


def test_of_too_many_frames_the_choice_says_which() -> None:
    found = np.arange(0, 100, 10)
    assert sliced(found, 3, "head").tolist() == [0, 10, 20]
    assert sliced(found, 3, "tail").tolist() == [70, 80, 90]
    assert sliced(found, 3, "uniform").tolist() == [0, 40, 90]
    assert sliced(found, 10, "head").tolist() == found.tolist()


def test_a_rate_that_the_reference_cannot_have_is_told() -> None:
    sampler = build_part(CLIP4CLIP, rate="whole")
    with pytest.raises(VideoError, match=r'a frame rate of 0\.5, truncated to 0, .* set sampler\.rate = "times"'):
        sampler(4, times(4, 0.5), False, np.random.default_rng(0))


def features(count: int = 5, *, seed: int = 0) -> VideoFeatures:
    import torch

    generator = torch.Generator().manual_seed(seed)
    valid = torch.tensor([[True] * count, [True] * 2 + [False] * (count - 2)])
    return VideoFeatures(torch.randn(2, count, WIDTH, generator=generator), valid)


@pytest.mark.parametrize("component", [SEQ_LSTM, SEQ_TRANSFORMER])
def test_the_heads_tell_the_order_of_frames_and_mean_pooling_does_not(component: Any) -> None:
    import torch

    torch.manual_seed(0)
    part, clip = build_part(component, BuildContext(embedding=WIDTH)), features()
    if component is SEQ_TRANSFORMER:
        torch.nn.init.normal_(part.positions.weight)
    turned = VideoFeatures(clip.vectors.flip(1), clip.valid)
    with torch.no_grad():
        assert not torch.allclose(part(clip).vector[0], part(turned).vector[0], atol=1e-3)


@pytest.mark.parametrize("component", [SEQ_LSTM, SEQ_TRANSFORMER])
def test_under_mixed_precision_the_heads_stay_exact(component: Any) -> None:
    import torch

    part, clip = build_part(component, BuildContext(embedding=WIDTH)), features()
    wanted = part(clip).vector
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(part(clip).vector, wanted)


@pytest.mark.parametrize("component", [SEQ_LSTM, SEQ_TRANSFORMER])
def test_a_video_without_a_valid_frame_is_finite(component: Any) -> None:
    import torch

    part = build_part(component, BuildContext(embedding=WIDTH))
    found = part(features().without_vectors())
    found.vectors.sum().backward()
    assert bool(found.vectors.isfinite().all())
    assert all(weight.grad is None or bool(weight.grad.isfinite().all()) for weight in part.parameters())
    assert isinstance(part, torch.nn.Module)


def test_the_lstm_is_that_of_packed_sequences() -> None:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    part = build_part(SEQ_LSTM, BuildContext(embedding=WIDTH))
    vectors = torch.randn(3, 6, WIDTH, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([2, 4, 1])
    valid = torch.arange(6) < lengths[:, None]
    packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        wanted, _ = pad_packed_sequence(part.lstm(packed)[0], batch_first=True)
        wanted = torch.cat([wanted, vectors[:, wanted.shape[1] :]], dim=1) + vectors
        torch.testing.assert_close(part.frames_of(vectors, valid), wanted)


class TextOnly:
    """As much of an encoder as the transformer starts from: layers of its own kind."""

    def __init__(self, *, layers: int = 3, width: int = WIDTH, heads: int = 1, rows: int = 9) -> None:
        import torch

        options = {"layers": layers, "heads": heads, "positions": rows, "start": "random"}
        self._part = build_part(SEQ_TRANSFORMER, BuildContext(embedding=width), **options)
        for weight in self._part.parameters():
            torch.nn.init.normal_(weight)

    def text_blocks(self) -> list[Any]:
        return list(self._part.blocks)

    def text_positions(self) -> Any:
        return self._part.positions.weight


def test_the_transformer_starts_from_the_lowest_layers_and_positions_of_the_text_tower() -> None:
    import torch

    encoder = TextOnly()
    part = build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH), layers=2)
    part.start_from(encoder)
    for own, block in zip(part.blocks, encoder.text_blocks(), strict=False):
        assert all(map(torch.equal, own.state_dict().values(), block.state_dict().values()))
        assert next(own.parameters()) is not next(block.parameters())
    assert torch.equal(part.positions.weight[:9], encoder.text_positions())
    deeper = build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH), layers=5, positions=4)
    deeper.start_from(encoder)
    assert torch.equal(deeper.positions.weight, encoder.text_positions()[:4])
    before = build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH), start="random")
    kept = {name: value.clone() for name, value in before.state_dict().items()}
    before.start_from(encoder)
    assert all(torch.equal(value, kept[name]) for name, value in before.state_dict().items())


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (object(), "does not tell the layers of its text tower; set aggregator.start"),
        (TextOnly(heads=2), "has 2 heads; set aggregator.heads = 2"),
        (TextOnly(width=2 * WIDTH), "do not fit frames of this encoder"),
    ],
)
def test_a_text_tower_that_does_not_fit_is_told(encoder: Any, words: str) -> None:
    part = build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH))
    with pytest.raises(PluginError, match=words):
        part.start_from(encoder)


def test_more_frames_than_positions_and_heads_that_do_not_divide_are_told() -> None:
    part = build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH), positions=4)
    with pytest.raises(PluginError, match=r"a clip has 5 frames, and there are 4 positions; set aggregator"):
        part(features())
    with pytest.raises(PluginError, match="3 heads do not divide the encoder's 16"):
        build_part(SEQ_TRANSFORMER, BuildContext(embedding=WIDTH), heads=3)


NAMES = {"positions.": "frame_position_embeddings.", "blocks.": "transformerClip.resblocks.", "lstm.": "lstm_visual."}


def written(part: Any, path: Path, *, prefix: str = "") -> Path:
    """A checkpoint as the reference writes it, with the weights of a part."""
    import torch

    state = {"clip.logit_scale": torch.tensor(4.6)}
    for name, value in part.state_dict().items():
        ours = next(own for own in NAMES if name.startswith(own))
        state[NAMES[ours] + name.removeprefix(ours)] = value
    state.setdefault("frame_position_embeddings.weight", torch.zeros(77, WIDTH))
    torch.save({prefix + name: value for name, value in state.items()}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("component", [SEQ_LSTM, SEQ_TRANSFORMER])
def test_a_checkpoint_of_the_reference_is_read(component: Any, prefix: str, tmp_path: Path) -> None:
    import torch

    shapes = BuildContext(embedding=WIDTH)
    part = build_part(component, shapes)
    path = written(part, tmp_path / "pytorch_model.bin.2", prefix=prefix)
    read = build_part(component, shapes, weights=str(path))
    assert all(map(torch.equal, read.state_dict().values(), part.state_dict().values()))
    if component is SEQ_TRANSFORMER:
        read.start_from(TextOnly(layers=9))  # which the file goes before
        assert all(map(torch.equal, read.state_dict().values(), part.state_dict().values()))
    unread = build_part(component, BuildContext(embedding=WIDTH, pretrained=False), weights=str(tmp_path / "absent"))
    assert unread.state_dict().keys() == part.state_dict().keys()


def test_a_checkpoint_says_which_aggregator_it_needs(tmp_path: Path) -> None:
    shapes = BuildContext(embedding=WIDTH)
    two = build_part(SEQ_TRANSFORMER, shapes, layers=2, positions=9)
    path = written(two, tmp_path / "pytorch_model.bin.2")
    settings = ("aggregator.use=seq-transformer", "aggregator.layers=2", "aggregator.positions=9")
    assert read_head(path).settings == settings
    with pytest.raises(CheckpointError, match=r"weights of seqTransf do not fit, as .*aggregator\.layers=2"):
        build_part(SEQ_TRANSFORMER, shapes, weights=str(path))
    with pytest.raises(CheckpointError, match=r"a checkpoint with the head seqTransf, not seqLSTM; set aggregator"):
        build_part(SEQ_LSTM, shapes, weights=str(path))
    lstm = written(build_part(SEQ_LSTM, shapes), tmp_path / "pytorch_model.bin.3")
    assert read_head(lstm).settings == ("aggregator.use=seq-lstm",)
    with pytest.raises(CheckpointError, match=r"the file has \(64, 16\), the recipe asks for \(32, 8\)"):
        build_part(SEQ_LSTM, BuildContext(embedding=8), weights=str(lstm))


def test_a_file_of_another_kind_is_told_and_one_of_mean_pooling_known(tmp_path: Path) -> None:
    import torch

    torch.save({"clip.logit_scale": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"other\.pt: not a checkpoint of CLIP4Clip \(clip\.logit_scale"):
        read_head(tmp_path / "other.pt")
    torch.save({"frame_position_embeddings.weight": torch.ones(77, WIDTH)}, tmp_path / "pytorch_model.bin.0")
    assert read_head(tmp_path / "pytorch_model.bin.0").settings == ("aggregator.use=mean",)
    with pytest.raises(CheckpointError, match="no such weights file"):
        read_head(tmp_path / "absent.bin")
