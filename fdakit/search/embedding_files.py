"""Vectors as files for other tools: `vectors.npy` and, a row for each, `rows.parquet`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import DatasetError, FdakitError
from fdakit.system.atomic_files import atomic_file, write_errors
from fdakit.system.optional_libraries import library_fault

from .file_inventory import FileState
from .table.index_info import Segmentation
from .table.segment_rows import SegmentRow

if TYPE_CHECKING:
    from fdakit.inference.loaded_retriever import LoadedRetriever
    from fdakit.plugin.contracts import Progress

VECTORS, ROWS = "vectors.npy", "rows.parquet"
_TEXTS = (".txt", ".json", ".jsonl")


@dataclass
class Embedded:
    """Vectors `(n, d)` and as many rows or fewer: each row says which of them are its own."""

    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, vectors: NDArray[np.float32] | None, **facts: Any) -> None:
        """Add a row with its vectors `(m, d)`, if it has any; `first` and `count` say which they are."""
        own = 0 if vectors is None else len(vectors)
        self.rows.append({**facts, "first": self.count, "count": own})
        if vectors is not None:
            self.vectors.append(vectors)
        self.count += own


def embed_videos(
    loaded: LoadedRetriever,
    files: Sequence[FileState],
    segmentation: Segmentation,
    *,
    workers: int | None,
    progress: Progress,
) -> Embedded:
    """Return the vectors of videos, or of their segments; an unreadable one has a row with the reason."""
    from .segment_encoding import SegmentEncoder

    found = Embedded()
    with SegmentEncoder(loaded, segmentation, workers=workers) as encoder:
        for done, one in enumerate(_encoded(encoder, files), 1):
            for row in one.rows:
                found.add(row.vectors, **_facts(row))
            progress("encoding videos", done, len(files))
    return found


def embed_texts(loaded: LoadedRetriever, texts: Sequence[str], *, progress: Progress) -> Embedded:
    """Return the vectors of texts. Raises `FdakitError` where a text alone has no vector to compare."""
    if loaded.model.matcher.needs_tokens:
        raise FdakitError(
            f"{loaded.model.labels['matcher']}: compares the tokens of a text, not a vector of it; choose a model "
            "with a matcher of single vectors"
        )
    found = Embedded()
    vectors = loaded.encode_texts(texts, progress=progress)
    for text, vector in zip(texts, vectors, strict=True):
        found.add(vector[None], caption=text)
    return found


def read_texts(path: Path) -> list[str]:
    """Return the captions of a file: lines of `.txt`, or of JSON a list of strings, or of rows with a `caption`.

    Raises `DatasetError` if it holds none.
    """
    try:
        content = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path.absolute()}: cannot be read as captions ({error})") from error
    try:
        if path.suffix.lower() == ".json":
            rows = json.loads(content)
        elif path.suffix.lower() == ".jsonl":
            rows = [json.loads(line) for line in content.splitlines() if line.strip()]
        else:
            rows = [line for line in content.splitlines() if line.strip()]
        texts = [row if isinstance(row, str) else row["caption"] for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path.absolute()}: holds no captions ({error!r}); wanted a list of strings, or of rows with 'caption'"
        ) from error
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise DatasetError(f"{path.absolute()}: has no caption, or one without a word; give at least one")
    return texts


def are_texts(given: Sequence[str]) -> bool:
    """Return whether what is named is a single file of captions."""
    return len(given) == 1 and Path(given[0]).suffix.lower() in _TEXTS


def write_embedded(found: Embedded, folder: Path, *, width: int) -> None:
    """Write both files. Raises `FdakitError` if the disk refuses, or pyarrow is absent."""
    fault = library_fault("pyarrow")
    if fault:
        raise FdakitError(f'{fault}; Parquet needs it: pip install "fdakit[search]"')
    import pyarrow as pa
    import pyarrow.parquet

    vectors = np.concatenate([np.zeros((0, width), np.float32), *found.vectors])
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(folder / VECTORS) as part, part.open("wb") as handle:
            np.save(handle, vectors)
        with atomic_file(folder / ROWS) as part:
            pyarrow.parquet.write_table(pa.Table.from_pylist(found.rows), part)


def _encoded(encoder: Any, files: Sequence[FileState]) -> Iterator[Any]:
    from .indexing import WAVE

    for start in range(0, len(files), WAVE):
        yield from encoder.encode(files[start : start + WAVE])


def _facts(row: SegmentRow) -> dict[str, Any]:
    return {
        "path": row.file.path,
        "segment": row.segment.number,
        "start": row.segment.start,
        "end": row.segment.end,
        "duration": row.facts.duration,
        "status": row.status,
        "reason": row.reason,
        "coverage": row.coverage,
    }
