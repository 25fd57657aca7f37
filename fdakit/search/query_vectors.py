"""What can be asked of an index: a text, or an example in pixels, as the vector that is compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fdakit.errors import FdakitError, VideoError
from fdakit.plugin.abilities import InnerProduct
from fdakit.values import VideoRef

from .table.segment_rows import mean_vector

if TYPE_CHECKING:
    from fdakit.inference.loaded_retriever import LoadedRetriever

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class AskedText:
    """A text."""

    text: str

    def vector(self, retriever: LoadedRetriever) -> NDArray[np.float32]:
        """Return its vector `(d,)`, of length 1 where the matcher compares cosines."""
        found: NDArray[np.float32] = retriever.encode_texts([self.text])[0]
        return found

    def scores(self, retriever: LoadedRetriever, segments: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the matcher's score of each segment `(n,)`, given its vectors `(m, d)`."""
        import torch

        from fdakit.features import VideoFeatures
        from fdakit.inference.score_matrix import score_matrix

        longest = max(map(len, segments))
        held = torch.zeros(len(segments), longest, segments[0].shape[1])
        valid = torch.zeros(len(segments), longest, dtype=torch.bool)
        for row, own in enumerate(segments):
            held[row, : len(own)] = torch.from_numpy(own)
            valid[row, : len(own)] = True
        asked = retriever.text_features([self.text])
        assert asked is not None
        with torch.inference_mode():
            scores = score_matrix(retriever.model, asked, VideoFeatures(held, valid), device=retriever.device)
        found: NDArray[np.float32] = scores[0]
        return found


@dataclass(frozen=True)
class AskedExample:
    """A video, a part of one, or frames in memory."""

    video: Any

    def vector(self, retriever: LoadedRetriever) -> NDArray[np.float32]:
        """Return its vector `(d,)`. Raises `VideoError` if it cannot be read."""
        features = retriever.video_features([self.video])
        assert features is not None
        own = features.vectors[0][features.valid[0]]
        matcher = retriever.model.matcher
        if isinstance(matcher, InnerProduct):
            own = matcher.product_vectors(own)
        return mean_vector(own.numpy())


Asked = AskedText | AskedExample


def as_query(query: Any, *, start: float | None, end: float | None) -> Asked:
    """Return what is asked. Raises `FdakitError` for an empty text, or a range where there is no video."""
    ranged = start is not None or end is not None
    if isinstance(query, str):
        if ranged:
            raise FdakitError(
                "from and to are seconds of an example video; a text has none: give a path as pathlib.Path"
            )
        if not query.strip():
            raise FdakitError("the text is empty; say what is looked for")
        return AskedText(query)
    if isinstance(query, os.PathLike):
        path = Path(query)
        if path.suffix.lower() in PICTURES and not _is_animated(path):
            if ranged:
                raise FdakitError(f"{path.absolute()}: an image has no range of seconds; leave from and to out")
            return AskedExample(read_picture(path))
        if not path.exists():
            raise VideoError(f"{path.absolute()}: no such file; check the path of the example")
        if start is not None and end is not None and end <= start:
            raise FdakitError(f"from {start:g} to {end:g} s is empty; give an end after the start")
        return AskedExample(VideoRef(str(path), path, start, end))
    if ranged:
        raise FdakitError("from and to need the path of an example video")
    return AskedExample(query)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return an image, upright, as a clip of one frame uint8 `(1, h, w, 3)`. Raises `VideoError`."""
    from PIL import ImageOps

    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            return np.asarray(upright.convert("RGB"))[None].copy()
    except FileNotFoundError as error:
        raise VideoError(f"{path.absolute()}: no such file; check the path of the example") from error
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError) as error:
        raise VideoError(f"{path.absolute()}: cannot be read as an image ({error}); give another example") from error


def _is_animated(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except (OSError, Image.DecompressionBombError):  # reading it will say what is wrong
        return False
