"""The mask `mog2`: the foreground of a background model learned from the preceding native frames.

OpenCV's MOG2 (Zivkovic, ICPR 2004) models each pixel by a mixture of Gaussians, KNN (Zivkovic and van der Heijden,
Pattern Recognition Letters 2006) by samples. Both are made for dense frames, so each sampled frame has a new model
that sees its `warmup` native frames first, in order of time, and then the frame itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.mask_ops import (
    Masks,
    PostprocessOptions,
    by_scenes,
    get_backend,
    grey_layers,
    histogram_cuts,
    neighbour_cuts,
    postprocess_masks,
    replace_masks,
)
from fdakit.plugin import BuildContext, Clip, Component, MaskGenerator, Needs, Place, PluginError, WorksIf, hookimpl

if TYPE_CHECKING:
    import cv2

_MARKED = 255  # OpenCV's foreground level; shadows have 127


class Mog2Options(PostprocessOptions):
    """Declared once: checked, shown by `fdakit show mask mog2`, and part of the editor schema."""

    model: Literal["mog2", "knn"] = Field("mog2", description="mixture of Gaussians, or nearest neighbours")
    warmup: int = Field(
        8, ge=1, le=250, description="native frames before each sampled one that the model learns from"
    )
    stride: int = Field(1, ge=1, le=250, description="native frames from one of those to the next")
    mog2_distance: Annotated[float, WorksIf("model", "mog2")] = Field(
        16, gt=0, description="squared distance, in variances, from which mog2 marks a pixel"
    )
    knn_distance: Annotated[float, WorksIf("model", "knn")] = Field(
        400, gt=0, description="squared distance in colour levels from which knn marks one"
    )
    shadows: bool = Field(False, description="tell the shadows of things apart and leave them out")
    alpha: Literal["hard"] = Field("hard", description="hard: 0 or 1")
    backend: Literal["auto", "scikit-image", "numpy", "opencv"] = Field(
        "auto", description="what masks are cleaned with, equal to the bit; see frame-difference"
    )


class Mog2:
    """The mask. At a file's start the first frame replaces earlier ones, and nothing is marked.

    A clip of one frame that equals its warm-up frames is marked whole.
    """

    place: Place = "worker"

    def __init__(self, options: Mog2Options) -> None:
        self.options = options
        self.backend = get_backend(options.backend)
        self.needs = Needs(neighbours=tuple(range(-options.warmup * options.stride, 0, options.stride)))

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Return uint8 frames `(t, h, w, 3)` -> float32 alpha `(t, h, w)`, 0 or 1."""
        return self._masks(clip).alpha

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return why each frame has a fallback: "cut", "empty", "full", "alone" (nothing to learn from), or ""."""
        return self._masks(clip).remarks

    def _masks(self, clip: Clip) -> Masks:
        films = np.stack([*(clip.neighbours[gap] for gap in self.needs.neighbours), clip.frames], axis=1)
        masks = postprocess_masks(
            np.stack([self._foreground(film) for film in films]),
            options=self.options,
            backend=self.backend,
            shape=clip.frames.shape[1:3],
            cut=self._cuts(clip),
        )
        alone = np.array([len(films) == 1 and bool((films == clip.frames[:, None]).all())] * len(films))
        return replace_masks(masks, alone, alpha=1.0, remark="alone")

    def _foreground(self, film: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return bool `(h, w)` of the last of the frames `(n, h, w, 3)`."""
        model = self._model()
        for frame in film[:-1]:
            model.apply(np.ascontiguousarray(frame))
        return np.asarray(model.apply(np.ascontiguousarray(film[-1])) == _MARKED)

    def _model(self) -> cv2.BackgroundSubtractor:
        import cv2

        options = self.options
        if options.model == "mog2":
            return cv2.createBackgroundSubtractorMOG2(
                varThreshold=options.mog2_distance, detectShadows=options.shadows
            )
        return cv2.createBackgroundSubtractorKNN(dist2Threshold=options.knn_distance, detectShadows=options.shadows)

    def _cuts(self, clip: Clip) -> NDArray[np.bool_]:
        """Return bool `(t,)`: whether there is a cut among a frame and its warm-up frames."""
        if by_scenes(self.options):
            shown = [*(clip.neighbours[gap] for gap in self.needs.neighbours), clip.frames]
            return np.asarray(np.any([neighbour_cuts(after, near) for near, after in pairwise(shown)], axis=0))
        layers = grey_layers(clip, backend=self.backend)
        films = [layers[gap][0] for gap in (*self.needs.neighbours, 0)]
        found = np.zeros(len(clip.frames), np.bool_)
        for before, after in pairwise(films):
            found |= histogram_cuts(self.backend.counts(self.backend.difference(before, after)), self.options.cut)
        return found


def build(options: Mog2Options, shapes: BuildContext) -> MaskGenerator:
    """Return the mask. Raises `PluginError` if OpenCV is not installed."""
    if not find_spec("cv2"):
        raise PluginError("mask 'mog2': OpenCV is not installed; pip install opencv-python-headless")
    return Mog2(options)


MOG2 = Component(
    "mog2",
    "foreground of OpenCV's background models MOG2 and KNN",
    Mog2Options,
    build,
    when="the camera stands still, the ground flickers or waves, and more frames may be decoded",
    declares={"place": "worker"},
)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, MaskGenerator]]:
    """Offer this package's parts; fdakit finds them by the entry point in pyproject.toml."""
    return (MOG2,)
