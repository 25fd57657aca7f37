"""Metrics of plugins: named, in both directions, and blamed for what is no number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from helpers.sample_plugins import component, document, offering

from fdakit import PluginError
from fdakit.catalog import load_catalog
from fdakit.evaluation.plugin_metrics import plugin_metrics
from fdakit.plugin import Direction, Ranking
from fdakit.ranking.metrics import is_own_name, metrics
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate

RANKINGS: Mapping[Direction, Ranking] = {
    "t2v": Ranking(np.array([0, 3]), np.array([0, 0]), 5),
    "v2t": Ranking(np.array([1, 1]), np.array([0, 2]), 5),
}


def recipe(metric: Any, *, times: int = 1) -> Recipe:
    catalog = load_catalog([offering("metric", component("mine", lambda options, shapes: metric))])
    return validate(document(metric=[{"use": "mine"}] * times), where="my.toml", catalog=catalog)


def test_each_is_there_by_name_in_both_directions() -> None:
    def worst(ranking: Ranking, ties: str) -> dict[str, float]:
        return {"worst": float(ranking.ranks("pessimistic").max()), "pool": float(ranking.pool)}

    found = plugin_metrics(recipe(worst, times=2).metrics, RANKINGS, "expected", seed=0)
    assert list(found) == ["mine", "mine 2"]
    assert (found["mine"].t2v, found["mine"].v2t) == ({"worst": 4.0, "pool": 5.0}, {"worst": 4.0, "pool": 5.0})


@pytest.mark.parametrize("given", [None, {}, {"nan": float("nan")}, {1: 2.0}])
def test_what_is_no_number_by_name_is_blamed_on_the_metric(given: Any) -> None:
    odd = recipe(lambda ranking, ties: given).metrics
    with pytest.raises(PluginError, match=r"^metric 'mine' \(stranger local\) failed while measuring: returned"):
        plugin_metrics(odd, RANKINGS, "expected", seed=0)


@pytest.mark.parametrize("name", ["R@1", "r@10", "MdR", " MnR"])
def test_a_number_may_not_have_the_name_of_an_own_metric(name: str) -> None:
    with pytest.raises(PluginError, match=r"^metric 'mine' \(stranger local\) .*named a number .*; give it another"):
        plugin_metrics(recipe(lambda ranking, ties: {name: 1.0}).metrics, RANKINGS, "expected", seed=0)


def test_every_own_metric_has_a_reserved_name() -> None:
    assert all(map(is_own_name, metrics(RANKINGS["t2v"])))
    assert not is_own_name("R@1 of red things")


def test_a_metric_stays_in_the_resolved_recipe() -> None:
    made = recipe(lambda ranking, ties: {"one": 1.0})
    assert made.document()["metric"] == [{"use": "stranger:mine"}]


def test_a_metric_that_writes_into_the_ranking_is_named() -> None:
    def worst(ranking: Ranking, ties: str) -> dict[str, float]:
        ranking.better.fill(0)
        return {"worst": 1.0}

    with pytest.raises(PluginError, match=r"^metric 'mine' .* failed while measuring: ValueError: .*read-only"):
        plugin_metrics(recipe(worst).metrics, RANKINGS, "expected", seed=0)
    assert RANKINGS["t2v"].better.tolist() == [0, 3]
