"""The query bank of a rescorer: training captions, which are known before any query."""

from __future__ import annotations

from collections.abc import Sequence

from fdakit.catalog import Part
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import RecipeError
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Rescorer
from fdakit.random_keys import keyed_rng
from fdakit.settings import EvalSettings

TRAINING = "train"


def query_bank_captions(
    rescoring: Sequence[Part[Rescorer]], splits: Splits, rules: EvalSettings, *, seed: int, where: str
) -> tuple[str, ...]:
    """Return `rules.bank` distinct captions of the training split, or none if no rescorer needs them.

    Raises `RecipeError`, beginning with the recipe `where` the rescorers stand, if one needs them and the data set
    has no training split: captions of the scored split would leak the answers.
    """
    needing = [part.name for part in rescoring if part.build(BuildContext(seed=seed)).needs_bank]
    if not needing:
        return ()
    if TRAINING not in splits.names() or rules.split == TRAINING:
        raise RecipeError(
            f"{where}: eval.rescoring: {needing[0]!r} takes its bank from training captions, and there is "
            f"no {TRAINING!r} split besides the one that is scored; leave it out"
        )
    texts = tuple(dict.fromkeys(caption.text for caption in splits.listed(TRAINING).captions))
    if not rules.bank or rules.bank >= len(texts):
        return texts
    chosen = keyed_rng(seed, "bank").choice(len(texts), rules.bank, replace=False)
    return tuple(texts[place] for place in sorted(chosen.tolist()))
