"""The query bank of a rescorer: training captions, which are known before any query."""

from __future__ import annotations

import torch

from fdakit.data_pipeline.splits import Splits
from fdakit.errors import RecipeError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Progress
from fdakit.random_keys import keyed_rng
from fdakit.recipe.recipe import Recipe

TRAINING = "train"


def query_bank_captions(recipe: Recipe, *, device: torch.device, progress: Progress) -> tuple[str, ...]:
    """Return `eval.bank` distinct captions of the training split, or none if no rescorer needs them.

    Raises `RecipeError` if one needs them and the data set has no training split: captions of the scored split would
    leak the answers.
    """
    needing = [part.name for part in recipe.rescoring if part.build(BuildContext(seed=recipe.seed)).needs_bank]
    if not needing:
        return ()
    splits = Splits(recipe, device=device, progress=progress)
    if TRAINING not in splits.names() or recipe.eval.split == TRAINING:
        raise RecipeError(
            f"{recipe.where}: eval.rescoring: {needing[0]!r} takes its bank from training captions, and there is "
            f"no {TRAINING!r} split besides the one that is scored; leave it out"
        )
    texts = tuple(dict.fromkeys(caption.text for caption in splits.listed(TRAINING).captions))
    if not recipe.eval.bank or recipe.eval.bank >= len(texts):
        return texts
    chosen = keyed_rng(recipe.seed, "bank").choice(len(texts), recipe.eval.bank, replace=False)
    return tuple(texts[place] for place in sorted(chosen.tolist()))
