"""`train.compile = "blocks"`: what training runs most often, compiled piece by piece while it trains.

That is the encoder's blocks, of which equal ones share a graph, and the steps from uint8 pixels and alpha to float32,
each of which becomes one kernel for any encoder. One graph serves any number of frames from 2. Evaluation is left
uncompiled, so that a run's report is what `fdakit eval` gives of its checkpoint. Names of weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.fx.experimental import _config as shape_settings

from fdakit.errors import RecipeError
from fdakit.model.pixel_forms import PixelSteps
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import NamesBlocks


class TrainingCompilation:
    """Switches blocks and pixel steps between eager mode and `torch.compile`, whose arguments are `how`."""

    def __init__(self, blocks: Sequence[nn.Module], pixels: PixelSteps | None = None, **how: Any) -> None:
        self._blocks, self._pixels = blocks, pixels
        self._how = {"dynamic": True, **how}

    @classmethod
    def of(cls, retriever: Retriever, choice: str, *, device: torch.device) -> TrainingCompilation:
        """Return that of a retriever under `train.compile`: of nothing for "none".

        Raises `RecipeError` if the encoder names no blocks, or nothing can be compiled here.
        """
        if choice == "none":
            return cls(())
        encoder, label = retriever.encoder, retriever.labels["encoder"]
        blocks = encoder.blocks() if isinstance(encoder, NamesBlocks) else ()
        if not blocks:
            raise RecipeError(f'train.compile: {label} names no blocks to compile; set train.compile = "none"')
        check_compiler(device)
        return cls(blocks, retriever.pixel_steps)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Run them compiled inside; they are compiled when they are first called, and that is kept."""
        if not self._blocks:
            yield
            return
        # Sizes that happen to be equal, as of frames and of tokens, are two sizes all the same: torch would make
        # another graph where they are not. It has no public name for this.
        patch: Any = shape_settings.patch  # type: ignore[attr-defined]  # torch adds it to its modules of settings
        with patch(use_duck_shape=False):
            for block in self._blocks:
                block.compile(**self._how)
            try:
                with (self._pixels or PixelSteps()).compiled(**self._how, **_exact_division(self._how)):
                    yield
            finally:
                for block in self._blocks:
                    block._compiled_call_impl = None  # what `compile` sets, and torch has no way to undo


def _exact_division(how: dict[str, Any]) -> dict[str, Any]:
    """Return what makes inductor's division on a GPU that of IEEE, as eager mode has it, where torch offers it."""
    import torch._inductor.config as inductor

    offered = hasattr(inductor, "eager_numerics") and "backend" not in how
    return {"options": {"eager_numerics.division_rounding": True}} if offered else {}


def check_compiler(device: torch.device) -> None:
    """Compile a small function for a device. Raises `RecipeError` if that fails, as without a C++ compiler."""
    try:
        torch.compile(torch.sin)(torch.ones(2, device=device))
    except Exception as error:  # whatever compilers and their drivers raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RecipeError(
            f"train.compile: torch.compile does not work here on {device.type} ({said[:300]}); a CPU needs a C++ "
            'compiler, a GPU Triton: install it, or set train.compile = "none"'
        ) from error
