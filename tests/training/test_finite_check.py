"""Steps that are not finite: refused on the device, told of one step later, never saved; and a step never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from fdakit import FdakitError
from fdakit.features import ClipBatch
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.model.tokens.clip_tokeniser import ClipTokeniser
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.training.finite_check import FiniteCheck
from fdakit.training.optimisation.grouped_optimiser import GroupedOptimiser
from fdakit.training.trainer import Trainer

CPU = torch.device("cpu")
LABELS = {"encoder": "encoder 'mine' (mine)", "matcher": "matcher 'near' (mine)"}
WAITS = ("item", "tolist", "nonzero", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__")


def optimiser(*, fused: bool, scaler: torch.amp.GradScaler | None = None) -> tuple[GroupedOptimiser, nn.Linear]:
    torch.manual_seed(0)
    layer = nn.Linear(6, 6)
    made = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=fused, foreach=False)
    return GroupedOptimiser(made, label="optimiser 'mine'", scaler=scaler), layer


def take(grouped: GroupedOptimiser, layer: nn.Linear, *, grad: float, loss: float = 1.0) -> torch.Tensor:
    grouped.begin(1.0)
    for weight in layer.parameters():
        weight.grad = torch.full_like(weight, grad)
    return grouped.step(clip_norm=1.0, where="at step 1", loss=torch.tensor(loss))


def copied(grouped: GroupedOptimiser, layer: nn.Linear) -> list[torch.Tensor]:
    """The weights, the moments and the counts of steps."""
    states = grouped.state()["state"].values()
    return [value.clone() for value in [*layer.parameters(), *(v for state in states for v in state.values())]]


@pytest.mark.parametrize(("grad", "loss"), [(float("nan"), 1.0), (float("inf"), 1.0), (0.5, float("nan"))])
def test_a_step_that_is_not_finite_changes_nothing(grad: float, loss: float) -> None:
    grouped, layer = optimiser(fused=True)
    assert take(grouped, layer, grad=0.3)
    before = copied(grouped, layer)
    assert not take(grouped, layer, grad=grad, loss=loss)
    assert all(torch.equal(one, other) for one, other in zip(before, copied(grouped, layer), strict=True))
    assert take(grouped, layer, grad=0.2)
    assert not torch.equal(before[0], layer.weight)


def test_a_finite_step_is_the_optimisers_own_to_the_bit() -> None:
    (grouped, layer), (plain, other) = optimiser(fused=True), optimiser(fused=True)
    for grad in (0.3, -0.2, 0.1):
        take(grouped, layer, grad=grad)
        plain.begin(1.0)
        for weight in other.parameters():
            weight.grad = torch.full_like(weight, grad)
        nn.utils.clip_grad_norm_(other.parameters(), 1.0)
        plain._optimiser.step()
    assert all(torch.equal(one, two) for one, two in zip(copied(grouped, layer), copied(plain, other), strict=True))


@pytest.mark.parametrize("fused", [False, True])
def test_a_loss_scale_leaves_out_steps_that_overflow_and_is_lowered(fused: bool) -> None:
    grouped, layer = optimiser(fused=fused, scaler=torch.amp.GradScaler("cpu", init_scale=8.0))
    scale = grouped.scale(torch.tensor(1.0))
    assert scale is not None
    assert scale.item() == 8.0
    assert take(grouped, layer, grad=8.0)
    before = copied(grouped, layer)
    assert not take(grouped, layer, grad=float("inf"))
    assert all(torch.equal(one, other) for one, other in zip(before, copied(grouped, layer), strict=True))
    assert float(grouped.scale(torch.tensor(1.0))) == 4.0  # type: ignore[arg-type]
    again, _ = optimiser(fused=fused, scaler=torch.amp.GradScaler("cpu"))
    again.restore(grouped.state())
    assert float(again.scale(torch.tensor(1.0))) == 4.0  # type: ignore[arg-type]


class Passed:
    """A forward pass of known losses."""

    def __init__(self, loss: float, **finite: bool) -> None:
        self.losses, self._finite = self, finite
        self.total = torch.tensor(loss, requires_grad=True)

    def finite(self) -> dict[str, torch.Tensor]:
        return {kind: torch.tensor(fine) for kind, fine in self._finite.items()}


@pytest.mark.parametrize(
    ("loss", "finite", "taken", "scale", "words"),
    [
        (2.0, {"encoder": True, "matcher": True}, True, None, ""),
        (2.0, {"encoder": True}, False, 4.0, ""),
        (
            float("nan"),
            {"encoder": True, "matcher": True},
            False,
            None,
            r"loss became nan at step 7; lower train\.lear",
        ),
        (
            float("inf"),
            {"encoder": True, "matcher": False},
            False,
            None,
            r"inf at step 7, as matcher 'near' \(mine\) gave",
        ),
        (
            float("nan"),
            {"encoder": False, "matcher": False},
            False,
            4.0,
            r"nan at step 7, as encoder 'mine' \(mine\) gave",
        ),
        (
            2.5,
            {"encoder": True},
            False,
            None,
            r"gradient became infinite or no number at step 7, while the loss was 2\.5;",
        ),
        (
            2.5,
            {"encoder": True},
            False,
            0.5,
            r"number at step 7, with a loss scale of 0\.5 too, while the loss was 2\.5",
        ),
    ],
)
def test_what_is_told_of_a_step_and_told_once(
    loss: float, finite: dict[str, bool], taken: bool, scale: float | None, words: str
) -> None:
    check = FiniteCheck(LABELS)
    done: Any = Passed(loss, **finite)
    sent = None if scale is None else torch.tensor(scale)
    check.watch(done, number=7, taken=torch.tensor(taken), scale=sent)
    if words:
        with pytest.raises(FdakitError, match=f"^train: the .*{words}"):
            check.settle()
    check.settle()


MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def made(make_recipe: MakeRecipe, split: Callable[..., Split]) -> Callable[..., Trainer]:
    """`made(train={...})`: a trainer on four clips, of one step an epoch."""

    def make(device: torch.device = CPU, **tables: Any) -> Trainer:
        names = ("red-across", "green-across", "blue-down", "white-across")
        pairs = split(*[(name, name.replace("-", " ")) for name in names], name="train")
        recipe = make_recipe(**tables)
        retriever = build_retriever(recipe, device=device)
        objectives = build_objectives(recipe, retriever, device)
        return Trainer.of(recipe, pairs, retriever, objectives, device=device, watchers=ObserverGroup())

    return make


@pytest.mark.integration
def test_weights_of_a_refused_step_are_those_before_it_and_no_state_is_given(made: Callable[..., Trainer]) -> None:
    trainer = made(objective=[{"use": "losing", "step": 2}], train={"batch_size": 2, "epochs": 1})
    weights: list[dict[str, torch.Tensor]] = []

    def keep(trainer: Trainer) -> None:
        weights.append({name: value.clone() for name, value in trainer.retriever.state_dict().items()})
        if len(weights) == 2:
            with pytest.raises(
                FdakitError, match=r"^train: the loss became nan at step 2; lower train\.learning_rate"
            ):
                trainer.state()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.run(lambda *_: {}, keep)
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.integration
def test_fp16_trains_over_fp32_weights_with_a_scale(made: Callable[..., Trainer]) -> None:
    losses = []
    for precision in ("fp32", "fp16"):
        trainer = made(train={"epochs": 4, "precision": precision})
        trainer.run(lambda *_: {})
        assert all(value.dtype == torch.float32 for value in trainer.retriever.state_dict().values())
        losses.append([epoch["loss"] for epoch in trainer.history])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]
    assert trainer.state()["optimiser"]["scaler"]["scale"] > 1


@contextmanager
def no_waiting(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Note every call inside that would wait for a GPU.

    `FiniteCheck.settle`, which looks one step back, may, and what is still the host's: batches and token ids.
    """
    waited: list[str] = []
    allowed: list[bool] = []

    def allow(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            allowed.append(True)
            found = function(*given)
            allowed.clear()
            return found

        return called

    with patch.context() as inside:
        inside.setattr(FiniteCheck, "settle", allow(FiniteCheck.settle))
        inside.setattr(ClipTokeniser, "__call__", allow(ClipTokeniser.__call__))
        inside.setattr(ClipBatch, "of", allow(ClipBatch.of))
        for name in WAITS:
            own = getattr(torch.Tensor, name)

            def call(tensor: torch.Tensor, *given: Any, own: Any = own, name: str = name, **named: Any) -> Any:
                if not allowed:
                    waited.append(name)
                return own(tensor, *given, **named)

            inside.setattr(torch.Tensor, name, call)
        yield waited


@pytest.mark.integration
@pytest.mark.parametrize(
    ("fusion", "train"),
    [
        ("alpha-conv", {}),
        ("attention-bias", {"micro_batch": 2, "grad_checkpointing": True}),
        ("motion-tokens", {"precision": "fp16"}),
        ("gated", {"clip_norm": 0.0}),
    ],
)
def test_a_step_waits_for_nothing(
    made: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch, fusion: str, train: dict[str, Any]
) -> None:
    trainer = made(fusion={"use": fusion}, train={"epochs": 3, **train})
    step, found = trainer._step.__class__.__call__, []

    def watched(*given: Any, **named: Any) -> Any:
        with no_waiting(monkeypatch) as waited:
            losses = step(*given, **named)
        found.append(list(waited))
        return losses

    monkeypatch.setattr(trainer._step.__class__, "__call__", watched)
    trainer.run(lambda *_: {})
    assert found == [[]] * 3


def test_waiting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with no_waiting(monkeypatch) as waited:
        value = torch.tensor([1.0, 0.0])
        assert bool(value[0])
        float(value[1])
        value.tolist()
        value.nonzero()
    assert waited == ["__bool__", "__float__", "tolist", "nonzero"]


@pytest.mark.integration
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("train", [{}, {"precision": "fp16"}, {"micro_batch": 2, "grad_checkpointing": True}])
def test_a_step_on_a_gpu_never_synchronises(made: Callable[..., Trainer], train: dict[str, Any]) -> None:
    trainer = made(device=torch.device("cuda"), train={"epochs": 3, **train})
    step = trainer._step.__class__.__call__

    def watched(*given: Any, **named: Any) -> Any:
        torch.cuda.set_sync_debug_mode("error" if trainer.position.done else "default")  # the first sets up libraries
        try:
            return step(*given, **named)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer._step.__class__, "__call__", watched)
        trainer.run(lambda *_: {})
    assert trainer.position.done == 3
