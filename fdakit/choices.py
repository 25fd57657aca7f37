"""The values that recipe keys and options of commands may take. Importing them imports no pydantic."""

from __future__ import annotations

from typing import Literal, get_args

Control = Literal["none", "whole-frame", "zero", "rolled", "centre", "inverse", "other-video"]
TieRule = Literal["expected", "optimistic", "pessimistic", "average"]
VideoToTextRule = Literal["grouped", "per-caption"]
Resize = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]
CaptionsRule = Literal["all", "one"]
"""Which captions an epoch of training has: all, or one of each video."""
Damage = Literal["fail", "skip", "repair"]
ChangeKind = Literal["recipe", "videos", "captions", "files", "masks"]
"""What may have changed since a run was started, when it is resumed."""
Role = Literal[
    "stem",
    "alpha-path",
    "visual-trunk",
    "prompts",
    "text-tower",
    "aggregator",
    "objective",
    "logit-scale",
    "mask",
    "matcher",
]
"""What a weight is to training: see `fdakit.model.parameter_roles`."""
ROLES: tuple[Role, ...] = get_args(Role)
