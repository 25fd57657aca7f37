"""An image, optionally with its mask, transformed to model input: one geometry for both, then normalised."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fdakit.plugin.contracts import Preprocess
from fdakit.random_keys import keyed_rng
from fdakit.settings import ViewSettings
from fdakit.values import Clip

from .colour_jitter import ColourJitter
from .transform import FrameTransform

Picture = Image.Image | NDArray[np.uint8]
Mask = Image.Image | NDArray[Any]


class ImageTransform:
    """The preprocessing of images. `transform(image)` returns a tensor, `transform(image, mask)` `(image, alpha)`.

    With `training` each call samples crop, flip and colours of `settings` from torch's generator, so that
    `torch.manual_seed` makes them reproducible and loader workers differ; otherwise nothing is random. Can be
    pickled.
    """

    def __init__(self, settings: ViewSettings, preprocess: Preprocess, *, training: bool) -> None:
        self._view = FrameTransform(settings, preprocess)
        self._mask_view = FrameTransform(settings.model_copy(update={"interpolation": "bilinear"}), preprocess)
        self.preprocess = self._view.preprocess
        self.training = training
        self._jitter = ColourJitter(settings)

    def __call__(self, image: Picture, mask: Mask | None = None) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return the image float32 `(3, size, size)`, normalised, and the alpha of a given mask.

        Alpha is float32 `(1, size, size)` in [0, 1]. `image` is a PIL image or uint8 `(h, w, 3)`. `mask` is bool,
        float in [0, 1], or uint8 `(h, w)`; uint8 without values above 1 is read as 0 and 1, any other as 0 to 255. It
        is resized as Alpha-CLIP does, bilinear, in steps of 1/255. Raises `TypeError` or `ValueError` for anything
        else.
        """
        pixels = _pixels(image)
        seed = int(torch.randint(2**62, ())) if self.training else 0
        shown = self._shown(self._view, pixels, seed=seed)
        if self.training:
            shown = self._jitter(shown[None], keyed_rng(seed, "colours"))[0]
        mean, std = (torch.tensor(value).view(3, 1, 1) for value in (self.preprocess.mean, self.preprocess.std))
        tensor = torch.tensor(shown).permute(2, 0, 1).to(torch.float32).div_(255).sub_(mean).div_(std)
        if mask is None:
            return tensor
        grey = np.repeat(_levels(mask, pixels.shape[:2])[..., None], 3, axis=2)
        alpha = self._shown(self._mask_view, grey, seed=seed)[..., 0]
        return tensor, torch.from_numpy(alpha.astype(np.float32) / 255)[None]

    def _shown(self, view: FrameTransform, picture: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        """Return the transformed image; calls with equal seeds give image and mask the same crop and flip."""
        clip = Clip("picture", picture[None], np.zeros(1))
        shown = view(clip, training=self.training, rng=np.random.default_rng(seed))
        return np.asarray(shown.frames[0])

    def __repr__(self) -> str:
        return f"ImageTransform(training={self.training}, {self.preprocess})"


def _pixels(image: Picture) -> NDArray[np.uint8]:
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image: found {type(image).__name__}; give a PIL image or a uint8 array (h, w, 3)")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image: found {image.dtype} {image.shape}; give a PIL image or uint8 (h, w, 3)")
    return image


def _levels(mask: Mask, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the mask as uint8 `(h, w)` from 0 to 255."""
    found = np.asarray(mask)
    if found.shape != shape:
        raise ValueError(f"mask: found {found.dtype} {found.shape}; give one of the image's size, {shape}")
    if found.dtype == np.bool_:
        return np.where(found, np.uint8(255), np.uint8(0))
    if found.dtype == np.uint8:
        return np.where(found, np.uint8(255), np.uint8(0)) if found.max() <= 1 else found
    if not np.issubdtype(found.dtype, np.floating):
        raise TypeError(f"mask: found {found.dtype}; give bool, uint8, or float in [0, 1]")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise ValueError(
            f"mask: found values from {found.min()} to {found.max()}; give [0, 1], as the model normalises it itself"
        )
    levels: NDArray[np.uint8] = np.rint(found * 255).astype(np.uint8)
    return levels
