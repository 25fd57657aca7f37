"""Whether steps stay finite, without waiting for the device: each is looked at when the next one is under way.

Until then nothing is lost: an optimiser that can refuses such a step on the device (see `GroupedOptimiser.step`), and
`settle` looks at the last one before anything is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from fdakit.errors import FdakitError

from .forward_pass import ForwardPass


@dataclass(frozen=True)
class _Watched:
    """Values of a step on their way to the host; `ready` is the event of their arrival, None if they are there."""

    number: int
    names: tuple[str, ...]
    values: torch.Tensor
    ready: torch.cuda.Event | None

    def fetched(self) -> dict[str, float]:
        """Return the values by name, after waiting for them."""
        if self.ready is not None:
            self.ready.synchronize()
        return dict(zip(self.names, self.values.tolist(), strict=True))


class FiniteCheck:
    """Watches steps; `labels` name the parts by kind. With a loss `scale`, gradients may overflow now and then."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._watched: _Watched | None = None

    def watch(self, done: ForwardPass, *, number: int, taken: torch.Tensor, scale: torch.Tensor | None) -> None:
        """Send what is to be known of a step to the host: `taken` is false if its gradients were not finite."""
        values = {"loss": done.losses.total.detach(), "taken": taken, **done.finite()}
        if scale is not None:
            values["scale"] = scale
        sent, ready = torch.stack([value.float() for value in values.values()]), None
        if sent.is_cuda:  # into pinned memory; from other devices they are fetched when they are looked at
            stream = torch.cuda.current_stream(sent.device)
            sent, ready = sent.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
            ready.record(stream)
        self._watched = _Watched(number, tuple(values), sent, ready)

    def settle(self) -> None:
        """Look at the last step that was watched. Raises `FdakitError` if it was not finite."""
        watched, self._watched = self._watched, None
        if watched is None:
            return
        values = watched.fetched()
        loss, scale = values.pop("loss"), values.pop("scale", None)
        taken = values.pop("taken")
        where = f"at step {watched.number}"
        if loss != loss or loss in (float("inf"), -float("inf")):
            kind = next((kind for kind, finite in values.items() if not finite), "")
            blamed = f", as {self._labels[kind]} gave values that are not finite" if kind else ""
            raise FdakitError(
                f"train: the loss became {loss} {where}{blamed}; lower train.learning_rate or set "
                'train.precision = "fp32"'
            )
        if not taken and (scale is None or scale < 1):
            tried = f", with a loss scale of {scale:.3g} too" if scale is not None else ""
            raise FdakitError(
                f"train: the gradient became infinite or no number {where}{tried}, while the loss was {loss:.6g}; "
                'lower train.learning_rate or set train.precision = "fp32"'
            )
