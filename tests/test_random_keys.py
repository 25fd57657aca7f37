"""Draws belong to their keys: the same anywhere, and unrelated between keys."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.plugin import keyed_rng, keyed_seed

KEYS = st.lists(st.integers() | st.text("abc1 é-_"), max_size=4)


@given(KEYS)
def test_a_seed_depends_on_its_keys_alone_and_fits_in_63_bits(keys: list[int | str]) -> None:
    assert keyed_seed(*keys) == keyed_seed(*keys)
    assert 0 <= keyed_seed(*keys) < 2**63


@given(KEYS, KEYS)
def test_other_keys_give_another_seed(one: list[int | str], other: list[int | str]) -> None:
    assert (keyed_seed(*one) == keyed_seed(*other)) == (one == other)


def test_a_number_is_another_key_than_its_text_and_keys_do_not_run_together() -> None:
    assert len({keyed_seed(1), keyed_seed("1"), keyed_seed(1, 1), keyed_seed(11), keyed_seed("1", "1")}) == 5
    assert keyed_seed("ab", "c") != keyed_seed("a", "bc")
    assert keyed_seed("a", "b") != keyed_seed("b", "a")


def test_seeds_and_draws_never_change_from_one_version_to_the_next() -> None:
    assert keyed_seed(24, 0, "vid1") == 8960259022387360227
    assert keyed_rng(24, 0, "vid1").integers(0, 1000, 4).tolist() == [700, 344, 722, 209]


@pytest.mark.integration
def test_another_process_with_other_hashing_draws_the_same() -> None:
    code = "from fdakit.plugin import keyed_seed; print(keyed_seed(24, 0, 'vid1'))"
    environment = {**os.environ, "PYTHONHASHSEED": "5"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) == keyed_seed(24, 0, "vid1")


def test_each_generator_is_fresh_and_neighbouring_keys_are_unrelated() -> None:
    first = keyed_rng(0, "a").random(1000)
    assert np.array_equal(first, keyed_rng(0, "a").random(1000))
    for other in (keyed_rng(1, "a"), keyed_rng(0, "b")):
        assert abs(np.corrcoef(first, other.random(1000))[0, 1]) < 0.15
