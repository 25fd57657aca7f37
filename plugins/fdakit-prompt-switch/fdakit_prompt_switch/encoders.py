"""The encoders `prompt-switch`, of any ViT that open_clip knows, and `prompt-switch-tiny`, a small one.

A cube of P x P prompts is appended to the tokens of P frames, P to each; before the attention of every block frames i
and j exchange a prompt. Source: Prompt Switch, section 3; where the release differs from the paper, the release.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import Field

from fdakit.model import OpenClipOptions, TinyOptions
from fdakit.plugin import BuildContext, Component, Encoder, Options


class PromptOptions(Options):
    """The prompt cube, and how a longer video is divided into clips."""

    prompts: int = Field(6, ge=1, le=256, description="prompts added to each frame, and frames of a clip")
    order: Literal["strided", "consecutive"] = Field(
        "strided",
        description="frames of a clip, of a video with more: every second, third, ... of all, as released, or those "
        "next to each other",
    )
    clips: Literal["independent", "joint"] = Field(
        "independent",
        description="several clips of a video: each by itself, as released, or with all their prompts in the last "
        "attention",
    )
    prompt_scale: float = Field(
        0.02, gt=0, le=100, description="standard deviation of new prompts, times the square root of the width"
    )


class PromptSwitchOptions(PromptOptions, OpenClipOptions):
    """The model and its weights, with those of the prompt cube if the file holds them."""


class PromptSwitchTinyOptions(PromptOptions, TinyOptions):
    """Sizes of the two towers, with the prompt cube."""


def build(options: PromptSwitchOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder; random weights follow the run's seed.

    Raises `CheckpointError` if weights cannot be loaded, `PluginError` if the visual tower is no ViT of open_clip's.
    """
    from fdakit.model import build_open_clip

    from ._encoder import PromptSwitchEncoder

    return build_open_clip(options, shapes, make=partial(PromptSwitchEncoder, prompting=options))


def build_small(options: PromptSwitchTinyOptions, shapes: BuildContext) -> Encoder:
    """Return the small encoder, its random weights by the run's seed."""
    from fdakit.model import build_tiny

    from ._encoder import PromptSwitchEncoder

    return build_tiny(options, shapes, make=partial(PromptSwitchEncoder, prompting=options))


_DECLARED = {"accepts": frozenset({"pixels", "stem", "attention_bias", "keep"}), "frame_count": None}

PROMPT_SWITCH = Component(
    "prompt-switch",
    "a ViT of open_clip's whose frames exchange prompts",
    PromptSwitchOptions,
    build,
    when="vectors of videos must not depend on the query, and frames are to know of each other",
    declares=_DECLARED,
)
PROMPT_SWITCH_TINY = Component(
    "prompt-switch-tiny",
    "a small CLIP trained from nothing whose frames exchange prompts",
    PromptSwitchTinyOptions,
    build_small,
    declares=_DECLARED,
)
