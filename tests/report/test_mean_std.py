"""Mean and deviation over seeds: one meaning of the deviation of one seed."""

from __future__ import annotations

from statistics import mean, stdev

import pytest
from hypothesis import given, strategies as st

from fdakit.report.curves import Panel, Point, curve_words
from fdakit.report.mean_std import MeanStd

VALUES = st.lists(st.floats(0, 100), min_size=2, max_size=9)


@given(VALUES)
def test_several_seeds_have_the_deviation_of_a_sample(values: list[float]) -> None:
    found = MeanStd.of(values)
    assert (found.mean, found.sd) == (mean(values), stdev(values))
    assert MeanStd.from_json(found.to_json()) == found


def test_one_seed_has_no_deviation_anywhere() -> None:
    found = MeanStd.of([48.25])
    assert found.to_json() == {"mean": 48.25, "sd": None}
    assert MeanStd.from_json({"mean": 48.25, "sd": None}) == found
    assert (found.text(), MeanStd.of([40, 44, 42]).text(sign="+-")) == ("48.2", "42.0 +- 2.0")
    alike = MeanStd.of([3.0, 3.0])
    assert (alike.sd, alike.text(digits=3)) == (0.0, "3.000 ± 0.000")
    panel = Panel("R@1", (("a", (Point(1, found.mean, found.sd), Point(2, alike.mean, alike.sd))),))
    assert curve_words([panel]) == "R@1, a: 1 48.25, 2 3 ± 0"


@pytest.mark.parametrize("found", [{"mean": 1.0}, {"mean": "1", "sd": None}, {"sd": 1.0}, 3])
def test_what_is_none_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match=r"mean|sd|it"):
        MeanStd.from_json(found)
