"""`fdakit masks`: one folder for each video, with contact sheet, masks, overlay video and masks.json."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from PIL import Image

from fdakit.errors import FdakitError
from fdakit.report.overlay_frames import overlay_frame
from fdakit.report.overlays import mask_image
from fdakit.system.atomic_files import write_errors
from fdakit.system.atomic_folders import atomic_folder, current_folder
from fdakit.system.regular_files import read_json
from fdakit.values import VideoRef
from fdakit.version import __version__

from .viewer import MaskedFrames, MaskViewer

FACTS, SHEET, FILM = "masks.json", "sheet.png", "overlay.mp4"
Facts = dict[str, Any]


def write_masks(viewer: MaskViewer, video: VideoRef, out: Path, *, film_frames: int | None = None) -> Facts:
    """Compute a video's masks and write its folder below `out`; return the content of masks.json, and the `folder`.

    The folder has the video's name, with a number if another file or video has it already; an earlier one of the same
    video is replaced, except for foreign files in it. It is written atomically. With `film_frames` as many uniform
    frames are masked once more for overlay.mp4. Raises `FdakitError` if nothing can be written, and what
    `MaskViewer.see` does.
    """
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
    seen = viewer.see(video)
    film = None if film_frames is None else viewer.see(video, frames=film_frames)
    folders = _folder_names(seen)
    facts = mask_facts(seen, viewer, folders)
    with _writing(out), atomic_folder(place := _place(out, video)) as fresh:
        seen.sheet().save(fresh / SHEET)
        for mask in seen.masks:
            (fresh / folders[mask.name]).mkdir()
            for number, alpha in enumerate(mask.alpha):
                picture = Image.fromarray(mask_image(alpha))
                picture.save(fresh / folders[mask.name] / f"{number:03}.png")
        if film is not None:
            write_overlay_video(film, fresh / FILM)
        (fresh / FACTS).write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        _keep_others(place, fresh)
    return {**facts, "folder": str(place)}


def mask_facts(seen: MaskedFrames, viewer: MaskViewer, folders: Mapping[str, str]) -> Facts:
    """Return options and provider of each mask, and time, index, coverage and remark of each frame."""
    rows = []
    for mask in seen.masks:
        part = viewer.choice.masks[mask.name]
        values = zip(seen.indices.tolist(), seen.times.tolist(), mask.coverage.tolist(), mask.remarks, strict=True)
        rows.append(
            {
                "name": mask.name,
                "folder": folders[mask.name],
                "use": f"{part.offer.provider.name}:{part.name}",
                "version": part.offer.provider.version,
                "options": part.options.model_dump(mode="json"),
                "mean_coverage": float(mask.coverage.mean()),
                "frames": [dict(zip(("index", "time", "coverage", "remark"), row, strict=True)) for row in values],
            }
        )
    height, width = seen.frames.shape[1:3]
    return {
        "video": str(seen.video.path.absolute()),
        "fdakit": __version__,
        "frames_in_video": seen.count,
        "duration": seen.duration,
        "width": width,
        "height": height,
        "masks": rows,
    }


def write_overlay_video(seen: MaskedFrames, path: Path) -> None:
    """Write the overlay video, H.264, else MPEG-4 with a warning; as long as the video for any number of frames."""
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    if codec == "mpeg4":
        warnings.warn("this PyAV has no libx264; overlay videos are encoded as mpeg4 instead", stacklevel=2)
    rate = Fraction(len(seen.frames) / seen.duration if seen.duration > 0 else 1).limit_denominator(500)
    with av.open(str(path), "w", format="mp4") as file:
        rate = max(rate, Fraction(1, 500))
        stream = cast(av.VideoStream, file.add_stream(codec, rate=rate))
        for place, (frame, time) in enumerate(zip(seen.frames, seen.times.tolist(), strict=True)):
            picture = overlay_frame(frame, time, seen.masks, place)
            if place == 0:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
                stream.options = {"crf": "18"} if codec == "libx264" else {}
                if codec == "mpeg4":
                    stream.bit_rate = int(picture[..., 0].size * rate)  # one bit a pixel
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def _folder_names(seen: MaskedFrames) -> dict[str, str]:
    """Return a folder for each mask: its title, numbered if repeated."""
    titles = [mask.title for mask in seen.masks]
    numbers = [titles[:place].count(title) + 1 for place, title in enumerate(titles)]
    pairs = zip(seen.masks, titles, numbers, strict=True)
    return {mask.name: title if number == 1 else f"{title}-{number}" for mask, title, number in pairs}


def _place(out: Path, video: VideoRef) -> Path:
    """Return the first of name, name-2, ... that is free or holds this video's masks."""
    number, place = 1, out / video.path.stem
    while (there := current_folder(place)).exists() and _video_of(there) != str(video.path.absolute()):
        number += 1
        place = out / f"{video.path.stem}-{number}"
    return place


def _video_of(folder: Path) -> Any:
    try:
        return read_json(folder / FACTS)["video"]
    except (FdakitError, KeyError, TypeError):  # not written by fdakit
        return None


def _keep_others(former: Path, fresh: Path) -> None:
    """Copy foreign files of an earlier folder into the one that replaces it."""
    ours = {SHEET, FILM, FACTS, *_mask_folders(former)}
    for path in former.iterdir() if former.is_dir() else ():
        if path.name in ours:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, fresh / path.name, symlinks=True)
        else:
            shutil.copy2(path, fresh / path.name, follow_symlinks=False)


def _mask_folders(place: Path) -> set[str]:
    """Return the folders of masks that an earlier masks.json names.

    Empty if it is damaged, so that nothing is lost.
    """
    try:
        return {str(mask["folder"]) for mask in read_json(place / FACTS)["masks"]}
    except (FdakitError, KeyError, TypeError):
        return set()


def _writing(out: Path) -> AbstractContextManager[None]:
    return write_errors(out, advice="name another folder with --out, or make room")
