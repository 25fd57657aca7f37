"""`--seeds`: a list, or how many."""

from __future__ import annotations

import click
import pytest

from fdakit.cli.seed_option import seed_numbers


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("24,42,7", [24, 42, 7]),
        ("5, -1", [5, -1]),
        ("24,", [24]),
        ("1,1,2", [1, 2]),
        ("1", [24]),
        ("3", [24, 42, 7]),
        ("8", [24, 42, 7, 1, 2, 3, 4, 5]),
        ("11", [24, 42, 7, 1, 2, 3, 4, 5, 6, 8, 9]),
    ],
)
def test_a_list_is_a_list_and_a_number_counts(text: str, seeds: list[int]) -> None:
    assert seed_numbers(text) == seeds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("24", "one number counts seeds, from 1 to 20; write the seed 24 alone with a comma: --seeds 24,"),
        ("0", "from 1 to 20"),
        ("-3", "from 1 to 20"),
        ("1,two", "wanted whole numbers separated by commas, as 24,42,7, or how many seeds, as 3"),
        ("", "wanted whole numbers"),
        (",", "wanted whole numbers"),
        ("99999999999999999999,1", "of 64 bits"),
    ],
)
def test_what_is_neither_is_refused_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        seed_numbers(text)
    assert words in str(refused.value)
