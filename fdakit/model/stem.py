"""The stem of a visual tower: the convolutions that read the image, and how a fusion is inserted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError
from fdakit.plugin.component import StemConvolution


class StemSlot(nn.Module):
    """A stem convolution that can be given its result: used once, then it computes again.

    It becomes the class of the tower's own convolution, so that parameter names do not change.
    """

    given: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.given is None:
            result: torch.Tensor = super().forward(x)
            return result
        result, self.given = self.given, None
        return result


class TowerStem:
    """The convolutions of a tower that read RGB, for a fusion; images have `size` pixels a side.

    Raises `PluginError` if there is none.
    """

    def __init__(self, visual: nn.Module, *, size: int) -> None:
        readers = _picture_readers(visual, size=size)
        names = {id(module): name for name, module in visual.named_modules()}
        self._slots = [_make_slot(convolution) for convolution in readers]
        self.convolutions = tuple(_facts(names[id(slot)], slot) for slot in self._slots)

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the maps `(n, d, gh, gw)`, one a convolution, of `rgb (n, 3, h, w)`."""
        return tuple(slot(rgb) for slot in self._slots)

    def give(self, features: Sequence[torch.Tensor]) -> None:
        """Make the tower's next forward pass use these maps instead of computing them."""
        if len(features) != len(self._slots):
            raise PluginError(f"fusion gave {len(features)} maps; this stem has {len(self._slots)} convolutions")
        for slot, feature in zip(self._slots, features, strict=True):
            slot.given = feature

    def restore_convolution(self) -> None:
        """Discard maps that were given and not used."""
        for slot in self._slots:
            slot.given = None


def _make_slot(convolution: nn.Conv2d) -> StemSlot:
    kind = type(convolution)
    if not issubclass(kind, StemSlot):
        convolution.__class__ = type(f"Slotted{kind.__name__}", (StemSlot, kind), {})
    return convolution  # type: ignore[return-value]


def _facts(name: str, slot: Any) -> StemConvolution:
    return StemConvolution(
        name=name,
        channels=slot.out_channels,
        kernel=tuple(slot.kernel_size),
        stride=tuple(slot.stride),
        padding=slot.padding if isinstance(slot.padding, str) else tuple(slot.padding),
        dilation=tuple(slot.dilation),
    )


def _picture_readers(visual: nn.Module, *, size: int) -> list[nn.Conv2d]:
    """Return the convolutions that receive the image itself in a forward pass, in module order.

    The number of channels does not identify them: a later convolution may have three as well.
    """
    picture = torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size).to(next(visual.parameters()))
    reached: list[nn.Module] = []

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        given = arguments[0] if arguments else None
        if isinstance(given, torch.Tensor) and given.shape == picture.shape and torch.equal(given, picture):
            reached.append(module)

    convolutions = [module for module in visual.modules() if isinstance(module, nn.Conv2d)]
    hooks = [convolution.register_forward_pre_hook(note) for convolution in convolutions]
    fault = ""
    try:
        with _still(visual), torch.no_grad():
            visual(picture)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        fault = f" ({(str(error).splitlines() or [''])[0][:200]})"
    finally:
        for hook in hooks:
            hook.remove()
    if fault or not reached:
        raise PluginError(
            f"{type(visual).__name__}: no convolution reads RGB of {size} px{fault}, so alpha has no stem to join"
        )
    return [convolution for convolution in convolutions if any(convolution is module for module in reached)]


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode for a while: no randomness, and no update of statistics."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, was_training in training.items():
            part.training = was_training
