"""The torch side of `bert-adam`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction, with decoupled decay and a gradient norm of each tensor; constants by group."""

    def __init__(
        self, groups: Sequence[dict[str, Any]], *, betas: tuple[float, float], eps: float, tensor_norm: float
    ) -> None:
        defaults = {"lr": 1e-4, "betas": betas, "eps": eps, "weight_decay": 0.0, "tensor_norm": tensor_norm}
        super().__init__(groups, defaults)

    def step(self, closure: Any = None) -> Any:
        """Change each weight that has a gradient, at its group's rate; gradients stay as they are."""
        loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._change(weight, weight.grad, group)
        return loss

    def _change(self, weight: torch.Tensor, grad: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        mean, square = state["mean"], state["square"]
        if group["tensor_norm"] > 0:  # on the device: nothing waits for it
            grad = grad * (group["tensor_norm"] / (grad.square().sum().sqrt() + 1e-6)).clamp(max=1.0)
        beta1, beta2 = group["betas"]
        mean.mul_(beta1).add_(grad, alpha=1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        update = mean / (square.sqrt() + group["eps"])
        if group["weight_decay"] > 0:
            update.add_(weight, alpha=group["weight_decay"])
        weight.sub_(update * group["lr"])
