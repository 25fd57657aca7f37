"""`fdakit index`: make an index or bring it up to date, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fdakit.errors import FdakitError
from fdakit.version import __version__

from .file_inventory import Changes, FileState, find_roots
from .indexing import IndexingResult, Progress, Tell, apply_light_changes, encode_changes, planned_changes
from .named_videos import remember, remembered
from .table.index_info import IndexInfo, Segmentation
from .table.index_table import TABLE, IndexTable

if TYPE_CHECKING:
    from fdakit.inference.loaded_retriever import LoadedRetriever

    from .segment_encoding import SegmentEncoder

DEFAULT = Segmentation()


@dataclass(frozen=True)
class IndexRequest:
    """What `fdakit index` was asked. `model` and `segmentation` are None for those of the index as it is."""

    folder: Path
    videos: tuple[str, ...] = ()
    model: str | None = None
    settings: tuple[str, ...] = ()
    segmentation: Segmentation | None = None
    prune: bool = False
    workers: int | None = None


class IndexJob:
    """Updates of one index. The model is loaded when first needed, and kept."""

    def __init__(self, request: IndexRequest, *, tell: Tell, progress: Progress) -> None:
        self._asked, self._tell, self._progress = request, tell, progress
        self._held = ExitStack()
        self._encoder: SegmentEncoder | None = None
        self._seen: dict[str, tuple[int, int]] = {}
        find_roots(request.videos)  # a wrong name is told before a model is loaded

    def __enter__(self) -> IndexJob:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def update(self, *, settled: bool = False) -> IndexingResult:
        """Bring the index up to date and return what was done. With `settled` files that still grow are left out.

        Raises `FdakitError` if the index is of another model, cannot be written, or its videos cannot be found.
        """
        table = self._opened()
        with table.writing():
            if self._asked.videos:
                remember(table.folder, self._asked.videos)
            result = IndexingResult()
            roots = find_roots(remembered(table.folder))
            changes = planned_changes(table, roots, prune=self._asked.prune, tell=self._tell)
            if settled:
                changes = self._settled(changes)
            apply_light_changes(table, changes, result)
            if changes.new or changes.changed:
                encode_changes(table, changes, self._encoding(table), result, progress=self._progress)
            if changes:
                table.tidy()
        return result

    def watch(self, *, every: float = 5.0) -> None:
        """Update again and again, until interrupted; files that still grow wait until they rest."""
        while True:
            done = self.update(settled=True)
            if done.added or done.updated or done.moved or done.removed:
                self._tell(summary(done))
            time.sleep(every)

    def _opened(self) -> IndexTable:
        folder = self._asked.folder
        if not (folder / TABLE).exists():
            return self._created()
        table = IndexTable.open(folder, writing=True)
        if self._asked.segmentation not in (None, table.info.segmentation):
            raise FdakitError(
                f"{folder.absolute()}: its videos are cut otherwise ({_words(table.info.segmentation)}); leave "
                "--window, --step, --cuts and --skip-still out, or start a second index with another --out"
            )
        named = self._asked.model
        if named not in (None, table.info.model.name) or (self._asked.settings and named is not None):
            self._encoding(table)  # loads the model, and compares
        return table

    def _created(self) -> IndexTable:
        asked = self._asked
        if not asked.videos:
            raise FdakitError(f"{asked.folder.absolute()}: no index there yet; name the videos or their folder")
        if asked.model is None:
            raise FdakitError(
                f"{asked.folder.absolute()}: no index there yet; name the model that encodes videos with --model: "
                "a run folder, a checkpoint, or a recipe"
            )
        if asked.folder.exists() and (not asked.folder.is_dir() or any(asked.folder.iterdir())):
            raise FdakitError(
                f"{asked.folder.absolute()}: is there already and is no index; name another place with --out"
            )
        from .model_identity import load_model

        loaded, model = load_model(asked.model, asked.settings)
        info = IndexInfo(
            model=model,
            segmentation=asked.segmentation or DEFAULT,
            fdakit=__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        table = IndexTable.create(asked.folder, info)
        self._encoder = self._entered(loaded, info)
        return table

    def _encoding(self, table: IndexTable) -> SegmentEncoder:
        if self._encoder is None:
            from .model_identity import check_same, load_model

            known = table.info.model
            given = self._asked.model
            name = given or known.origin or known.name
            loaded, model = load_model(name, self._asked.settings or (known.settings if given is None else ()))
            check_same(known, model, index=table.folder, videos=" ".join(self._asked.videos) or "VIDEOS")
            self._encoder = self._entered(loaded, table.info)
        return self._encoder

    def _entered(self, loaded: LoadedRetriever, info: IndexInfo) -> SegmentEncoder:
        from .segment_encoding import SegmentEncoder

        encoder = SegmentEncoder(loaded, info.segmentation, workers=self._asked.workers)
        return self._held.enter_context(encoder)

    def _settled(self, changes: Changes) -> Changes:
        """Return the changes without files whose size or time is not what it was at the last look."""
        before, self._seen = self._seen, {file.path: file.stamp for file in (*changes.new, *changes.changed)}

        def rests(files: Sequence[FileState]) -> tuple[FileState, ...]:
            return tuple(file for file in files if before.get(file.path) == file.stamp)

        return Changes(changes.unchanged, rests(changes.new), rests(changes.changed), changes.same, changes.gone)


def summary(done: IndexingResult) -> str:
    """Return in one line what an update did."""
    parts = [
        f"{done.added:,} added" if done.added else "",
        f"{done.updated:,} updated" if done.updated else "",
        f"{done.moved:,} moved" if done.moved else "",
        f"{done.removed:,} removed" if done.removed else "",
        f"{done.unchanged:,} unchanged",
    ]
    made = f" ({done.segments:,} segments" + (f", {done.still:,} still)" if done.still else ")")
    return ", ".join(filter(None, parts)) + (made if done.added or done.updated else "")


def _words(cut: Segmentation) -> str:
    shots = ", within shots" if cut.cuts else ""
    still = f", skipping coverage below {cut.skip_still:g}" if cut.skip_still else ""
    return f"{cut.window:g} s every {cut.step:g} s{shots}{still}"
