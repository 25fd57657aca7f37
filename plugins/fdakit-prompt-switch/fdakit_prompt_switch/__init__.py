"""Prompt Switch (Deng et al., ICCV 2023, arXiv 2308.07648) for fdakit: video vectors that no query changes.

The encoder `prompt-switch` enriches frames inside the image tower with a cube of prompts that frames exchange; the
objective `captioning` has them described in training; the sampler `prompt-switch` picks the frames. Importing this
imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import Component, Encoder, FrameSampler, Objective, hookimpl

from .captioning import CAPTIONING
from .encoders import PROMPT_SWITCH, PROMPT_SWITCH_TINY
from .sampling import SEGMENTS

__all__ = ["CAPTIONING", "PROMPT_SWITCH", "PROMPT_SWITCH_TINY", "SEGMENTS"]


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    """Offer the encoders; fdakit finds them by the entry point in pyproject.toml."""
    return (PROMPT_SWITCH, PROMPT_SWITCH_TINY)


@hookimpl
def fdakit_objectives() -> Iterable[Component[Any, Objective]]:
    """Offer the objective."""
    return (CAPTIONING,)


@hookimpl
def fdakit_samplers() -> Iterable[Component[Any, FrameSampler]]:
    """Offer the sampler."""
    return (SEGMENTS,)
