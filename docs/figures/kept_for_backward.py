"""Count what one frame and one caption leave in memory for the backward pass, in bf16, on the CPU.

    python docs/figures/kept_for_backward.py fda_msvd fda_msvd_b32 fda_pe_core_msrvtt

Every tensor that autograd saves is counted once, by its storage; weights and their bf16 copies, which do not grow
with the batch, are left out by taking the difference of a batch of two and a batch of one. Weights are random.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from fdakit.catalog import load_catalog
from fdakit.features import ClipBatch
from fdakit.inference.factory import build_retriever
from fdakit.recipe.validation import read_recipe

MB = 1_000_000


def saved_bytes(forward: Callable[[], object]) -> int:
    """Return the bytes of all distinct storages that autograd saves during `forward`."""
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)  # so that no address is used twice
        return tensor

    held: list[Tensor] = []
    hooks = torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16):
        held.append(forward())  # type: ignore[arg-type]
    return sum(kept.values())


def measure(name: str) -> None:
    """Print megabytes a frame and a caption, kept and checkpointed, and millions of weights of a recipe."""
    recipe = read_recipe(name, catalog=load_catalog())
    retriever = build_retriever(recipe, device=torch.device("cpu"), pretrained=False).train()
    size = retriever.preprocess.size

    def again(count: Callable[[int], int]) -> list[str]:
        """Return what one more keeps, as it stands and with activations computed again."""
        cells = []
        for enabled in (False, True):
            retriever.encoder.set_grad_checkpointing(enabled)  # type: ignore[attr-defined]
            cells.append(f"{(count(2) - count(1)) / MB:.1f}")
        return cells

    def frames(count: int) -> int:
        pixels = torch.randint(0, 256, (count, 1, 3, size, size), dtype=torch.uint8)
        alpha = torch.rand(count, 1, 1, size, size)
        valid = torch.ones(count, 1, dtype=torch.bool)
        return saved_bytes(lambda: retriever.encode_videos(ClipBatch(pixels, valid, torch.zeros(count, 1)), alpha))

    def captions(count: int) -> int:
        return saved_bytes(lambda: retriever.encode_texts(["a man rides a horse"] * count))

    million = sum(weight.numel() for weight in retriever.parameters()) / 1e6
    print(f"| `{name}` | {' | '.join([*again(frames), *again(captions)])} | {million:.0f} |")


if __name__ == "__main__":
    print("| recipe | MB a frame | checkpointed | MB a caption | checkpointed | million weights |")
    print("|---|---|---|---|---|---|")
    for recipe_name in sys.argv[1:]:
        measure(recipe_name)
