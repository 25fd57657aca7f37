"""What differs from both the frame before and the one after: the smaller of both differences, thresholded.

A difference of two frames marks a moving object twice, where it is and where it was or will be. Only where it is
differs from both neighbours. Source: Collins et al., A System for Video Surveillance and Monitoring
(CMU-RI-TR-00-12), three-frame differencing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

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
    joined_cuts,
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


class ThreeFrameOptions(ChangeOptions):
    """Near neighbours differ by less than sampled frames, so the threshold is lower than in other masks."""

    grey: GreyRule = Field("bt601", description="see frame-difference")
    reference: Literal["native", "sampled"] = Field(
        "native", description="neighbours: the frames `gap` native frames away, or the sampled ones on both sides"
    )
    gap: Annotated[int, WorksIf("reference", "native")] = Field(
        3, ge=1, le=250, description="native frames to each neighbour of the reference native"
    )
    working_size: int = Field(
        0, ge=0, le=4096, description="shorter side in px that frames are averaged to first; 0: as they are"
    )
    threshold: float = Field(12, ge=0, le=255, description="grey levels by which a pixel must change, strictly more")
    closing: int = Field(4, ge=0, le=64, description="radius of the closing in px at 224; 0: none")

    @model_validator(mode="after")
    def _check(self) -> ThreeFrameOptions:
        if self.backend == "torch" and self.working_size:
            raise ValueError("backend 'torch' takes frames as they are; set working_size = 0 or another backend")
        return self


class ThreeFrame:
    """The mask. A side without any difference is ignored: at the end of a file the frame is its own neighbour.

    A clip of one frame that equals its neighbours is marked whole.
    """

    place: Place = "worker"

    def __init__(self, options: ThreeFrameOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        gaps = (-options.gap, options.gap) if options.reference == "native" else ()
        self.needs = Needs(neighbours=gaps, luma=options.grey == "decoder-luma")

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)`."""
        return self.masks(clip).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "cut", "empty", "full", "alone" (one frame, no change), or ""."""
        return self.masks(clip).remarks

    def masks(self, clip: Clip) -> Masks:
        """Return both, also of torch frames `(t, 3, h, w)` if the backend is torch."""
        options, backend = self.options, self.backend
        layers = grey_layers(clip, backend=backend, rule=options.grey, short_side=options.working_size)
        changes = self._changes(layers)
        shape = clip.frames.shape[-2:] if self.options.backend == "torch" else clip.frames.shape[1:3]
        cut = self._cuts(clip) if by_scenes(options) else None
        masks = threshold_changes(changes, options=options, backend=backend, shape=shape, cut=cut)
        alone = np.array([len(changes) == 1 and not changes.any()] * len(changes))
        return replace_masks(masks, alone, alpha=1.0, remark="alone")

    def _cuts(self, clip: Clip) -> NDArray[np.bool_]:
        """Return bool `(t,)`: whether another scene is on both sides of a frame, or on its only one."""
        if self.options.reference == "native":
            return joined_cuts(clip.frames, tuple(clip.neighbours[gap] for gap in self.needs.neighbours), both=True)
        found = sampled_cuts(clip.frames)
        return np.asarray(np.concatenate([found[1:2], found[1:]]) & np.concatenate([found[1:], found[-1:]]))

    def _changes(self, layers: Mapping[int, Any]) -> Any:
        """Return the levels uint8 `(t, h, w)` by which each frame differs from both neighbours."""
        now, backend = layers[0], self.backend
        if self.options.reference == "native":
            before, after = layers[-self.options.gap], layers[self.options.gap]
        else:
            last = now.shape[1] - 1
            before, after = now[:, [0, *range(last)]], now[:, [*range(1, last + 1), last]]
        before, after = (difference(now, near, backend=backend) for near in (before, after))
        both = backend.smallest(backend.stack([before, after]))
        for place in range(len(both)):
            if not before[place].any():
                both[place] = after[place]
            elif not after[place].any():
                both[place] = before[place]
        return both


def build(options: ThreeFrameOptions, shapes: BuildContext) -> MaskGenerator | DeviceMaskGenerator:
    """Return the mask, on the device if the backend is torch.

    Raises `PluginError` if the backend's library is not installed.
    """
    mask = ThreeFrame(options)
    return ClipwiseMask(mask.masks, mask.needs) if options.backend == "torch" else mask


THREE_FRAME = Component(
    "three-frame",
    "what differs from the frame before and from the one after",
    ThreeFrameOptions,
    build,
    when="the camera is still and objects must not be marked twice",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "try compensated-difference",
    },
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator | DeviceMaskGenerator]]:
    return (THREE_FRAME,)
