"""Where blocks of the video codec moved otherwise than the camera.

The motion vectors that the encoder wrote are painted on their blocks; the motion that most of the picture shares is
taken off; what is left above the threshold is marked. Frames are compared with no others, but reading vectors makes
the reader decode every frame. Source: FFmpeg's motion vectors; as guidance of masks in MGM (arXiv 2308.12962).
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

# Blocks of one frame are predicted from frames near and far, which vectors do not tell. Shorter spans than the usual
# one are not looked for: they would explain away what the camera follows, and so stands still in the picture.
_SPANS = (1.0, 1.5, 2.0, 3.0)
_SURROUNDINGS = 8  # px at 224 in which texture is looked for at least


class MotionVectorsOptions(PostprocessOptions):
    """Thresholds are px in a picture of 224 px, from the frame that the codec predicted a block from."""

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
    """H.264, MPEG-4 and MPEG-2 have vectors, but for their keyframes; VP9, AV1, HEVC, MJPEG and GIF give none."""

    place: Place = "worker"
    needs = Needs(motion_vectors=True)

    def __init__(self, options: MotionVectorsOptions) -> None:
        self.options = options
        self.backend = get_backend(options.backend)

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return uint8 frames `(t, h, w, 3)` with motion vectors -> float32 `(t, h, w)`."""
        return inside_bars(clip, self._masks).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why another mask stands there: "no-vectors", "empty", "full", or ""."""
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
        """px `(h, w)` by which each place moved besides the camera; 0 where no block says so.

        Of several blocks on a place, as B-frames have them, the one with the longest vector is seen.
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
        """Return what stands in for frames without vectors: a level, or for each frame a mask."""
        if self.options.without_vectors == "empty":
            return 0.0
        if self.options.without_vectors == "whole-frame" or lacking.all():
            return 1.0
        having = np.flatnonzero(~lacking)
        away = np.abs(clip.times[:, None] - clip.times[having])
        nearest: NDArray[np.float32] = alpha[having[away.argmin(axis=1)]]
        return nearest


def _texture(rows: NDArray[np.float32], grey: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """Of blocks that became tiny, that of their surroundings: two pixels tell none."""
    sides = np.maximum(rows[:, 2:4], _SURROUNDINGS * scale)
    return block_texture(grey, np.concatenate([rows[:, :2], sides], axis=1))


def _visible(rows: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which blocks have their middle in the picture; a crop leaves others outside."""
    height, width = shape
    return (rows[:, 0] >= 0) & (rows[:, 0] < width) & (rows[:, 1] >= 0) & (rows[:, 1] < height)


def build(options: MotionVectorsOptions, shapes: BuildContext) -> MaskGenerator:
    """Depends on the options alone. Raises `PluginError` if the backend's library is not installed."""
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
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    return (MOTION_VECTORS,)
