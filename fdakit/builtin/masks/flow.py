"""Where the optical flow to a native neighbour differs from the camera's motion.

Flow by TV-L1 (Zach et al., DAGM 2007) or iterative Lucas-Kanade (Le Besnerais and Champagnat, ICIP 2005), both coarse
to fine as in scikit-image, or by dense inverse search (DIS; Kroeger et al., ECCV 2016) as in OpenCV. The dominant
motion of the frame is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    CameraRule,
    Masks,
    PostprocessOptions,
    by_scenes,
    get_backend,
    grey_layers,
    histogram_cuts,
    inside_bars,
    neighbour_cuts,
    postprocess_masks,
    replace_masks,
    require_opencv,
    residual_motion,
)
from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Place, WorksIf, hookimpl

Levels = NDArray[np.uint8]
_DIS_SIDE = 32
"""px of the smallest side of which DIS finds flow: two scales of patches of 8 px."""


class FlowOptions(PostprocessOptions):
    """Thresholds are in px of a frame of 224 px, over `gap` native frames."""

    method: Literal["tvl1", "ilk", "dis"] = Field(
        "tvl1",
        description="TV-L1, smooth with edges; Lucas-Kanade in windows, which blurs them; or DIS by OpenCV, fastest",
    )
    gap: int = Field(
        2, ge=1, le=250, description="native frames to the neighbour before, at the start of a file after"
    )
    working_size: int = Field(112, ge=16, le=4096, description="shorter side in px at which flow is computed")
    warps: Annotated[int, WorksIf("method", "tvl1", "ilk")] = Field(
        3, ge=1, le=100, description="corrections of the flow on each scale"
    )
    iterations: Annotated[int, WorksIf("method", "tvl1")] = Field(
        5, ge=1, le=1000, description="steps of tvl1 in each correction"
    )
    radius: Annotated[int, WorksIf("method", "ilk")] = Field(
        5, ge=1, le=64, description="half the window of ilk, in px at the working size"
    )
    threshold: float = Field(1.5, ge=0, le=224, description="px at 224 by which a pixel must move, strictly more")
    camera: CameraRule = Field(
        "similarity",
        description="motion that is subtracted: a shift, rotation and zoom (similarity); a shift; or none",
    )
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="library that cleans masks, equal to the bit; see frame-difference"
    )


class Flow:
    """The mask. A frame that equals its neighbours has no flow; a clip of one such frame is marked whole."""

    place: Place = "worker"

    def __init__(self, options: FlowOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        self.needs = Needs(neighbours=(-options.gap, options.gap))

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)`."""
        return inside_bars(clip, self._masks).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "cut", "empty", "full", "alone" (one frame, no change), or ""."""
        return inside_bars(clip, self._masks).remarks

    def _masks(self, clip: Clip, scale: float) -> Masks:
        options = self.options
        layers = grey_layers(clip, backend=self.backend, short_side=options.working_size)
        now, before, after = (layers[gap][0] for gap in (0, -options.gap, options.gap))
        moves = (before != now).any(axis=(1, 2))  # else it is its own neighbour, at a file's start
        near = np.where(moves[:, None, None], before, after)
        moved = np.stack([self._moved(here, there) for here, there in zip(now, near, strict=True)])
        scale *= now.shape[1] / clip.frames.shape[1]
        limit = options.threshold * scale
        changes = self.backend.difference(now, near)
        masks = postprocess_masks(
            moved > limit,
            options=options,
            backend=self.backend,
            shape=clip.frames.shape[1:3],
            strength=np.minimum(moved / max(2 * limit, 1e-6), 1) if options.alpha == "soft" else None,
            scale=scale,
            cut=self._cuts(clip, moves)
            if by_scenes(options)
            else histogram_cuts(self.backend.counts(changes), options.cut),
        )
        alone = np.array([len(now) == 1 and not changes.any()] * len(now))
        return replace_masks(masks, alone, alpha=1.0, remark="alone")

    def _cuts(self, clip: Clip, before: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return bool `(t,)`: whether the neighbour, of `before (t,)` the one before, shows another scene."""
        sides = [neighbour_cuts(clip.frames, clip.neighbours[gap]) for gap in self.needs.neighbours]
        return np.where(before, *sides)

    def _moved(self, now: Levels, near: Levels) -> NDArray[np.float32]:
        """Return the px `(h, w)` by which each pixel moved relative to the camera, at the working size."""
        options = self.options
        if (now == near).all() or min(now.shape) < 2:  # a single line of pixels has no gradient across it
            return np.zeros(now.shape, np.float32)
        # Relative to a common minimum, so that adding a level to both changes nothing.
        base = min(now.min(), near.min())
        flow = self._sought(now - base, near - base)
        moved = np.nan_to_num(flow, nan=0, posinf=0, neginf=0)
        y, x = np.mgrid[0 : now.shape[0], 0 : now.shape[1]].astype(np.float32)
        places = np.stack([x.ravel(), y.ravel()], axis=1)
        return residual_motion(places, moved.reshape(-1, 2), camera=options.camera).reshape(now.shape)

    def _sought(self, now: Levels, near: Levels) -> NDArray[np.float32]:
        """Return the px `(h, w, 2)`, right and down, by which each pixel of the one is displaced in the other."""
        options = self.options
        if options.method == "dis":
            return _dis_flow(now, near)
        from skimage.registration import optical_flow_ilk, optical_flow_tvl1

        one, other = (levels / np.float32(255) for levels in (now, near))  # in [0, 1] as TV-L1's weights expect
        if options.method == "ilk":
            down, right = optical_flow_ilk(one, other, radius=options.radius, num_warp=options.warps)
        else:
            down, right = optical_flow_tvl1(one, other, num_warp=options.warps, num_iter=options.iterations)
        return np.stack([right, down], axis=-1).astype(np.float32)


def _dis_flow(now: Levels, near: Levels) -> NDArray[np.float32]:
    import cv2

    rim = [(0, max(0, _DIS_SIDE - side)) for side in now.shape]  # of smaller pictures it makes no pyramid
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: NDArray[np.float32] = search.calc(np.pad(now, rim, "edge"), np.pad(near, rim, "edge"), None)
    return flow[: now.shape[0], : now.shape[1]]


def build(options: FlowOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask. Raises `PluginError` if the library of method or backend is not installed."""
    if options.method == "dis":
        require_opencv("mask.method 'dis'", advice="set method = 'tvl1'")
    return Flow(options)


FLOW = Component(
    "flow",
    "where optical flow differs from the camera's motion",
    FlowOptions,
    build,
    when="the camera moves and time is not short; no codec's vectors, no network",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "raise the mask's threshold",
    },
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (FLOW,)
