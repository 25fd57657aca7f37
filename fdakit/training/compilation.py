"""`train.compile = "blocks"`: the encoder's blocks compiled one by one, while they train.

Equal blocks share a graph, and one graph serves any number of frames from 2. Evaluation is left uncompiled, so that a
run's report is what `fdakit eval` gives of its checkpoint. Names of weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from fdakit.errors import RecipeError
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import NamesBlocks


class BlockCompilation:
    """Switches between blocks as they are and compiled ones; `how` are arguments of `torch.compile`."""

    def __init__(self, blocks: Sequence[nn.Module], **how: Any) -> None:
        self._blocks, self._how = blocks, {"dynamic": True, **how}

    @classmethod
    def of(cls, retriever: Retriever, choice: str, *, device: torch.device) -> BlockCompilation:
        """Return that of a retriever under `train.compile`: of no blocks for "none".

        Raises `RecipeError` if the encoder names no blocks, or nothing can be compiled here.
        """
        if choice == "none":
            return cls(())
        encoder, label = retriever.encoder, retriever.labels["encoder"]
        blocks = encoder.blocks() if isinstance(encoder, NamesBlocks) else ()
        if not blocks:
            raise RecipeError(f'train.compile: {label} names no blocks to compile; set train.compile = "none"')
        check_compiler(device)
        return cls(blocks)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Run the blocks compiled inside; they are compiled when they are first called, and that is kept."""
        for block in self._blocks:
            block.compile(**self._how)
        try:
            yield
        finally:
            for block in self._blocks:
                block._compiled_call_impl = None  # what `compile` sets, and torch has no way to undo


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
