"""The seeds of `--seeds`: a list of them, or how many."""

from __future__ import annotations

from itertools import chain, count, islice

import click

USUAL = (24, 42, 7)
MOST = 20  # a single number up to this one counts seeds; nobody wants that many runs by accident


def seed_numbers(text: str) -> list[int]:
    """Return the seeds of `24,42,7`, or as many as a single number says: 24, 42, 7, then 1, 2, ...

    Raises `click.UsageError` for anything else, also for a single number that is more likely a seed.
    """
    from fdakit.recipe.validation import MAX_SEED, MIN_SEED

    listed = "," in text
    try:
        numbers = [int(seed) for seed in text.split(",") if seed.strip() or not listed]
    except ValueError as error:
        raise click.UsageError(
            f"--seeds {text!r}: wanted whole numbers separated by commas, as 24,42,7, or how many seeds, as 3"
        ) from error
    if not numbers or not all(MIN_SEED <= number <= MAX_SEED for number in numbers):
        raise click.UsageError(f"--seeds {text!r}: wanted whole numbers of 64 bits, from {MIN_SEED} to {MAX_SEED}")
    if listed:
        return list(dict.fromkeys(numbers))
    if not 1 <= numbers[0] <= MOST:
        raise click.UsageError(
            f"--seeds {text!r}: one number counts seeds, from 1 to {MOST}; write the seed {numbers[0]} alone "
            f"with a comma: --seeds {numbers[0]},"
        )
    more = (number for number in count(1) if number not in USUAL)
    return list(islice(chain(USUAL, more), numbers[0]))
