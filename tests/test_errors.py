"""Errors are worded for their user, travel between processes, and blame the part that failed."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from fdakit import errors
from fdakit.errors import FdakitError, PluginError, RecipeError, VideoError, attribute_errors, nearest

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FdakitError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_an_fdakit_error_that_travels_between_processes(kind: type[FdakitError]) -> None:
    back = pickle.loads(pickle.dumps(kind("here: this; do that")))
    assert type(back) is kind
    assert str(back) == "here: this; do that"


@given(st.lists(st.text()))
def test_a_recipe_error_holds_all_faults_one_a_line_and_keeps_them_when_it_travels(faults: list[str]) -> None:
    error = RecipeError(iter(faults))
    assert error.faults == tuple(faults)
    assert str(error) == "\n".join(faults)
    assert pickle.loads(pickle.dumps(error)).faults == tuple(faults)


def test_a_single_fault_is_one_line_not_one_a_letter() -> None:
    assert RecipeError("mask.use: missing").faults == ("mask.use: missing",)


def test_the_nearest_name_is_suggested_and_otherwise_all_are_listed() -> None:
    assert nearest("thresold", ["threshold", "closing"]) == "did you mean 'threshold'?"
    assert nearest("zzz", ["b", "a", "b"]) == "known: a, b"
    assert nearest("zzz", []) == "nothing of that kind is known"


@given(st.sets(st.text("abcdef-", min_size=3), min_size=1))
def test_a_known_name_is_its_own_nearest(names: set[str]) -> None:
    for name in names:
        assert nearest(name, names) == f"did you mean {name!r}?"


def test_a_failing_part_is_named_with_its_place_and_the_cause_is_kept() -> None:
    with (
        pytest.raises(PluginError, match=r"^mask 'x' \(prov 0\.1\) failed on video 'v': ValueError: bad$") as caught,
        attribute_errors("mask 'x' (prov 0.1)", "on video 'v'"),
    ):
        raise ValueError("bad")
    assert isinstance(caught.value.__cause__, ValueError)


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    "error", [VideoError("clip.mp4: damaged"), MemoryError(), OutOfMemoryError("CUDA"), KeyboardInterrupt()]
)
def test_worded_errors_lack_of_memory_and_interruptions_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, attribute_errors("mask 'x' (prov 0.1)", "on video 'v'"):
        raise error
    assert caught.value is error


def test_nothing_happens_where_nothing_fails() -> None:
    with attribute_errors("mask 'x' (prov 0.1)", "on video 'v'"):
        result = 1
    assert result == 1
