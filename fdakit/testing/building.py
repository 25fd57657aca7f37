"""Building a part as a recipe would, and a clip to try it on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fdakit.plugin.component import BuildContext, Component
from fdakit.plugin.contract_checks import contract_fault, declaration_fault
from fdakit.plugin.vector_stores import StoreContext
from fdakit.values import Clip

from .examples import SHAPES

Part = Component[Any, Any, Any]
Context = BuildContext | StoreContext


def build_part(component: Part, shapes: Context | None = None, **options: Any) -> Any:
    """Build a component as a recipe would: options checked as strict JSON."""
    model = component.options.model_validate_json(json.dumps(options))
    return component.build(model, shapes or BuildContext())


def build_kind(kind: str, component: Part, shapes: Context | None = None, **options: Any) -> Any:
    """Build a part as `build_part` does.

    Raises `AssertionError` if the part lacks a member of its kind, or has it otherwise than its component declares.
    """
    part = build_part(component, shapes, **options)
    fault = contract_fault(kind, part) or declaration_fault(component.declares, part)
    assert not fault, fault
    return part


def build_objective(component: Part, encoder: Any = None, **options: Any) -> Any:
    """Build an objective for the examples' features, started from an encoder if one is given."""
    shapes = SHAPES if encoder is None else encoder.shapes
    objective = build_kind("objective", component, shapes, **options)
    if encoder is not None:
        objective.start_from(encoder)
    return objective


def example_clip(frames: int = 5, size: int = 64, *, seed: int = 0) -> Clip:
    """Return a seeded clip in which a bright square crosses a noisy ground."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(40, 60, (frames, size, size, 3)).astype(np.uint8)
    side = size // 4
    for place in range(frames):
        left = place * (size - side) // max(frames - 1, 1)
        pictures[place, side : 2 * side, left : left + side] = (220, 60, 60)
    return Clip(f"example-{seed}", pictures, np.arange(frames, dtype=np.float64))
