"""Alpha-conv, after which only patches that the mask touches go through the trunk: encode what moves.

The class token, a few patches spread evenly over the frame and the patches with most of the mask on them are kept,
`keep_share` of the grid in all; the number never depends on the frame, so batches stay whole and the cost is known.
Attention over 30% of the tokens is what makes it fast. With `keep_rule = "clip"` the number is that of a clip: its
first frame stays whole, and of the others what moves most, as in *Efficient Video Sampling*, arXiv 2510.14624; the
numbers of frames are rounded up to eighths of the grid, and frames of one number are encoded together. `run_length`
is that of *Don't Look Twice* (RLT), arXiv 2411.05222. Source: fdakit's own; token dropping as in Li et al., *FLIP*,
arXiv 2212.00794, chosen by the mask instead of by chance, on the alpha path of *Alpha-CLIP*, arXiv 2312.03818.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fdakit.plugin import AlphaFusion, BuildContext, Component, IdleIf, Options, PluginError, hookimpl


class MotionTokensOptions(Options):
    """How many patches stay, as a share of the grid or as a number."""

    keep_share: float | None = Field(
        None, gt=0, le=1, description="share of the patches that are kept, 1 is alpha-conv itself; left out: 0.3"
    )
    keep_tokens: int | None = Field(None, ge=1, le=1_000_000, description="so many patches instead of a share")
    spread_share: Annotated[float, IdleIf(keep_share=1)] = Field(
        0.2, ge=0, le=1, description="share of the kept patches that lie evenly over the frame, whatever moves"
    )
    keep_rule: Literal["frame", "clip"] = Field(
        "frame",
        description="frame: as many patches of every frame; clip: the first frame of a clip whole, then those "
        "that move most of its other frames together (EVS)",
    )
    run_length: bool = Field(
        False, description="add a learned embedding of how many frames each kept patch stands for, from zero (RLT)"
    )
    mean: float = Field(0.5, ge=0, le=1, description="alpha that counts as zero")
    std: float = Field(0.26, gt=0, description="divisor after the mean is subtracted")

    @model_validator(mode="after")
    def _check(self) -> MotionTokensOptions:
        if self.keep_tokens is not None and self.keep_share is not None:
            raise ValueError("give keep_share or keep_tokens, not both")
        return self


def build(options: MotionTokensOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion.

    Raises `PluginError` if the encoder has no tokens to leave out, or fewer than `keep_tokens`.
    """
    if not shapes.layers:
        raise PluginError(
            "fusion: 'motion-tokens' leaves patches out of transformer blocks, and this encoder has none; choose an "
            "encoder of ViT or EVA kind, or 'alpha-conv'"
        )
    tokens = shapes.grid[0] * shapes.grid[1]
    keep = options.keep_tokens or max(1, round((options.keep_share or 0.3) * tokens))
    if keep > tokens:
        raise PluginError(f"fusion.keep_tokens: found {keep}; this encoder has {tokens} patches, choose no more")
    from ._motion_tokens import MotionTokens

    spread = round(options.spread_share * keep)
    given: dict[str, Any] = {
        "grid": shapes.grid,
        "keep": keep,
        "spread": spread,
        "mean": options.mean,
        "std": options.std,
    }
    if options.keep_rule == "frame" and not options.run_length:
        return MotionTokens(shapes.stem, **given)
    from ._clip_tokens import ClipTokens

    if options.run_length and [one.channels for one in shapes.stem] != [shapes.width]:
        raise PluginError(
            "fusion.run_length: adds to the tokens of a stem of one convolution, and this encoder's is another; "
            "leave it out, or choose a ViT"
        )
    return ClipTokens(shapes.stem, whole_first=options.keep_rule == "clip", run_length=options.run_length, **given)


MOTION_TOKENS = Component(
    "motion-tokens",
    "alpha-conv, then only the patches that move go through the trunk",
    MotionTokensOptions,
    build,
    when="encoding is too slow: time falls with the patches kept; train with it, on a ViT or EVA",
    declares={"uses": frozenset({"stem", "keep"})},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (MOTION_TOKENS,)
