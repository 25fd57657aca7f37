"""Textured grounds seen by a camera that moves, with a thing that moves in front of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

SIDE, RIM = 224, 40
Picture = NDArray[np.float32]


def texture(seed: int) -> Picture:
    """A ground larger than the picture: fine and coarse grain, 25 grey levels deep."""
    rng = np.random.default_rng(seed)
    grain = [gaussian_filter(rng.standard_normal((SIDE + 2 * RIM,) * 2), sigma) for sigma in (1.3, 6)]
    mixed = sum(one / one.std() for one in grain)
    return (120 + 25 * mixed / mixed.std()).astype(np.float32)


def seen(ground: Picture, shift: tuple[float, float], *, angle: float = 0.0, zoom: float = 1.0) -> Picture:
    """The middle of the ground from a camera that was moved: p of this picture is M p + shift of the unmoved one."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * zoom
    middle = (np.array(ground.shape) - 1) / 2
    whole = affine_transform(ground, turn, middle + shift - turn @ middle, order=5, mode="nearest")
    return whole[RIM:-RIM, RIM:-RIM].astype(np.float32)


def with_object(picture: Picture, place: int, seed: int = 9) -> Picture:
    """A textured thing, an eighth of the picture, at a place of its own."""
    found = picture.copy()
    found[60:140, place : place + 80] = texture(seed)[:80, :80] + 30
    return found
