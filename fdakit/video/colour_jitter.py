"""Colour jitter of training: one draw a clip, of brightness, contrast, saturation and hue, in a drawn order.

A frame gets the pixels of torchvision's `ColorJitter` on a PIL image, as Pillow makes both. Source:
torchvision/transforms/v2/_color.py and functional/_color.py (`_adjust_*_image_pil`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from fdakit.settings import JITTERED, ViewSettings

Change = Callable[[Image.Image], Image.Image]
_ENHANCERS: Mapping[str, Callable[[Image.Image], Any]] = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


class ColourJitter:
    """The jitter of `[view]`, as a call on frames; without any of its keys `draws` is false."""

    def __init__(self, settings: ViewSettings) -> None:
        self._largest = {name: float(getattr(settings, name)) for name in JITTERED}

    @property
    def draws(self) -> bool:
        """Whether frames are changed at all."""
        return any(self._largest.values())

    def __call__(self, frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return frames `(t, h, w, 3)` with other colours, all changed alike; without jitter the same array."""
        if not self.draws:
            return frames
        changes = self._drawn(rng)
        return np.stack([_changed(frame, changes) for frame in frames])

    def _drawn(self, rng: np.random.Generator) -> list[Change]:
        changes = [
            _change(name, rng.uniform(-largest, largest) if name == "hue" else _factor(largest, rng))
            for name, largest in self._largest.items()
            if largest
        ]
        return [changes[place] for place in rng.permutation(len(changes))]


def _factor(largest: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(max(0.0, 1 - largest), 1 + largest))


def _changed(frame: NDArray[np.uint8], changes: list[Change]) -> NDArray[np.uint8]:
    image = Image.fromarray(frame)
    for change in changes:
        image = change(image)
    return np.asarray(image)


def _change(name: str, amount: float) -> Change:
    """Return a change of an image: by a factor, or of the hue by a share of its circle."""
    if name == "hue":
        return lambda image: _turned(image, amount)
    return lambda image: _ENHANCERS[name](image).enhance(amount)


def _turned(image: Image.Image, share: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.uint8(int(share * 255) % 256)  # wraps around
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
