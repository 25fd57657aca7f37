"""The options that masks share: which cut rule holds."""

from __future__ import annotations

from typing import Any

import pytest

from fdakit.builtin.masks.compensated_difference import COMPENSATED_DIFFERENCE
from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.mask_ops import PostprocessOptions, by_scenes


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, "relative"),
        ({"cut": 30.0}, "level"),  # recipes from before there were two rules
        ({"cut": 0.0}, "relative"),
        ({"cut": 30.0, "cut_rule": "relative"}, "relative"),
        ({"cut_rule": "level"}, "level"),
    ],
    ids=str,
)
def test_a_level_that_is_set_means_the_rule_by_levels(given: dict[str, Any], rule: str) -> None:
    for options in (PostprocessOptions, FRAME_DIFFERENCE.options, COMPENSATED_DIFFERENCE.options):
        made = options.model_validate(given)
        assert isinstance(made, PostprocessOptions)
        assert made.cut_rule == rule
        again = options.model_validate(made.model_dump())
        assert again == made  # a resolved recipe means the same


def test_scenes_are_looked_at_only_where_a_fallback_follows() -> None:
    assert not by_scenes(PostprocessOptions())
    assert by_scenes(PostprocessOptions(fallback="whole-frame"))
    assert not by_scenes(PostprocessOptions(fallback="whole-frame", cut=0.0))
    assert not by_scenes(PostprocessOptions(fallback="whole-frame", cut_rule="level"))
