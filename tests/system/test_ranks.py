"""What ranks tell each other, and errors that all of them learn of."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch

from fdakit.errors import FdakitError, PartError, RecipeError, ToldError
from fdakit.system.ranks import Ranks, asked_rank, asked_ranks
from fdakit.testing.thread_ranks import on_ranks

SIZES = pytest.mark.parametrize("size", [1, 2, 3])


def run(size: int, act: Callable[[Ranks], object]) -> list[object]:
    return [act(Ranks())] if size == 1 else on_ranks(size, act)


@SIZES
def test_values_come_in_the_order_of_ranks(size: int) -> None:
    assert run(size, lambda ranks: ranks.objects(10 * ranks.rank)) == [[0, 10, 20][:size]] * size
    first, *others = run(size, lambda ranks: ranks.at_first(ranks.rank))
    assert first == list(range(size))
    assert others == [None] * (size - 1)


@SIZES
def test_tensors_may_differ_in_shape_and_number_and_are_summed_and_copied(size: int) -> None:
    def act(ranks: Ranks) -> list[int]:
        own = [torch.ones(ranks.rank + 1, requires_grad=True)] * ranks.rank
        told = ranks.tensors(own)
        assert not any(one.requires_grad for held in told for one in held)
        total, first = torch.tensor([1.0, ranks.rank]), torch.tensor([5.0 + ranks.rank])
        ranks.add_up([total])
        ranks.copy_first([first])
        assert total.tolist() == [size, sum(range(size))]
        assert first.tolist() == [5.0]
        return [len(held) for held in told]

    assert run(size, act) == [list(range(size))] * size


@pytest.mark.parametrize("way", ["by_first", "first_alone"])
def test_an_error_of_the_first_is_raised_on_all_and_told_by_it_alone(way: str) -> None:
    def act(ranks: Ranks) -> str:
        def fail() -> None:
            raise RecipeError("train.epochs: no")

        try:
            getattr(ranks, way)(fail)
        except FdakitError as error:
            return f"{type(error).__name__}: {error}"
        return "nothing"

    assert run(1, act) == ["RecipeError: train.epochs: no"]
    assert run(2, act) == ["RecipeError: train.epochs: no", "ToldError: train.epochs: no"]
    assert issubclass(ToldError, FdakitError)


@pytest.mark.parametrize("way", ["by_first", "first_alone"])
@pytest.mark.parametrize(("error", "by_part"), [(PartError("no"), True), (RecipeError("no"), False)])
def test_all_know_whether_a_part_is_to_blame(way: str, error: FdakitError, by_part: bool) -> None:
    def act(ranks: Ranks) -> object:
        def fail() -> None:
            raise error

        try:
            getattr(ranks, way)(fail)
        except ToldError as told:
            return pickle.loads(pickle.dumps(told)).by_part
        except FdakitError:
            return None
        return "nothing"

    assert run(2, act) == [None, by_part]


@SIZES
def test_the_first_acts_before_the_others(size: int) -> None:
    order: list[int] = []

    def act(ranks: Ranks) -> int:
        def note() -> int:
            order.append(ranks.rank)
            return ranks.rank

        assert ranks.by_first(lambda: 7) == 7
        return ranks.first_alone(note)

    assert run(size, act) == list(range(size))
    assert order[0] == 0
    assert sorted(order) == list(range(size))


def test_torchrun_tells_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (asked_rank(), asked_ranks()) == (0, 1)
    monkeypatch.setenv("RANK", "2")
    assert asked_rank() == 0, "a scheduler's variable without others is no torchrun"
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (asked_rank(), asked_ranks()) == (2, 4)
