"""FDA-CLIP's mask: where neighbouring sampled frames differ.

Grey (BT.601 luma, rounded) -> absolute difference to the frame before -> strictly above the threshold -> closing ->
opening -> small components dropped. Source: FDA-CLIP (arXiv 2510.21806), section 2.3; what the paper leaves open is
an option here, and the defaults are the preset `paper`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fdakit.mask_ops import (
    ChangeOptions,
    ClipwiseMask,
    GreyRule,
    Masks,
    by_scenes,
    difference,
    get_backend,
    grey_layers,
    neighbour_cuts,
    replace_masks,
    sampled_cuts,
    threshold_changes,
)
from fdakit.plugin import (
    BuildContext,
    Clip,
    Component,
    DeviceMaskGenerator,
    MaskGenerator,
    Needs,
    Place,
    WorksIf,
    hookimpl,
)


class FrameDifferenceOptions(ChangeOptions):
    """The paper's setting is the default; `robust` enables the fallback."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "robust": {"fallback": "whole-frame"}}

    preset: Literal["paper", "robust"] = Field(
        "paper", description="defaults of the others; options that are set override it"
    )
    grey: GreyRule = Field(
        "bt601",
        description="bt601: luma of RGB; decoder-luma: the decoder's own; max-channel: the channel most changed",
    )
    reference: Literal["previous", "union", "intersection", "native"] = Field(
        "previous",
        description="compared with the sampled frame before; with those before and after, what changed to either "
        "(union) or to both (intersection); or with the frame `gap` native frames before",
    )
    gap: Annotated[int, WorksIf("reference", "native")] = Field(
        1, ge=1, le=250, description="native frames between the two of the reference native"
    )
    first_frame: Annotated[
        Literal["as-second", "empty", "whole-frame"], WorksIf("reference", "previous", "native")
    ] = Field("as-second", description="mask of the first frame, which has none before it")
    working_size: int = Field(
        0,
        ge=0,
        le=4096,
        description="shorter side in px that frames are averaged to before anything else; 0: as they are",
    )

    @model_validator(mode="after")
    def _check(self) -> FrameDifferenceOptions:
        if self.backend == "torch" and self.working_size:
            raise ValueError("backend 'torch' takes frames as they are; set working_size = 0 or another backend")
        return self


class FrameDifference:
    """Hard masks, 0 or 1, unless set otherwise. A clip of one frame without a neighbour is marked whole."""

    place: Place = "worker"

    def __init__(self, options: FrameDifferenceOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        native = (-options.gap,) if options.reference == "native" else ()
        self.needs = Needs(neighbours=native, luma=options.grey == "decoder-luma")

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)`."""
        return self.masks(clip).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "cut", "empty", "full", "alone" (nothing to compare with), or ""."""
        return self.masks(clip).remarks

    def masks(self, clip: Clip) -> Masks:
        """Return both, also of torch frames `(t, 3, h, w)` if the backend is torch."""
        shape = clip.frames.shape[-2:] if self.options.backend == "torch" else clip.frames.shape[1:3]
        count = len(clip.frames)
        options, backend = self.options, self.backend
        layers = grey_layers(clip, backend=backend, rule=options.grey, short_side=options.working_size)
        changes = self._changes(layers)
        lacks = self._first_lacks(clip, changes)
        if lacks and count > 1 and options.reference == "native":
            changes[0] = changes[1]
        if lacks and options.first_frame == "empty":
            changes[0] = 0
        cut = self._cuts(clip) if by_scenes(options) else None
        masks = threshold_changes(changes, options=options, backend=backend, shape=shape, cut=cut)
        whole = np.zeros(count, np.bool_)
        whole[0] = lacks and (count == 1 or options.first_frame == "whole-frame")
        return replace_masks(masks, whole, alpha=1.0, remark="alone" if count == 1 else "")

    def _changes(self, layers: Mapping[int, Any]) -> Any:
        """Return the levels uint8 `(t, h, w)` by which each frame differs from its reference; 0 without one."""
        now, backend = layers[0], self.backend
        if self.options.reference == "native":
            return difference(now, layers[-self.options.gap], backend=backend)
        if len(now[0]) == 1:
            return difference(now, now, backend=backend)
        steps = difference(now[:, 1:], now[:, :-1], backend=backend)
        before = backend.stack([steps[0], *steps])  # the first and the last frame have one neighbour
        if self.options.reference == "previous":
            return before
        pick = backend.largest if self.options.reference == "union" else backend.smallest
        return pick(backend.stack([before, backend.stack([*steps, steps[-1]])]))

    def _cuts(self, clip: Clip) -> NDArray[np.bool_]:
        """Return bool `(t,)`: whether each frame is compared with another scene."""
        if self.options.reference == "native":
            return neighbour_cuts(clip.frames, clip.neighbours[-self.options.gap])
        found = sampled_cuts(clip.frames)
        if len(found) == 1:
            return found
        before = np.concatenate([found[1:2], found[1:]])  # like the differences, see `_changes`
        after = np.concatenate([found[1:], found[-1:]])
        if self.options.reference == "previous":
            return before
        return np.asarray(before | after if self.options.reference == "union" else before & after)

    def _first_lacks(self, clip: Clip, changes: Any) -> bool:
        """Return whether the first frame has no reference: it, or its native neighbour, is itself."""
        if self.options.reference == "native":
            return bool(clip.times[0] <= 0 and not changes[0].any())
        return self.options.reference == "previous" or len(changes) == 1


def build(options: FrameDifferenceOptions, shapes: BuildContext) -> MaskGenerator | DeviceMaskGenerator:
    """Return the mask, on the device if the backend is torch.

    Raises `PluginError` if the backend's library is not installed.
    """
    mask = FrameDifference(options)
    return ClipwiseMask(mask.masks, mask.needs) if options.backend == "torch" else mask


FRAME_DIFFERENCE = Component(
    "frame-difference",
    "where neighbouring sampled frames differ (FDA-CLIP)",
    FrameDifferenceOptions,
    build,
    when="the camera is still, or you want the paper's own mask",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "try compensated-difference",
        "cut": "sample more frames, or take a mask that compares native neighbours, as compensated-difference",
    },
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator | DeviceMaskGenerator]]:
    return (FRAME_DIFFERENCE,)
