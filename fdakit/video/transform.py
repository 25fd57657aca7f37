"""The geometry of frames: resize, crop, flip, sampled once a clip and applied to frames and neighbours alike.

Without augmentation it gives the pixels of torchvision's and open_clip's preprocessing of PIL images, before
normalisation: `Resize` + `CenterCrop` for shortest, `Resize((size, size))` for squash, `ResizeKeepRatio` +
`CenterCropOrPad` for longest. Source: torchvision/transforms/functional.py, open_clip/transform.py. The training crop
is that of torchvision's `RandomResizedCrop`, sampled from the clip's own generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.errors import RecipeError
from fdakit.frame_placement import FramePlacement
from fdakit.plugin.contracts import Preprocess, SizeRule
from fdakit.settings import ViewSettings
from fdakit.values import Clip

from .motion_vectors import Vectors, mirrored, scaled, shifted

Pictures = NDArray[np.uint8]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_SET = "; [view] sets "
_TRIES = 10  # attempts at a crop before the largest central one is taken, as in RandomResizedCrop


class FrameTransform:
    """The tower's preprocessing with the overrides of `[view]`, as a call on clips.

    `preprocess` is the result of the merge; `draws` says whether training draws anything. Raises
    `RecipeError` for an interpolation or resize mode that nothing here can do.
    """

    def __init__(self, settings: ViewSettings, preprocess: Preprocess) -> None:
        given = settings.model_dump(include={"size", "resize", "interpolation", "mean", "std"}, exclude_none=True)
        self.preprocess = replace(
            preprocess,
            **given,
            source=_sources(preprocess, given),
            unknown=tuple(name for name in preprocess.unknown if name not in given),
        )
        self.flip = settings.flip
        self.crop_scale, self.crop_aspect = settings.crop_scale, settings.crop_aspect
        self.draws = settings.flip > 0 or settings.crop_scale is not None
        self.scaler = settings.scaler
        self.pixel_aspect = settings.pixel_aspect
        for key, known in (("interpolation", _FILTERS), ("resize", _TARGETS)):
            value = getattr(self.preprocess, key)
            if value not in known:
                raise RecipeError(f"view.{key}: {value!r} is not known; set one of {', '.join(known)}")

    def __call__(self, clip: Clip, *, training: bool, rng: np.random.Generator) -> Clip:
        """Transform a clip and all that follows its pixels: frames uint8 `(t, h, w, 3)` -> `(t, size, size, 3)`."""
        drawn = training and self.draws
        geometry: _Geometry | None = None

        def shown(frames: Pictures) -> Pictures:
            nonlocal geometry
            if self.pixel_aspect and clip.pixel_aspect != 1:
                frames = self._squared(frames, clip.pixel_aspect)
            if geometry is None:
                geometry = self._draw(frames.shape[1:3], rng=rng) if drawn else _STILL
            return self._shown(frames, geometry=geometry)

        frames = shown(clip.frames)
        neighbours = {gap: shown(near) for gap, near in clip.neighbours.items()}
        luma = {gap: shown(np.repeat(grey[..., None], 3, axis=3))[..., 0] for gap, grey in clip.luma.items()}
        vectors = clip.motion_vectors
        if vectors is not None:
            vectors = tuple(None if one is None else self._placed(one, clip, geometry or _STILL) for one in vectors)
        placement = None if clip.placement is None else self._placement(clip, geometry or _STILL)
        return replace(
            clip, frames=frames, neighbours=neighbours, luma=luma, motion_vectors=vectors, placement=placement
        )

    def _placement(self, clip: Clip, geometry: _Geometry) -> FramePlacement:
        """Return the part of the picture that the clip's frames show after these steps."""
        shape: tuple[int, int] = clip.frames.shape[1:3]
        squared = _square_size(shape, clip.pixel_aspect) if self.pixel_aspect and clip.pixel_aspect != 1 else shape
        if geometry.crop is not None:
            (top, left, *sides), whole = geometry.crop, squared
        else:
            whole = _TARGETS[self.preprocess.resize](squared, self.preprocess.size)
            (top, left), sides = _offsets(whole, size=self.preprocess.size), [self.preprocess.size] * 2
        shares = (top / whole[0], left / whole[1], sides[0] / whole[0], sides[1] / whole[1])
        return FramePlacement(shape, *shares, mirrored=geometry.mirrored)

    def _placed(self, vectors: Vectors, clip: Clip, geometry: _Geometry) -> Vectors:
        """Return the clip's motion vectors `(n, 6)` after the steps that its frames go through."""
        size, (height, width) = self.preprocess.size, clip.frames.shape[1:3]
        if self.pixel_aspect and clip.pixel_aspect != 1:
            squared = _square_size((height, width), clip.pixel_aspect)
            vectors = scaled(vectors, x=squared[1] / width, y=squared[0] / height)
            height, width = squared
        target = (size, size)
        if geometry.crop is None:
            target = _TARGETS[self.preprocess.resize]((height, width), size)
        else:
            top, left, height, width = geometry.crop
            vectors = shifted(vectors, x=-left, y=-top)
        vectors = scaled(vectors, x=target[1] / width, y=target[0] / height)
        top, left = _offsets(target, size=size)
        vectors = shifted(vectors, x=-left, y=-top)
        return mirrored(vectors, width=size) if geometry.mirrored else vectors

    def _squared(self, frames: Pictures, aspect: float) -> Pictures:
        """Return the frames with square pixels: the side that is too short in the image is stretched."""
        target = _square_size(frames.shape[1:3], aspect)
        kernel = _FILTERS[self.preprocess.interpolation]
        return np.stack([_resized(frame, target=target, kernel=kernel) for frame in frames])

    def wanted_size(self, *, training: bool) -> SizeRule | None:
        """Return the rule by which a reader may scale frames while decoding; None if all pixels are needed."""
        whole = self.pixel_aspect or (training and self.crop_scale is not None)
        if self.scaler != "swscale" or whole:
            return None
        target, size = _TARGETS[self.preprocess.resize], self.preprocess.size
        return lambda shape: target(shape, size)

    def _draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> _Geometry:
        crop = None
        if self.crop_scale is not None:
            crop = _drawn_crop(shape, scale=self.crop_scale, aspects=self.crop_aspect, rng=rng)
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


