"""The prompt cube: prompts that frames exchange before each attention, and the attention over what became of them."""

from __future__ import annotations

import torch
from torch import nn

from ._chunks import Chunks


class PromptCube(nn.Module):
    """`prompts (p, p, w)`, a row of p prompts for each of p frames, and the attention after the last block.

    New prompts are normal with `scale / sqrt(w)` as standard deviation. The output of the attention starts at zero.
    """

    def __init__(self, size: int, width: int, *, heads: int, scale: float) -> None:
        super().__init__()
        self.size = size
        self.prompts = nn.Parameter(torch.randn(size, size, width) * scale * width**-0.5)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)

    def switched(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return `tokens (n, s + p, w)` with prompt j of frame i and prompt i of frame j exchanged, in each p frames.

        Prompts are the last p tokens; n is a multiple of p. Twice is the identity.
        """
        frames, prompts = tokens[:, : -self.size], tokens[:, -self.size :]
        turned = prompts.reshape(-1, self.size, *prompts.shape[1:]).transpose(1, 2).flatten(0, 1)
        return torch.cat((frames, turned), dim=1)


class CubeSteps:
    """What the cube does between the steps of the tower, of frames arranged in chunks.

    If `joint`, all frames of a video see all its prompts in the last attention, else those of their chunk.
    """

    def __init__(self, cube: PromptCube, chunks: Chunks, *, joint: bool) -> None:
        self.cube, self.chunks, self.joint = cube, chunks, joint

    def begin(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append the prompts `(n, s + p, w)`."""
        size = self.cube.size
        prompts = self.cube.prompts.to(tokens.dtype).expand(len(tokens) // size, -1, -1, -1)
        return torch.cat((tokens, prompts.flatten(0, 1)), dim=1)

    def before_attention(self, tokens: torch.Tensor, block: int) -> torch.Tensor:
        """Switch the prompts."""
        return self.cube.switched(tokens)

    def end(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add to each class token what it sees in the prompts; return the tokens without these."""
        size = self.cube.size
        together = self.chunks.count * size if self.joint else size
        tokens, prompts = tokens[:, :-size], tokens[:, -size:]
        own = tokens[:, :1]
        keys = prompts.reshape(-1, together * size, prompts.shape[2])
        absent = (~self.chunks.real).repeat_interleave(size * size, dim=1) if self.joint else None
        seen, _ = self.cube.attention(
            own.reshape(-1, together, own.shape[2]), keys, keys, key_padding_mask=absent, need_weights=False
        )
        return torch.cat((own + seen.reshape(own.shape), tokens[:, 1:]), dim=1)
