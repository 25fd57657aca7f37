"""The inputs of one pass of a vision tower, and the tokens that are kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


class TokenSteps(Protocol):
    """What a method does between the steps of a ViT, as one that adds prompts to the tokens of each frame.

    n frames have s tokens at first: the class token, then the patches that are kept, w wide. Tokens that are added
    stand behind these, without a bias on the attention to them.
    """

    def begin(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return `(n, s + p, w)` of the tokens `(n, s, w)` that would enter the first block."""
        ...

    def before_attention(self, tokens: torch.Tensor, block: int) -> torch.Tensor:
        """Return what a block's attention sees, of its normalised input; the residual path keeps its own.

        Both are `(n, s + p, w)`; blocks count from 0.
        """
        ...

    def end(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the tokens `(n, s, w)` that are normalised and pooled, of the last block's `(n, s + p, w)`."""
        ...


@dataclass(frozen=True)
class TowerInputs:
    """What one pass takes: `pixels (n, 3, h, w)` and, each optional, what a fusion asks for.

    `maps` hold one `(n, d, gh, gw)` for each convolution of the stem, used in place of the stem's own. `keep (n, k)`
    lists the grid positions that stay. `key_bias (n, keys)` is added to the attention logits, one value for each
    token of the sequence, from block `bias_from` on. `steps` is called between the steps of the tower.
    """

    pixels: torch.Tensor
    maps: tuple[torch.Tensor, ...] | None = None
    keep: torch.Tensor | None = None
    key_bias: torch.Tensor | None = None
    bias_from: int = 0
    steps: TokenSteps | None = None

    def rows(self, index: torch.Tensor, count: int, *, prefix: int) -> TowerInputs:
        """Return some of the frames, with the first `count` of the positions that they keep; without steps."""
        assert self.keep is not None
        maps = None if self.maps is None else tuple(one[index] for one in self.maps)
        bias = None if self.key_bias is None else self.key_bias[index, : prefix + count]
        return TowerInputs(self.pixels[index], maps, self.keep[index, :count], bias, self.bias_from)

    def bias_of(self, block: int) -> torch.Tensor | None:
        """Return the bias `(n, keys)` of a block, counted from 0; None if it has none."""
        return self.key_bias if block >= self.bias_from else None


def keep_tokens(tokens: torch.Tensor, keep: torch.Tensor, *, prefix: int) -> torch.Tensor:
    """Return `tokens (n, prefix + grid, d)` reduced to `(n, prefix + k, d)`: the prefix and the positions `keep`."""
    patches = tokens[:, prefix:]
    kept = patches.gather(1, keep.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
    return torch.cat((tokens[:, :prefix], kept), dim=1)


def is_of(module: object, library: str, *names: str) -> bool:
    """Return whether the exact class of a module is one of `names` of a library; a subclass may compute otherwise."""
    kind = type(module)
    return kind.__name__ in names and kind.__module__.partition(".")[0] == library