def _sources(preprocess: Preprocess, given: Mapping[str, Any]) -> str:
    """Return where the preprocessing comes from, followed once by the keys that the recipe sets."""
    own = preprocess.source.partition(_SET)[0]
    changed = [name for name, value in given.items() if name != "size" or value != preprocess.size]
    return f"{own}{_SET}{', '.join(changed)}" if changed else preprocess.source


@dataclass(frozen=True)
class _Geometry:
    """One sampled geometry: a crop (top, left, height, width) of the frame, and whether it is mirrored."""

    crop: tuple[int, int, int, int] | None = None
    mirrored: bool = False


_STILL = _Geometry()


def _shortest(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Return the size of torchvision's `Resize(size)`: the longer side is truncated, not rounded."""
    height, width = shape
    longer = int(size * max(height, width) / min(height, width))
    return (longer, size) if width <= height else (size, longer)


def _longest(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    """Return the size of open_clip's `ResizeKeepRatio(longest=1)`, but never 0 pixels."""
    height, width = shape
    ratio = max(height / size, width / size)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


_TARGETS: dict[str, Callable[[tuple[int, ...], int], tuple[int, int]]] = {
    "shortest": _shortest,
    "longest": _longest,
    "squash": lambda shape, size: (size, size),
}


def _resized(frame: Pictures, *, target: tuple[int, int], kernel: Image.Resampling) -> Pictures:
    """Return the frame resized by Pillow, which antialiases: `(h, w, 3)` -> `(*target, 3)`."""
    return np.asarray(Image.fromarray(frame).resize(target[::-1], kernel))


def _square_size(shape: tuple[int, ...], aspect: float) -> tuple[int, int]:
    height, width = shape
    return (height, round(width * aspect)) if aspect > 1 else (round(height / aspect), width)


def _fitted(frames: Pictures, *, size: int) -> Pictures:
    """Return the central `size` x `size` pixels, padded with black."""
    height, width = frames.shape[1:3]
    top, left = _offsets((height, width), size=size)
    above, before = max(0, -top), max(0, -left)
    if above or before or height < size or width < size:
        below, after = max(0, size - height) - above, max(0, size - width) - before
        frames = np.pad(frames, ((0, 0), (above, below), (before, after), (0, 0)))
    return frames[:, max(0, top) : max(0, top) + size, max(0, left) : max(0, left) + size]


def _offsets(shape: tuple[int, int], *, size: int) -> tuple[int, int]:
    """Return top and left of the central `size` x `size` pixels, negative for padding.

    Odd remainders as in torchvision: a crop rounds, padding puts the odd pixel last.
    """
    top, left = (-((size - side) // 2) if side < size else round((side - size) / 2) for side in shape)
    return top, left


def _drawn_crop(
    shape: tuple[int, int], *, scale: tuple[float, float], aspects: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return a box (top, left, height, width) of random area and aspect; else the largest central one."""
    height, width = shape
    for _ in range(_TRIES):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(aspects[0]), math.log(aspects[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    w = min(width, max(1, round(height * aspects[1])))
    h = min(height, max(1, round(width / aspects[0])))
    return (height - h) // 2, (width - w) // 2, h, w
