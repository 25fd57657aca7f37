"""Whether a mask can be one of a picture: by its sides."""

from __future__ import annotations

from ._mask_json import EMPTY

_ROUNDED, _NEAR = 2, 0.02  # pixels, or the share of a side, by which resizing may be off, as to even sides or to 16


def shape_fault(mask: tuple[int, ...], picture: tuple[int, int], *, pixel_aspect: float, stretch: bool) -> str:
    """Return what is wrong with the sides of a mask `(h, w)` for a picture `(h, w)`, and what to do; "" if they fit.

    It may be larger or smaller, with sides rounded to whole pixels, and made of the picture as it is stored or, where
    pixels are not square, as it is shown. `stretch` accepts other aspect ratios, but none that lies on its side.
    """
    rows, columns = picture
    if mask == EMPTY or _alike(mask, rows, columns) or _alike(mask, rows, columns * pixel_aspect):
        return ""
    sizes = f"{mask[1]} x {mask[0]} px, and the upright picture {columns} x {rows}"
    if _alike(mask, columns, rows):
        return f"{sizes}; turn masks as the video is shown"
    if stretch:
        return ""
    return (
        f"{sizes}, of another aspect ratio; make masks of whole frames, or set mask.stretch = true if they were made "
        "of frames squeezed to their shape"
    )


def _alike(mask: tuple[int, ...], rows: float, columns: float) -> bool:
    """Return whether a mask has an aspect ratio, but for the rounding of its sides."""
    height, width = mask
    return abs(width - height * columns / rows) <= max(_ROUNDED, _NEAR * width) or abs(
        height - width * rows / columns
    ) <= max(_ROUNDED, _NEAR * height)
