"""What an index holds, how large it is, and how well its vector store finds what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdakit.plugin.contracts import Progress
from fdakit.plugin.vector_stores import TunesItself

from .opened_index import Index
from .table.index_table import CACHE, TABLE


@dataclass(frozen=True)
class IndexStats:
    """Counts of files and segments, bytes on disk, and what the vector store measured on the table itself."""

    files: int
    segments: dict[str, int]
    seconds: float
    table_bytes: int
    cache_bytes: int
    version: int
    model: str
    store: str
    measured: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


def index_stats(index: Index, *, progress: Progress) -> IndexStats:
    """Return the facts of an index; a store that tunes itself measures its recall and chooses its settings anew."""
    rows = index.rows(["status", "segment", "duration"])
    status = rows["status"].to_pylist()
    pairs = zip(rows["segment"].to_pylist(), rows["duration"].to_pylist(), strict=True)
    first = [duration for segment, duration in pairs if segment == 0]
    store = index.store
    measured = dict(store.tune(progress=progress)) if isinstance(store, TunesItself) else {}
    return IndexStats(
        files=len(first),
        segments={name: status.count(name) for name in ("indexed", "still", "unreadable") if name in status},
        seconds=sum(first),
        table_bytes=_size(index.folder / TABLE),
        cache_bytes=_size(index.folder / CACHE),
        version=index.version,
        model=index.model,
        store=index.store_name,
        measured=measured,
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
