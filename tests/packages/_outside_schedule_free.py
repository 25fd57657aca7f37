"""The torch side of `schedule-free`."""

from __future__ import annotations

from typing import Any

import torch


class ScheduleFreeSGD(torch.optim.Optimizer):
    """SGD that trains between two sequences of weights, and is evaluated at their mean."""

    def __init__(self, groups: list[dict[str, Any]], *, beta: float) -> None:
        super().__init__(groups, {"beta": beta, "steps": 0, "train_mode": False})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _move(self, *, train_mode: bool) -> None:
        for group in self.param_groups:
            share = 1 - group["beta"] if train_mode else 1 - 1 / group["beta"]
            for weight in group["params"] if group["train_mode"] is not train_mode else ():
                if "z" in self.state[weight]:
                    weight.lerp_(self.state[weight]["z"], share)
            group["train_mode"] = train_mode

    def train(self) -> None:
        self._move(train_mode=True)

    def eval(self) -> None:
        self._move(train_mode=False)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            if not group["train_mode"]:
                raise RuntimeError("train() was not called before the step")
            group["steps"] += 1
            share = 1 / group["steps"]
            for weight in group["params"]:
                if weight.grad is not None:
                    z = self.state[weight].setdefault("z", weight.detach().clone())
                    weight.lerp_(z, share)
                    weight.add_(weight.grad, alpha=group["lr"] * (group["beta"] * (1 - share) - 1))
                    z.sub_(weight.grad, alpha=group["lr"])
