"""Where a frame differs from its native neighbours after compensating camera motion and brightness.

Global motion is estimated and removed, brightness matched, newly visible areas are excluded; of the differences to
the frames before and after, the smaller one is taken (three-frame rule) and thresholded above the remaining noise.
Source: made for fdakit; three-frame differencing after Collins et al., CMU-RI-TR-00-12; see
`fdakit.mask_ops.camera_motion` for the estimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    BrightnessRule,
    CameraRule,
    Masks,
    PostprocessOptions,
    ThresholdOptions,
    apply_fallback,
    apply_morphology,
    box_average,
    by_scenes,
    compensated_difference,
    get_backend,
    grey_layers,
    inside_bars,
    joined_cuts,
    level_cuts,
    level_thresholds,
    soft_strength,
)
from fdakit.plugin import BuildContext, Clip, Component, IdleIf, MaskGenerator, Needs, Place, WorksIf, hookimpl

Levels = NDArray[np.float32]
Known = NDArray[np.bool_]
Change = tuple[Levels, Known]  # levels (h, w), and where they are known


class CompensatedDifferenceOptions(ThresholdOptions, PostprocessOptions):
    """For native neighbours; thresholds are relative to the frame's own noise."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"plain": {}, "robust": {"fallback": "whole-frame"}}

    preset: Literal["plain", "robust"] = Field(
        "plain", description="defaults of the others; options that are set override it"
    )
    gap: int = Field(1, ge=1, le=250, description="native frames between a frame and those it is compared with")
    sides: Literal["both-or-either", "both", "either", "before"] = Field(
        "both-or-either",
        description="what differs from the frame before and from the one after (both), from one of them (either), "
        "or from the one before; both-or-either: either where both mark nothing, as on flat surfaces",
    )
    camera: CameraRule = Field(
        "translation",
        description="motion that is subtracted: a shift; a shift, rotation and zoom (similarity); or none",
    )
    brightness: BrightnessRule = Field("gain-bias", description="change of light that is compensated")
    grey: Literal["bt601", "decoder-luma"] = Field("bt601", description="luma of RGB, or the decoder's own")
    working_size: int = Field(
        0, ge=0, le=4096, description="shorter side in px that frames are averaged to first; 0: as they are"
    )
    smoothing: int = Field(
        1, ge=0, le=64, description="radius in px at 224 over which differences are averaged before the threshold"
    )
    threshold: float = Field(6, ge=0, le=255, description="grey levels by which a pixel must change, strictly more")
    threshold_rule: Literal["fixed", "mad", "otsu"] = Field("mad", description="see frame-difference")
    mad_factor: Annotated[float, WorksIf("threshold_rule", "mad")] = Field(
        4.0, ge=0, le=100, description="k of the rule mad"
    )
    cut: Annotated[float, IdleIf(fallback="none")] = Field(12, ge=0, le=255, description="see frame-difference")
    closing: int = Field(5, ge=0, le=64, description="radius of the closing in px at 224; 0: none")
    fill_holes: bool = Field(True, description="mark what a component encloses")
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="library that computes it, equal to the bit; see frame-difference"
    )


class CompensatedDifference:
    """The mask, from two native neighbours of each frame; from one if the file has no more."""

    place: Place = "worker"

    def __init__(self, options: CompensatedDifferenceOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        gaps = (-options.gap,) if options.sides == "before" else (-options.gap, options.gap)
        self.needs = Needs(neighbours=gaps, luma=options.grey == "decoder-luma")

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)`."""
        return inside_bars(clip, self._masks).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why a frame has the fallback: "cut", "empty", "full", or ""."""
        return inside_bars(clip, self._masks).remarks

    def _masks(self, clip: Clip, scale: float) -> Masks:
        options = self.options
        layers = grey_layers(clip, backend=self.backend, rule=options.grey, short_side=options.working_size)
        grey = {gap: layer[0] for gap, layer in layers.items()}
        scale *= grey[0].shape[1] / clip.frames.shape[1]
        sides = [self._sides(grey, place, scale) for place in range(len(clip.frames))]
        levels, known = _joined(sides, both=options.sides != "either")
        masks = self._changed(levels, known, scale)
        nothing = np.flatnonzero(~masks.any(axis=(1, 2)))
        if options.sides == "both-or-either" and len(nothing):
            levels[nothing], known[nothing] = _joined([sides[place] for place in nothing], both=False)
            masks[nothing] = self._changed(levels[nothing], known[nothing], scale)
        soft = options.alpha == "soft"
        return apply_fallback(
            masks,
            options=options,
            shape=clip.frames.shape[1:3],
            strength=soft_strength(levels, level_thresholds(levels, known, options)) if soft else None,
            cut=self._cuts(clip, levels, known) if options.fallback != "none" else None,
        )

    def _cuts(self, clip: Clip, levels: Levels, known: Known) -> Known:
        """Return bool `(t,)`: whether a frame's neighbours show another scene, all of them or, of `either`, one."""
        if not by_scenes(self.options):
            return level_cuts(levels, known, self.options.cut)
        sides = tuple(clip.neighbours[gap] for gap in self.needs.neighbours)
        return joined_cuts(clip.frames, sides, both=self.options.sides != "either")

    def _sides(self, grey: Mapping[int, NDArray[np.uint8]], place: int, scale: float) -> list[Change]:
        """Return how a frame differs from each of its neighbours."""
        now = grey[0][place]
        radius = round(self.options.smoothing * scale)
        found = [
            compensated_difference(near, now, camera=self.options.camera, brightness=self.options.brightness)
            for near in (grey[gap][place] for gap in self.needs.neighbours)
            if not np.array_equal(near, now)  # at an end of the file the frame is its own neighbour
        ] or [(np.zeros_like(now), np.ones(now.shape, np.bool_))]
        return [(box_average(levels, radius), known) for levels, known in found]

    def _changed(self, levels: Levels, known: Known, scale: float) -> Known:
        """Return what is above the threshold, cleaned: bool `(t, h, w)`."""
        changed = levels > level_thresholds(levels, known, self.options)[:, None, None]
        return np.array(apply_morphology(changed, options=self.options, backend=self.backend, scale=scale))


def _joined(frames: Sequence[list[Change]], *, both: bool) -> tuple[Levels, Known]:
    """Return levels and where they are known, `(t, h, w)`.

    Of two differences the smaller, or the larger; the known one where only one is known.
    """
    joined = []
    for sides in frames:
        levels, known = sides[0]
        for others, valid in sides[1:]:
            together = np.minimum(levels, others) if both else np.maximum(levels, others)
            levels = np.where(known & valid, together, np.where(known, levels, others))
            known = known | valid
        joined.append((levels, known))
    return np.stack([levels for levels, _ in joined]), np.stack([known for _, known in joined])


def build(options: CompensatedDifferenceOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask. Raises `PluginError` if the backend's library is not installed."""
    return CompensatedDifference(options)


COMPENSATED_DIFFERENCE = Component(
    "compensated-difference",
    "where frames differ from their neighbours, camera motion and flicker compensated",
    CompensatedDifferenceOptions,
    build,
    when="the camera pans or shakes, or the light flickers",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "raise the mask's threshold",
    },
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (COMPENSATED_DIFFERENCE,)
