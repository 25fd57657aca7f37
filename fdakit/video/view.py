"""The geometry of a frame: resize, crop, flip, drawn once a clip and applied to frames and neighbours alike.

Without draws it gives the pixels of torchvision's and open_clip's preprocessing of PIL pictures, before
normalisation: `Resize` + `CenterCrop` for shortest, `Resize((size, size))` for squash, `ResizeKeepRatio` +
`CenterCropOrPad` for longest. Source: torchvision/transforms/functional.py, open_clip/transform.py. The
training crop is that of torchvision's `RandomResizedCrop`, drawn from the clip's own generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.contracts import Preprocess, SizeRule
from fdakit.errors import RecipeError
from fdakit.settings import ViewSettings
from fdakit.values import Clip

Pictures = NDArray[np.uint8]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_ASPECTS = (3 / 4, 4 / 3)  # RandomResizedCrop's range of width / height
_TRIES = 10  # draws of a crop before the largest middle one is taken, as RandomResizedCrop does


class View:
    """The tower's preprocessing with the overrides of `[view]`, as a call on clips.

    `preprocess` is the result of the merge; `draws` says whether training draws anything. Raises
    `RecipeError` for an interpolation or resize mode that nothing here can do.
    """

    def __init__(self, settings: ViewSettings, preprocess: Preprocess) -> None:
        given = settings.model_dump(include={"size", "resize", "interpolation", "mean", "std"}, exclude_none=True)
        self.preprocess = replace(preprocess, **given)
        self.flip = settings.flip
        self.crop_scale = settings.crop_scale
        self.draws = settings.flip > 0 or settings.crop_scale is not None
        self.scaler = settings.scaler
        self.pixel_aspect = settings.pixel_aspect
        for key, known in (("interpolation", _FILTERS), ("resize", _TARGETS)):
            value = getattr(self.preprocess, key)
            if value not in known:
                raise RecipeError(f"view.{key}: {value!r} is not known; set one of {', '.join(known)}")

    def __call__(self, clip: Clip, *, training: bool, rng: np.random.Generator) -> Clip:
        """Frames and neighbours uint8 `(t, h, w, 3)` -> `(t, size, size, 3)`. Motion vectors stay as they are."""
        layers = {0: clip.frames, **clip.neighbours}
        if self.pixel_aspect and clip.pixel_aspect != 1:
            layers = {gap: self._squared(frames, clip.pixel_aspect) for gap, frames in layers.items()}
        geometry = self._draw(layers[0].shape[1:3], rng=rng) if training and self.draws else _STILL
        shown = {gap: self._shown(frames, geometry=geometry) for gap, frames in layers.items()}
        return replace(clip, frames=shown.pop(0), neighbours=shown)

    def _squared(self, frames: Pictures, aspect: float) -> Pictures:
        """Frames with square pixels: the side that is too short in the picture is stretched."""
        height, width = frames.shape[1:3]
        target = (height, round(width * aspect)) if aspect > 1 else (round(height / aspect), width)
        kernel = _FILTERS[self.preprocess.interpolation]
        return np.stack([_resized(frame, target=target, kernel=kernel) for frame in frames])

    def wanted_size(self, *, training: bool) -> SizeRule | None:
        """The rule by which a reader may scale frames while it decodes them; None where all pixels are wanted."""
        whole = self.pixel_aspect or (training and self.crop_scale is not None)
        if self.scaler != "swscale" or whole:
            return None
        target, size = _TARGETS[self.preprocess.resize], self.preprocess.size
        return lambda shape: target(shape, size)

    def _draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> _Geometry:
        crop = None if self.crop_scale is None else _drawn_crop(shape, scale=self.crop_scale, rng=rng)
        return _Geometry(crop, bool(rng.random() < self.flip))

    def _shown(self, frames: Pictures, *, geometry: _Geometry) -> Pictures:
        size, kernel = self.preprocess.size, _FILTERS[self.preprocess.interpolation]
        if geometry.crop is not None:
            top, left, height, width = geometry.crop
            frames = frames[:, top : top + height, left : left + width]
            target = (size, size)
        else:
            target = _TARGETS[self.preprocess.resize](frames.shape[1:3], size)
        if frames.shape[1:3] != target:
            frames = np.stack([_resized(frame, target=target, kernel=kernel) for frame in frames])
        if target != (size, size):
            frames = _fitted(frames, size=size)
        return np.ascontiguousarray(frames[:, :, ::-1] if geometry.mirrored else frames)


@dataclass(frozen=True)
class _Geometry:
    """One draw: a crop (top, left, height, width) of the frame, and whether it is mirrored."""

    crop: tuple[int, int, int, int] | None = None
    mirrored: bool = False


_STILL = _Geometry()


def _shortest(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """torchvision's `Resize(size)`: the other side is cut, not rounded, to whole pixels."""
    height, width = shape
    longer = int(size * max(height, width) / min(height, width))
    return (longer, size) if width <= height else (size, longer)


def _longest(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """open_clip's `ResizeKeepRatio(longest=1)`, but never 0 pixels."""
    height, width = shape
    ratio = max(height / size, width / size)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


_TARGETS: dict[str, Callable[[tuple[int, ...], int], tuple[int, int]]] = {
    "shortest": _shortest,
    "longest": _longest,
    "squash": lambda shape, size: (size, size),
}


def _resized(frame: Pictures, *, target: tuple[int, int], kernel: Image.Resampling) -> Pictures:
    """Pillow's resize, which smooths when it makes smaller. `(h, w, 3)` -> `(*target, 3)`."""
    return np.asarray(Image.fromarray(frame).resize(target[::-1], kernel))


def _fitted(frames: Pictures, *, size: int) -> Pictures:
    """The middle `size` x `size` pixels, with black where there are none; odd rests as torchvision does."""
    height, width = frames.shape[1:3]
    low, wide = max(0, size - height), max(0, size - width)
    if low or wide:
        pads = ((0, 0), (low // 2, (low + 1) // 2), (wide // 2, (wide + 1) // 2), (0, 0))
        frames = np.pad(frames, pads)
        height, width = frames.shape[1:3]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return frames[:, top : top + size, left : left + size]


def _drawn_crop(
    shape: tuple[int, int], *, scale: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A random box (top, left, height, width) of drawn area and aspect; else the largest in the middle."""
    height, width = shape
    for _ in range(_TRIES):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    w = min(width, max(1, round(height * _ASPECTS[1])))
    h = min(height, max(1, round(width / _ASPECTS[0])))
    return (height - h) // 2, (width - w) // 2, h, w
