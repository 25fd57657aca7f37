"""Of several processes that torchrun started, the first alone prints; another tells what is wrong with it alone."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from fdakit.errors import RecipeError, ToldError
from fdakit.system.ranks import asked_rank


@contextmanager
def rank_output() -> Iterator[None]:
    """Drop what any rank but the first prints and warns of."""
    if not asked_rank():
        yield
        return
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout = out


def is_told(error: Exception) -> bool:
    """Return whether rank 0 tells of an error too, so that this process need not."""
    return isinstance(error, ToldError) or (
        asked_rank() > 0 and isinstance(error, RecipeError | click.ClickException)
    )


def by_rank(words: object) -> str:
    """Return words of this process, marked as such unless it is the first."""
    return f"rank {asked_rank()}: {words}" if asked_rank() else str(words)
