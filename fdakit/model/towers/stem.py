"""The stem of a vision tower: the convolutions that read the image, found by what they are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError
from fdakit.plugin.component import StemConvolution


@dataclass(frozen=True)
class Probe:
    """One image through a tower: the `picture`, the convolutions that read it, in module order, and the vectors."""

    picture: torch.Tensor
    readers: tuple[nn.Conv2d, ...]
    vectors: torch.Tensor


class TowerStem:
    """The convolutions of a tower that read RGB, for a fusion.

    A tower may have none, as one that cuts patches and projects them linearly: `convolutions` is then empty.
    """

    def __init__(self, visual: nn.Module, probe: Probe) -> None:
        self.modules = probe.readers
        names = {id(module): name for name, module in visual.named_modules()}
        self.convolutions = tuple(_facts(names[id(module)], module) for module in self.modules)
        self._name = type(visual).__name__

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the maps `(n, d, gh, gw)`, one a convolution, of `rgb (n, 3, h, w)`.

        Raises `PluginError` if there is no convolution.
        """
        if not self.modules:
            raise PluginError(
                f"{self._name}: no convolution reads RGB, so alpha has no stem to join; choose a fusion that changes "
                "the image, such as multiply"
            )
        return tuple(module(rgb) for module in self.modules)


@contextmanager
def hand_over(modules: Sequence[nn.Module], maps: Sequence[torch.Tensor]) -> Iterator[None]:
    """Replace the next result of each module by a map, with forward hooks that are removed on leaving.

    What the module computes is discarded. Compiled code breaks here: towers whose code is known need no hooks.
    """
    handles = [module.register_forward_hook(_give_once(given)) for module, given in zip(modules, maps, strict=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _give_once(given: torch.Tensor) -> Any:
    waiting = [given]

    def replace(module: nn.Module, arguments: tuple[Any, ...], own: torch.Tensor) -> torch.Tensor:
        return waiting.pop() if waiting else own

    return replace


def _facts(name: str, convolution: nn.Conv2d) -> StemConvolution:
    padding: Any = convolution.padding
    return StemConvolution(
        name=name,
        channels=convolution.out_channels,
        kernel=(convolution.kernel_size[0], convolution.kernel_size[1]),
        stride=(convolution.stride[0], convolution.stride[1]),
        padding=padding if isinstance(padding, str) else tuple(padding),
        dilation=(convolution.dilation[0], convolution.dilation[1]),
    )


def probe_tower(visual: nn.Module, *, size: int) -> Probe:
    """Return what a tower does with one image of `size` pixels a side.

    The number of channels does not identify a stem: a later convolution may have three as well. Raises `PluginError`
    if the tower cannot encode such an image.
    """
    picture = torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size).to(next(visual.parameters()))
    reached: list[nn.Module] = []

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        given = arguments[0] if arguments else None
        if isinstance(given, torch.Tensor) and given.shape == picture.shape and torch.equal(given, picture):
            reached.append(module)

    convolutions = [module for module in visual.modules() if isinstance(module, nn.Conv2d)]
    hooks = [convolution.register_forward_pre_hook(note) for convolution in convolutions]
    try:
        with still(visual):
            vectors = pooled(visual(picture))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        words = (str(error).splitlines() or [""])[0][:200]
        raise PluginError(
            f"{type(visual).__name__}: cannot encode an RGB image of {size} px ({words}); choose a tower that reads "
            "RGB, with the size that it was built for"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return Probe(picture, tuple(c for c in convolutions if any(c is module for module in reached)), vectors)


def pooled(output: Any) -> torch.Tensor:
    """Return the pooled vectors `(n, d)` of a tower's result: CoCa's towers give their tokens too."""
    vectors: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return vectors


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode without gradients for a while: no randomness, and no update of statistics."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, was_training in training.items():
            part.training = was_training
