"""Rescorers as rows of a report: what each is given, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fdakit.catalog import Catalog
from fdakit.errors import PluginError
from fdakit.evaluation.rescoring import rescored_rows, rescorers
from fdakit.plugin import BuildContext, Component, Direction, Options, Scores
from fdakit.recipe.recipe import Recipe

SCORES = Scores(np.eye(3, dtype=np.float32), np.arange(3), np.zeros(3, np.bool_))
BOTH: Mapping[Direction, Scores] = {"t2v": SCORES, "v2t": SCORES}
BANK = np.ones((4, 3), np.float32)


class Noted:
    """A rescorer that keeps what it is given and answers with its seed."""

    needs_all_queries = True
    directions = ("v2t",)

    def __init__(self, seed: int, needs_bank: bool) -> None:
        self.seed, self.needs_bank = seed, needs_bank
        self.given: list[Any] = []

    def __call__(self, scores: Scores, bank: NDArray[np.float32] | None, direction: str) -> Scores:
        self.given.append((bank, direction))
        return Scores(scores.matrix + self.seed, scores.owners, scores.lost)


class Part:
    """Stands for a part of a recipe."""

    name, options, offer = "noted", Options(), Component("noted", "", Options, lambda options, shapes: None)

    def __init__(self, needs_bank: bool = False) -> None:
        self.needs_bank = needs_bank
        self.built: list[Noted] = []

    def build(self, shapes: BuildContext) -> Noted:
        self.built.append(Noted(shapes.seed, self.needs_bank))
        return self.built[-1]


@pytest.mark.parametrize("needs_bank", [True, False])
def test_a_rescorer_is_given_the_seed_and_the_bank_it_asks_for(needs_bank: bool) -> None:
    part: Any = Part(needs_bank)
    found = rescored_rows([part], BOTH, BANK, lambda scores, way: {way: float(scores.matrix[0, 0])}, seed=7)
    assert found["noted"].to_json() == {"options": {}, "needs_all_queries": True, "v2t": {"v2t": 8.0}}
    ((bank, direction),) = part.built[0].given
    assert (bank is BANK, direction) == (needs_bank, "v2t")


def test_the_second_of_a_name_is_numbered() -> None:
    parts: Any = [Part(), Part(), Part()]
    found = rescored_rows(parts, BOTH, None, lambda scores, way: {})
    assert list(found) == ["noted", "noted 2", "noted 3"]


def test_a_rescorer_that_gives_nan_is_named_unless_its_video_could_not_be_read() -> None:
    matrix = np.eye(3, dtype=np.float32)
    matrix[:, 2] = np.nan
    for lost in (False, True):
        scores = Scores(matrix, np.arange(3), np.array([False, False, lost]))
        parts: Any = [Part()]
        if lost:
            assert list(rescored_rows(parts, {"v2t": scores}, None, lambda scores, way: {})) == ["noted"]
        else:
            with pytest.raises(PluginError, match=r"noted.*failed while rescoring: .*scores that are not finite"):
                rescored_rows(parts, {"v2t": scores}, None, lambda scores, way: {})


def test_a_rescorer_that_fails_is_named() -> None:
    part: Any = Part()

    def fail(scores: Scores, way: str) -> dict[str, float]:
        raise KeyError("no such row")

    with pytest.raises(PluginError, match="while rescoring"):
        rescored_rows([part], BOTH, None, fail)


def test_labels_become_parts_with_their_options(catalog: Catalog, make_recipe: Callable[..., Recipe]) -> None:
    first, second = rescorers(["dsl", "dsl temperature=50.0"], catalog=catalog)
    assert (first.options.temperature, second.options.temperature) == (100.0, 50.0)  # type: ignore[attr-defined]


def test_a_rescorer_that_writes_into_its_scores_is_named() -> None:
    class Overwriting(Noted):
        def __call__(self, scores: Scores, bank: NDArray[np.float32] | None, direction: str) -> Scores:
            scores.matrix.fill(0)
            return scores

    class Writing(Part):
        def build(self, shapes: BuildContext) -> Noted:
            return Overwriting(0, needs_bank=False)

    part: Any = Writing()
    with pytest.raises(PluginError, match=r"failed while rescoring: ValueError: .*read-only"):
        rescored_rows([part], BOTH, None, lambda scores, way: {})
    assert SCORES.matrix[0, 0] == 1
