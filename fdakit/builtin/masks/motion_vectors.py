"""Where blocks of the video codec moved differently from the camera.

The encoder's motion vectors are rendered on their blocks; the dominant motion of the frame is subtracted; the rest
above the threshold is marked. Frames are compared with no others, but reading vectors makes the reader decode every
frame. Source: FFmpeg's motion vectors; as guidance of masks in MGM (arXiv 2308.12962).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    CameraRule,
    Masks,
    PostprocessOptions,
    block_texture,
    get_backend,
    grey_layers,
    inside_bars,
    postprocess_masks,
    render_blocks,
    replace_masks,
    residual_motion,
)
from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Place, hookimpl

# Blocks of one frame are predicted from near and far frames, which vectors do not state. Shorter spans than the usual
# one are not tried: they would explain away what the camera follows, which is still in the frame.
_SPANS = (1.0, 1.5, 2.0, 3.0)
_SURROUNDINGS = 8  # px at 224: minimal size of the area whose texture is measured


class MotionVectorsOptions(PostprocessOptions):
    """Thresholds are in px of a frame of 224 px, relative to the frame that a block is predicted from."""

    threshold: float = Field(1.5, ge=0, le=224, description="px at 224 by which a block must move, strictly more")
    camera: CameraRule = Field(
        "translation",
        description="motion that is subtracted: the median; a shift, rotation and zoom (similarity); or none",
    )
    texture: float = Field(
        4,
        ge=0,
        le=128,
        description="standard deviation that a block must have, in grey levels; a flat one's vector is noise",
    )
    closing: int = Field(3, ge=0, le=64, description="radius of the closing in px at 224; 0: none")
    fill_holes: bool = Field(True, description="mark what a component encloses")
    without_vectors: Literal["neighbour", "whole-frame", "empty"] = Field(
        "neighbour",
        description="mask of a frame without vectors: that of the nearest sampled frame that has some, the whole "
        "frame if none has; the whole frame; or nothing",
    )
    cut: Literal[0] = Field(0, description="0: vectors tell no cut; the frame after one mostly has none")
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="library that cleans masks, equal to the bit; see frame-difference"
    )


class MotionVectors:
    """The mask, for H.264, MPEG-4 and MPEG-2 except keyframes; VP9, AV1, HEVC, MJPEG and GIF give no vectors."""

    place: Place = "worker"
    needs = Needs(motion_vectors=True)

    def __init__(self, options: MotionVectorsOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the alpha float32 `(t, h, w)` of uint8 frames `(t, h, w, 3)` with motion vectors."""
        return inside_bars(clip, self._masks).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "no-vectors", "empty", "full", or ""."""
        return inside_bars(clip, self._masks).remarks

    def _masks(self, clip: Clip, scale: float) -> Masks:
        options = self.options
        shape: tuple[int, int] = clip.frames.shape[1:3]
        given = clip.motion_vectors or (None,) * len(clip.frames)
        limit = options.threshold * scale
        grey = grey_layers(clip, backend=self.backend)[0][0]
        moved = np.stack([self._moved(rows, picture, scale) for rows, picture in zip(given, grey, strict=True)])
        masks = postprocess_masks(
            moved > limit,
            options=options,
            backend=self.backend,
            shape=shape,
            strength=np.minimum(moved / max(2 * limit, 1e-6), 1) if options.alpha == "soft" else None,
            scale=scale,
        )
        lacking = np.array([rows is None for rows in given])
        return replace_masks(masks, lacking, alpha=self._instead(masks.alpha, clip, lacking), remark="no-vectors")

    def _moved(self, rows: NDArray[np.float32] | None, grey: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
        """Return the px `(h, w)` by which each pixel moved relative to the camera; 0 without a block.

        Of several blocks at a pixel, as in B-frames, the one with the longest vector counts.
        """
        if rows is None:
            return np.zeros(grey.shape, np.float32)
        rows = rows[_visible(rows, grey.shape) & (_texture(rows, grey, scale) >= self.options.texture)]
        rows = rows[np.argsort(np.hypot(rows[:, 4], rows[:, 5]), kind="stable")]
        far = residual_motion(
            rows[:, :2], rows[:, 4:], weights=rows[:, 2] * rows[:, 3], camera=self.options.camera, spans=_SPANS
        )
        return render_blocks(rows[:, :4], far, grey.shape)

    def _instead(
        self, alpha: NDArray[np.float32], clip: Clip, lacking: NDArray[np.bool_]
    ) -> NDArray[np.float32] | float:
        """Return the replacement for frames without vectors: a level, or a mask for each frame."""
        if self.options.without_vectors == "empty":
            return 0.0
        if self.options.without_vectors == "whole-frame" or lacking.all():
            return 1.0
        having = np.flatnonzero(~lacking)
        away = np.abs(clip.times[:, None] - clip.times[having])
        nearest: NDArray[np.float32] = alpha[having[away.argmin(axis=1)]]
        return nearest


def _texture(rows: NDArray[np.float32], grey: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """Return the texture of blocks; of tiny ones that of their surroundings, as two pixels are too few."""
    sides = np.maximum(rows[:, 2:4], _SURROUNDINGS * scale)
    return block_texture(grey, np.concatenate([rows[:, :2], sides], axis=1))


def _visible(rows: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which blocks have their centre in the frame; a crop leaves others outside."""
    height, width = shape
    return (rows[:, 0] >= 0) & (rows[:, 0] < width) & (rows[:, 1] >= 0) & (rows[:, 1] < height)


def build(options: MotionVectorsOptions, shapes: BuildContext) -> MaskGenerator:
    """Return the mask. Raises `PluginError` if the backend's library is not installed."""
    return MotionVectors(options)


MOTION_VECTORS = Component(
    "motion-vectors",
    "where the codec's blocks move differently from the camera",
    MotionVectorsOptions,
    build,
    when="videos are H.264 or MPEG-4 and every frame is decoded anyway",
    remedies={
        "empty": "lower the mask's threshold, or sample fewer frames, which are then further apart",
        "full": "raise the mask's threshold",
        "no-vectors": "have no motion vectors; take a mask that needs none",
    },
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (MOTION_VECTORS,)
