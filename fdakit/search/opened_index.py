"""An opened index: asked by a text or an example, or for what is unlike the rest. `fdakit.open_index` returns it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.plugin.vector_stores import RemarksOnSync, VectorStore

from .calibration import best_scores, calibrated_line, caption_vectors
from .chosen_store import AUTO, build_store, chosen_store
from .found_moments import FoundMoment
from .query_vectors import as_query
from .segment_search import SegmentSearch
from .table.index_table import CACHE, IndexTable

if TYPE_CHECKING:
    from fdakit.inference.loaded_retriever import LoadedRetriever
    from fdakit.values import Clip, VideoRef

    from .indexing import IndexingResult

Vectors = NDArray[np.float32]


class Index:
    """An index that is open for searching, at the newest version; `refresh` turns to a newer one.

    The model is loaded when a query needs it, and a context manager lets go of it.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str | None = None,
        device: str = "auto",
        store: str = AUTO,
        store_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._table = IndexTable.open(Path(folder))
        self._named, self._device = model, device
        self._store_name, self._store_options = store, dict(store_options or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many segments can be found."""
        return len(self.segments.vectors)

    def __repr__(self) -> str:
        return f"Index({str(self.folder)!r}, {len(self):,} segments of {len(self._table.files()):,} videos)"

    @property
    def folder(self) -> Path:
        """The folder of the index."""
        return self._table.folder

    @cached_property
    def retriever(self) -> LoadedRetriever:
        """The model of the index. Raises `CheckpointError` if it cannot be found, or is another one."""
        from .model_identity import check_same, load_model

        known = self._table.info.model
        name = self._named or known.origin or known.name
        loaded, model = load_model(name, () if self._named else known.settings)
        check_same(known, model, index=self.folder)
        return loaded if self._device == "auto" else loaded.to(self._device)

    @cached_property
    def segments(self) -> SegmentSearch:
        """The segments of the version that is read."""
        return SegmentSearch(self._table)

    @cached_property
    def store(self) -> VectorStore:
        """The vector store that searches them, in line with that version."""
        vectors = self.segments.vectors
        width = self._table.info.model.width
        store = build_store(self.store_name, self._store_options, folder=self.folder / CACHE, width=width)
        store.sync(vectors, progress=lambda *_: None)
        for remark in store.remarks if isinstance(store, RemarksOnSync) else ():
            warnings.warn(remark, stacklevel=2)
        return store

    @property
    def store_name(self) -> str:
        """The name of that vector store."""
        return chosen_store(self._store_name, count=len(self))

    @property
    def version(self) -> int:
        """The number of the table's version that is read."""
        return self._table.version

    @property
    def model(self) -> str:
        """The model whose vectors the index holds, as it was named."""
        return self._table.info.model.name

    def search(
        self,
        query: str | os.PathLike[str] | VideoRef | Clip | NDArray[np.uint8],
        *,
        k: int = 10,
        where: str = "",
        start: float | None = None,
        end: float | None = None,
    ) -> list[FoundMoment]:
        """Return the `k` best moments, best first; fewer if there are not so many.

        `query` is a text, or an example: the path of a video or image as `pathlib.Path`, a `VideoRef`, or frames
        uint8 `(t, h, w, 3)`. `start` and `end` are seconds of an example video; `where` is a condition, as of
        `fdakit search --where`. Raises `FdakitError`, saying what is wrong with query, condition or index.
        """
        if k < 1:
            raise FdakitError(f"k is {k}; give at least 1")
        asked = as_query(query, start=start, end=end)
        allowed = self.segments.allowed(where)
        if not len(self) or (allowed is not None and not allowed.any()):
            return []
        return self.segments.best(asked, k, allowed, retriever=self.retriever, store=self.store)

    def unusual(self, *, k: int = 10, where: str = "") -> list[FoundMoment]:
        """Return the `k` moments that are least like the other videos, most unlike first.

        The score of a segment is one minus its mean cosine with its nearest neighbours in other videos.
        """
        return self.segments.unusual(k, self.segments.allowed(where))

    def line(self) -> float | None:
        """Return the score below which nothing close was found: 95% of random captions stay below it.

        None for an empty index, and for a model that compares several vectors of a segment.
        """
        known, vectors = self._table.info.model, self.segments.vectors
        if known.several or not len(self):
            return None
        model = f"{known.weights} {known.parts}"

        def best() -> Vectors:
            captions = caption_vectors(self.folder / CACHE, model=model, encode=self._encoded)
            return best_scores(captions, vectors)

        return calibrated_line(self.folder / CACHE, key=f"{model} {crc32(vectors.ids.tobytes())}", best=best)

    def files(self) -> list[Path]:
        """Return the paths of all videos in the index, sorted; unreadable ones too."""
        return [Path(path) for path in sorted(self._table.files())]

    def add(self, videos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> IndexingResult:
        """Index files, folders or patterns, as `fdakit index` does; return what was done."""
        from .index_job import IndexJob, IndexRequest

        named = [videos] if isinstance(videos, str | os.PathLike) else list(videos)
        request = IndexRequest(self.folder, videos=tuple(os.fspath(one) for one in named), model=self._named)
        with IndexJob(request, tell=lambda _: None, progress=lambda *_: None) as job:
            done = job.update()
        self.refresh()
        return done

    def remove(self, paths: Iterable[str | os.PathLike[str]]) -> int:
        """Remove videos from the index by their paths, and return how many were in it; no file is deleted."""
        table = IndexTable.open(self.folder, writing=True)
        with table.writing():
            known = table.files()
            named = [path for path in (str(Path(one).absolute()) for one in paths) if path in known]
            table.remove(named)
        self.refresh()
        return len(named)

    def refresh(self) -> None:
        """Read the newest version from now on."""
        self._table.refresh()
        for name in ("segments", "store"):
            self.__dict__.pop(name, None)

    def rows(self, columns: Sequence[str]) -> Any:
        """Return columns of all rows as a `pyarrow.Table`: a row a segment."""
        return self._table.rows(columns)

    def to_arrow(self) -> Any:
        """Return all rows as a `pyarrow.Table`, with vectors and thumbnails."""
        return self.rows(self._table.dataset.schema.names)

    def to_pandas(self) -> Any:
        """Return all rows as a `pandas.DataFrame`; needs pandas."""
        return self.to_arrow().to_pandas()

    def _encoded(self, texts: list[str]) -> Vectors:
        return self.retriever.encode_texts(texts)

    def close(self) -> None:
        """Let go of files and model."""
        for name in ("segments", "store", "retriever"):
            self.__dict__.pop(name, None)


def open_index(
    folder: str | os.PathLike[str],
    *,
    model: str | None = None,
    device: str = "auto",
    store: str = AUTO,
    store_options: Mapping[str, Any] | None = None,
) -> Index:
    """Open an index that `fdakit index` made.

    `model` is needed only if the model is no longer where it was. `store` is the vector store that searches it, with
    its options; `auto` chooses by the number of segments. Raises `FdakitError` if there is no index.
    """
    return Index(folder, model=model, device=device, store=store, store_options=store_options)
