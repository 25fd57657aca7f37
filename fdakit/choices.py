"""The values that recipe keys and options of commands may take, for those who need no pydantic to know them."""

from __future__ import annotations

from typing import Literal, get_args

Control = Literal["none", "whole-frame", "zero", "rolled", "centre", "inverse", "other-video"]
TieRule = Literal["expected", "optimistic", "pessimistic", "average"]
VideoToTextRule = Literal["grouped", "per-caption"]
Resize = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]
Damage = Literal["fail", "skip", "repair"]
ChangeKind = Literal["recipe", "videos", "captions", "files"]
"""What may have changed of a run that is taken up."""
Role = Literal["stem", "alpha-path", "visual-trunk", "text-tower", "aggregator", "objective", "logit-scale"]
"""What a weight is to training: see `fdakit.model.parameter_roles`."""
ROLES: tuple[Role, ...] = get_args(Role)
