"""What is counted of operations that torch's counter does not see when libraries compute them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fdakit.bench.training.flop_count import counted_operations

STEPS, CLIPS, INPUTS, HIDDEN = 5, 3, 16, 8


@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
@pytest.mark.parametrize("grad", [True, False])
def test_recurrent_layers_are_counted_as_by_hand(layer: type[nn.LSTM], gates: int, grad: bool) -> None:
    clips = torch.randn(CLIPS, STEPS, INPUTS)
    for layers, ways in ((1, 1), (2, 2)):
        made = layer(INPUTS, HIDDEN, num_layers=layers, bidirectional=ways == 2, batch_first=True)
        with counted_operations() as counted, torch.set_grad_enabled(grad):
            made(clips)
        # Of each gate and frame a product with what comes in and one with the hidden state, in either direction.
        widths = [INPUTS, *[ways * HIDDEN] * (layers - 1)]
        by_hand = sum(2 * gates * HIDDEN * (width + HIDDEN) * ways for width in widths) * STEPS * CLIPS
        assert counted.get_total_flops() == by_hand


def test_attention_and_convolutions_are_counted_and_all_is_as_before() -> None:
    former = torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled
    attention, tokens = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(1, 4, 8)
    with counted_operations() as counted, torch.no_grad():
        attention(tokens, tokens, tokens, need_weights=False)
        nn.Conv2d(3, 8, 2, stride=2)(torch.randn(1, 3, 4, 4))
    projections, products = 4 * 2 * 4 * 8 * 8, 2 * 2 * 4 * 4 * 8
    assert counted.get_total_flops() == projections + products + 2 * 4 * 8 * 3 * 2 * 2
    with pytest.raises(ZeroDivisionError), counted_operations():
        raise ZeroDivisionError
    assert (torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled) == former
