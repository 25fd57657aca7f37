"""Where the masks of a video lie, by its id."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fdakit.plugin import DatasetError


def mask_paths(folder: Path, video_id: str) -> tuple[Path, Path]:
    """Return where a video's masks may lie: a folder of PNG files, and a JSON file.

    Raises `DatasetError` for an id that leads out of the folder.
    """
    parts = PurePosixPath(video_id)
    if parts.is_absolute() or ".." in parts.parts or "\\" in video_id or "\0" in video_id or not parts.parts:
        raise DatasetError(f"video {video_id!r}: no masks can be named by this id; give the video a plain id")
    return folder / video_id, folder / f"{video_id}.json"
