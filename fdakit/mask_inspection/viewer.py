"""Masks made visible: the sampled frames of a video with what each mask marks in them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.catalog import load_catalog
from fdakit.data_pipeline.mask_calls import build_mask, mask_alpha, mask_remarks, warn_of_untrained
from fdakit.data_pipeline.output_checks import check_indices
from fdakit.errors import FdakitError, attribute_errors
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate_part
from fdakit.report.contact_sheet import ShownMask, contact_sheet
from fdakit.system.devices import choose_device
from fdakit.values import Clip, Needs, VideoRef
from fdakit.video.transform import FrameTransform

from .selection import SIZE, MaskSelection, choose_masks, format_options


def tower_view(recipe: Recipe) -> tuple[Preprocess, BuildContext]:
    """Return the image preprocessing of the recipe's encoder.

    It is built with random weights, so that none are needed.
    """
    device = choose_device("cpu")
    encoder = recipe.encoder.build(replace(base_shapes(recipe, device), pretrained=False))
    return FrameTransform(recipe.view, encoder.preprocess).preprocess, encoder.shapes


@dataclass(frozen=True)
class MaskedFrames:
    """Frames uint8 `(t, h, w, 3)` of a video as the masks got them, and the masks.

    `indices (t,)` and `times (t,)`, in seconds, are those of the frames; `count` and `duration` are the video's.
    """

    video: VideoRef
    frames: NDArray[np.uint8]
    indices: NDArray[np.int64]
    times: NDArray[np.float64]
    masks: tuple[ShownMask, ...]
    count: int
    duration: float

    def sheet(self) -> Image.Image:
        """Return the contact sheet."""
        shown, (height, width) = len(self.frames), self.frames.shape[1:3]
        facts = f"{shown} of {self.count} frames, {width} x {height} px, {self.duration:.1f} s"
        return contact_sheet(self.frames, self.times, self.masks, title=self.video.path.name, facts=facts)


class MaskViewer:
    """The parts for viewing masks, built once.

    Without a recipe frames keep their aspect, else they are the model's input.

    `size` is the shorter side in px; left out, that of the recipe's encoder, else 224.
    """

    def __init__(self, choice: MaskSelection, *, size: int | None = None) -> None:
        self.choice = choice
        recipe = choice.recipe
        self._device = str(choose_device(recipe.train.device))
        shapes, self._view = base_shapes(recipe, choose_device("cpu")), None
        if choice.given:
            preprocess, shapes = tower_view(recipe)
            own = {} if size is None else {"size": size}
            self._view = FrameTransform(recipe.view.model_copy(update=own), preprocess)
            size = self._view.preprocess.size
        self._size = size or SIZE
        shapes = replace(shapes, image_size=self._size, device=self._device)
        self._reader, self._sampler = (recipe.parts[table].build(shapes) for table in ("reader", "sampler"))
        self._masks = {name: build_mask(part, shapes) for name, part in choice.masks.items()}
        for name, mask in self._masks.items():
            warn_of_untrained(mask, label=str(choice.masks[name].offer))
        self._needs = _all_needs([mask.needs for mask in self._masks.values()])

    def see(self, video: VideoRef, *, frames: int | None = None) -> MaskedFrames:
        """Return the frames that the sampler chooses, or `frames` uniform ones, masked.

        Raises `VideoError` if the file cannot be read and `PartError` if a part fails.
        """
        label, where = str(self.choice.recipe.reader.offer), f"on video {video.id!r}"
        with attribute_errors(label, where):
            times = self._reader.times(video)
        chosen = self._chosen(video, times, frames)
        rule = self._shortest if self._view is None else self._view.wanted_size(training=False)
        with attribute_errors(label, where):
            clip: Clip = self._reader.read(video, chosen, self._needs, rule)
        clip = replace(clip.placed(chosen), seed=self.choice.recipe.seed)
        if self._view is not None:
            clip = self._view(clip, training=False, rng=clip.rng())
        interval = (times[-1] - times[0]) / max(1, len(times) - 1)
        return MaskedFrames(
            video=video,
            frames=clip.frames,
            indices=chosen,
            times=clip.times,
            masks=tuple(self._masked(name, clip) for name in self._masks),
            count=len(times),
            duration=float(times[-1] - times[0] + interval),
        )

    def _chosen(self, video: VideoRef, times: NDArray[np.float64], frames: int | None) -> NDArray[np.int64]:
        part, sampler = self.choice.recipe.sampler, self._sampler
        if frames is not None:
            table = {"use": "fdakit:uniform", "eval_frames": frames}
            part = validate_part("sampler", table, where=f"frames = {frames}", catalog=load_catalog())
            sampler = part.build(BuildContext(image_size=self._size))
        label, where = str(part.offer), f"on video {video.id!r}"
        with attribute_errors(label, where):
            chosen = sampler(len(times), times, False, np.random.default_rng(self.choice.recipe.seed))
        check_indices(chosen, len(times), sampler.frames(False), label=label, where=where)
        return np.asarray(chosen, np.int64)

    def _shortest(self, shape: tuple[int, int]) -> tuple[int, int]:
        height, width = shape
        scale = self._size / min(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _masked(self, name: str, clip: Clip) -> ShownMask:
        mask, part = self._masks[name], self.choice.masks[name]
        own, about = _as_needed(clip, mask.needs), {"label": str(part.offer), "device": self._device}
        alpha, remarks = mask_alpha(mask, own, **about), mask_remarks(mask, own, **about)
        return ShownMask(name, alpha, remarks, title=part.name, options=format_options(part))


def _all_needs(needs: Sequence[Needs]) -> Needs:
    return Needs(
        neighbours=tuple(sorted({gap for one in needs for gap in one.neighbours})),
        motion_vectors=any(one.motion_vectors for one in needs),
        luma=any(one.luma for one in needs),
        placement=any(one.placement for one in needs),
    )


def _as_needed(clip: Clip, needs: Needs) -> Clip:
    """Return the clip with what one mask needs, without what only others need."""
    gaps = (0, *needs.neighbours)
    return replace(
        clip,
        neighbours={gap: clip.neighbours[gap] for gap in needs.neighbours},
        motion_vectors=clip.motion_vectors if needs.motion_vectors else None,
        luma={gap: clip.luma[gap] for gap in gaps} if needs.luma else {},
        indices=clip.indices if needs.placement else None,
        placement=clip.placement if needs.placement else None,
    )


class MaskView:
    """The masks of a video, for notebooks: displays itself as its contact sheet.

    By mask name: `alpha` float32 `(t, h, w)`, `coverage (t,)` in [0, 1], and `remarks`, a word a frame. `times (t,)`
    in seconds and `frames` uint8 `(t, h, w, 3)` are those of the frames.
    """

    def __init__(self, seen: MaskedFrames) -> None:
        self._seen = seen
        self.frames, self.times = seen.frames, seen.times
        self.alpha: Mapping[str, NDArray[np.float32]] = {mask.name: mask.alpha for mask in seen.masks}
        self.coverage: Mapping[str, NDArray[np.float64]] = {mask.name: mask.coverage for mask in seen.masks}
        self.remarks: Mapping[str, tuple[str, ...]] = {mask.name: mask.remarks for mask in seen.masks}

    @cached_property
    def image(self) -> Image.Image:
        """Return the contact sheet."""
        return self._seen.sheet()

    def save(self, path: str | Path) -> None:
        """Write the sheet in the format of the file's suffix. Raises `FdakitError` if that fails."""
        try:
            self.image.save(path)
        except (OSError, ValueError) as error:  # a name without a known suffix is a ValueError
            raise FdakitError(
                f"{Path(path).absolute()}: the sheet cannot be written ({error}); name a .png file in a folder that "
                "is there"
            ) from error

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        self.image.save(held, "png")
        return held.getvalue()

    def __repr__(self) -> str:
        means = ", ".join(f"{name}: {covered.mean():.1%} covered" for name, covered in self.coverage.items())
        return f"MaskView({self._seen.video.path.name!r}, {len(self.frames)} frames, {means})"


def show_masks(
    path: str | Path,
    mask: str = "frame-difference",
    *,
    compare: str | Sequence[str] = (),
    frames: int = 12,
    size: int = SIZE,
    **options: Any,
) -> MaskView:
    """Return what a mask marks in a video, as an image and as arrays; `options` are the mask's own.

    `compare` names further masks, each as `"NAME KEY=VALUE ..."`. `frames` uniform frames are used, `size` px on
    their shorter side; masks are made at that size. Raises `RecipeError` for an unknown mask or option, `VideoError`
    if the file cannot be read.
    """
    others = (compare,) if isinstance(compare, str) else tuple(compare)
    if frames < 1 or size < 8:
        raise FdakitError(f"show_masks: frames {frames}, size {size}; give at least 1 frame of at least 8 px")
    choice = choose_masks([mask], compare=others, frames=frames, options=options, catalog=load_catalog())
    video = VideoRef(Path(path).stem, Path(path))
    return MaskView(MaskViewer(choice, size=size).see(video))
