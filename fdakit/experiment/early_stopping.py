"""Early stopping: a training ends when validations no longer find better weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fdakit.errors import RecipeError
from fdakit.recipe.recipe import Recipe

from .model_selection import VALIDATION

_QUALITY = "val_t2v_R@1"


def check_patience(recipe: Recipe, splits: Collection[str]) -> None:
    """Raise `RecipeError` if the training is to stop by validations and there is no split to validate on."""
    if recipe.train.patience and VALIDATION not in splits:
        fault = (
            f"train.patience: found {recipe.train.patience}, but dataset {recipe.dataset.name!r} has no split "
            f"{VALIDATION!r} to validate on; leave it out, or give the data set such a split"
        )
        raise RecipeError(recipe.blamed(fault))


def early_stop(epochs: Sequence[Mapping[str, float]], *, patience: int, steps: int) -> str:
    """Return why a training ends after these epochs; "" if it goes on, or has had all of its steps.

    It ends after `patience` validations in a row whose R@1 text to video is not above the highest before; 0: never.
    """
    measured = [epoch for epoch in epochs if _QUALITY in epoch]
    if not patience or not measured or epochs[-1]["step"] >= steps:
        return ""
    best = max(measured, key=lambda epoch: epoch[_QUALITY])  # the first of equal ones
    since = len(measured) - 1 - measured.index(best)
    if since < patience:
        return ""
    times = "validation" if since == 1 else "validations"
    return (
        f"stopped early after epoch {epochs[-1]['epoch']:.0f}: {since} {times} without a better R@1 text to video "
        f"than the {best[_QUALITY]:.1f} of epoch {best['epoch']:.0f}"
    )
