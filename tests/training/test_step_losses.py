"""What objectives give: scalar losses by name, or an error that names the objective."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from fdakit import PluginError
from fdakit.features import PairFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.plugin import TextFeatures, VideoFeatures
from fdakit.training.step_losses import objective_losses

VIDEOS = VideoFeatures.of_clips(torch.zeros(2, 4))
PAIRS = PairFeatures(VIDEOS, VIDEOS, TextFeatures(torch.zeros(2, 4)), cast(Any, None), lambda t, v: torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(()), "returned Tensor; wanted scalar losses by name"),
        (None, "returned NoneType; wanted"),
        ({"own": 0.5}, "loss 'own' is 0.5; wanted a scalar tensor"),
        ({"own": torch.zeros(3)}, r"loss 'own' is torch\.float32\(3,\); wanted"),
        ({"own": torch.zeros((), dtype=torch.complex64)}, "loss 'own' is torch.complex64"),
    ],
)
def test_what_is_no_loss_is_blamed_on_the_objective(given: Any, words: str) -> None:
    objective = WeightedObjective(lambda pairs: given, 1.0, "objective 'odd' (local)", "odd")
    with pytest.raises(PluginError, match=rf"^objective 'odd' \(local\) failed at step 3: {words}"):
        objective_losses(objective, PAIRS, where="at step 3")
