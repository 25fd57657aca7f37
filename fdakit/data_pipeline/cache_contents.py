"""The contents of the cache folder: size, writer and age; and clearing what can be made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .cache_use import in_use
from .frame_store import FRAMES, MASK
from .shard_files import DATA, INDEX, Shard, read_entries

KINDS: Mapping[str, str] = {
    "frames": "decoded frames and masks",
    "moving-shapes": "rendered clips of the data set moving-shapes",
    "moving-order": "rendered clips of the data set moving-order",
    "bench": "rendered clips of fdakit bench",
}
_DAY = 86_400.0
_YOUNG = 60.0  # seconds for which data without an index may be a shard that is just being created


def list_contents(cache: Path, *, frames: Path | None = None) -> dict[str, Any]:
    """Return folder, files and bytes of each kind, frames by recipe and data set as well.

    `other` is never cleared. `frames` is the frame store's folder if it is not in the cache.
    """
    folders = _folders(cache, frames)
    found: dict[str, Any] = {"folder": str(cache.absolute()), "bytes": 0}
    for kind, folder in folders.items():
        files = [path for path in folder.rglob("*") if path.is_file()]
        found[kind] = {"folder": str(folder.absolute()), "files": len(files), "bytes": sum(map(_size, files))}
    found["frames"] |= _shards_by_writer(folders["frames"])
    others = sorted(cache.iterdir()) if cache.is_dir() else []
    found["other"] = {path.name: sum(map(_size, _files(path))) for path in others if path.name not in KINDS}
    found["bytes"] = sum(found[kind]["bytes"] for kind in KINDS) + sum(found["other"].values())
    return found


def _folders(cache: Path, frames: Path | None) -> dict[str, Path]:
    return {kind: frames if kind == "frames" and frames is not None else cache / kind for kind in KINDS}


def _files(path: Path) -> Iterator[Path]:
    yield from (path,) if path.is_file() else (inside for inside in path.rglob("*") if inside.is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # removed by another process in between, or not readable
        return 0


def _shards_by_writer(folder: Path) -> dict[str, Any]:
    """Return clips and masks, bytes, and last use of what each recipe wrote for its data set."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    count = 0
    for index in sorted(folder.glob(f"*{INDEX}")):
        shard = Shard(index)
        try:
            for _ in read_entries(shard):
                pass
            used = index.stat().st_mtime
        except FileNotFoundError:
            continue
        except OSError:
            shard.about, used = {"recipe": "(cannot be read)"}, 0.0
        except (ValueError, RecursionError):
            shard.about, used = {"recipe": "(damaged)"}, 0.0
        count += 1
        writer = (str(shard.about.get("recipe", "?")), str(shard.about.get("dataset", "?")))
        row = rows.setdefault(writer, {"clips": 0, "masks": 0, "bytes": 0, "used": 0.0})
        row["clips"] += shard.records.get(FRAMES, 0)
        row["masks"] += shard.records.get(MASK, 0)
        row["bytes"] += _size(index) + _size(shard.data)
        row["used"] = max(row["used"], used)
    by = [
        {
            "recipe": recipe,
            "dataset": dataset,
            **row,
            "used": datetime.fromtimestamp(row["used"]).isoformat("T", "seconds"),
        }
        for (recipe, dataset), row in sorted(rows.items())
    ]
    return {"shards": count, "clips": sum(row["clips"] for row in by), "by": by}


@dataclass
class ClearResult:
    """What was removed of each kind, what could not be, and which sets of clips a run is reading."""

    files: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    failed: list[str] = field(default_factory=list)
    in_use: list[Path] = field(default_factory=list)

    def remove(self, kind: str, path: Path) -> None:
        """Remove a file, or a folder with its contents."""
        files = list(_files(path))
        size = sum(map(_size, files))
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            self.failed.append(f"{path}: could not be removed ({error.strerror or error})")
            return
        self.files[kind] += len(files)
        self.bytes[kind] += size


def clear(
    cache: Path, *, frames: Path | None = None, kinds: tuple[str, ...] = (), older_than: float = 0.0
) -> ClearResult:
    """Remove what can be made again; with `older_than`, frames unused for so many days, and clips made before that.

    `kinds` are some of `KINDS`, none for all. A running run loses nothing: neither frames it has mapped nor clips it
    reads.
    """
    cleared, folders = ClearResult(), _folders(cache, frames)
    before = time.time() - older_than * _DAY
    for kind in kinds or KINDS:
        if kind == "frames":
            _clear_frames(folders[kind], before, cleared)
        else:
            for path in sorted(folders[kind].iterdir()) if folders[kind].is_dir() else []:
                if in_use(path):
                    cleared.in_use.append(path)
                elif _newest(path) <= before:
                    cleared.remove(kind, path)
    return cleared


def _clear_frames(folder: Path, before: float, cleared: ClearResult) -> None:
    for index in sorted(folder.glob(f"*{INDEX}")):
        if _changed(index) <= before:
            cleared.remove("frames", index)  # first, so that nobody looks for data that are gone
            cleared.remove("frames", index.with_suffix(DATA))
    for data in sorted(folder.glob(f"*{DATA}")):
        if not data.with_suffix(INDEX).exists() and _changed(data) <= min(before, time.time() - _YOUNG):
            cleared.remove("frames", data)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _newest(path: Path) -> float:
    return max(map(_changed, [path, *path.rglob("*")]))
