"""Laws of vector stores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin.row_scores import inner_products
from fdakit.plugin.vector_stores import StoreContext

from .building import Part, build_kind
from .stored_vectors import ExampleVectors, example_queries, example_vectors

K = 10
_NEAR = 1e-5  # between scores of a store that is not exact and inner products


def _flipped(content: bytes) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    changed[5::61] ^= 0xFF
    return changed.tobytes()


_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "with bytes changed": _flipped,
    "cut in half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "of another kind": lambda content: b"something else\n" * 20,
}


def check_vector_store(
    component: Part, *, rows: int = 600, width: int = 32, recall: float = 0.95, **options: Any
) -> None:
    """Check that a store finds what a comparison with all rows finds: all of it, or a share if it is not exact.

    The share is `recall`. Of all rows and of those allowed, of fewer rows than asked for and of none, with equal rows
    among them; after rows came and went, opened again, beside files that are damaged or of another table, and from
    several threads. Scores are inner products of the rows, equal ones come in the order of the rows, and what it is
    given stays untouched.
    """
    with TemporaryDirectory() as folder:
        trial = _Trial(component, options, Path(folder) / "store", recall)
        whole = _with_equal_rows(example_vectors(rows, width))
        _check_few(trial, width)
        _check_versions(trial, whole)
        _check_allowed(trial, whole)
        _check_threads(trial, whole)
        _check_files(trial, whole)


@dataclass
class _Trial:
    """A store under trial, and the vectors that it was last synced with."""

    component: Part
    options: dict[str, Any]
    folder: Path
    recall: float
    store: Any = None
    told: list[tuple[str, int, int]] = field(default_factory=list)

    def open(self, width: int) -> None:
        self.store = build_kind("vector_store", self.component, StoreContext(self.folder, width), **self.options)

    def sync(self, vectors: ExampleVectors) -> None:
        self.store.sync(vectors, progress=lambda what, done, total: self.told.append((what, done, total)))
        odd = [one for one in self.told if not 0 <= one[1] <= one[2]]
        assert not odd, f"progress{odd[0]} is none; wanted what, done and total"

    def check(self, vectors: ExampleVectors, when: str, *, k: int = K, allowed: Any = None) -> None:
        """Search with several queries at once, and with each alone, and compare with all rows."""
        queries = example_queries(vectors, 40)
        kept = queries.copy(), None if allowed is None else allowed.copy()
        found = self.store.search(queries, k, allowed=allowed)
        same = (queries == kept[0]).all() and (allowed is None or (allowed == kept[1]).all())
        assert same, f"{when}: search changed what it was given"
        alone = self.store.search(queries[:1], k, allowed=allowed)
        together = all((one[0] == other[0]).all() for one, other in zip(alone, found, strict=True))
        assert together, f"{when}: a query finds something else beside others than alone"
        _check_found(found, vectors, queries, k, allowed, when, exact=self.store.exact, recall=self.recall)


def _check_found(
    found: Any, vectors: ExampleVectors, queries: Any, k: int, allowed: Any, when: str, *, exact: bool, recall: float
) -> None:
    scores, positions = found
    shape = (len(queries), k)
    shapes = scores.shape, positions.shape
    assert shapes == (shape, shape), f"{when}: scores {shapes[0]}, positions {shapes[1]}; wanted {shape} of both"
    types = scores.dtype, positions.dtype
    assert types == (np.float32, np.int64), f"{when}: {types[0]} and {types[1]}; wanted float32 and int64"
    places = np.arange(len(vectors.ids)) if allowed is None else np.flatnonzero(allowed)
    wanted = min(k, len(places))
    hits = 0
    for query, some, at in zip(queries, scores, positions, strict=True):
        filled = (at[:wanted] >= 0).all() and (at[wanted:] == -1).all() and (some[wanted:] == -np.inf).all()
        assert filled, f"{when}: found {at.tolist()}; wanted {wanted} rows, then -1 with the score -inf"
        at, some = at[:wanted], some[:wanted]
        assert len(set(at.tolist())) == wanted, f"{when}: a row was found twice"
        inside = np.isin(at, places).all()
        assert inside, f"{when}: found {at.tolist()}, of which some are no rows that are allowed"
        products = inner_products(vectors.rows[at], query)
        right = (some == products).all() if exact else np.allclose(some, products, atol=_NEAR)
        assert right, f"{when}: scores {some.tolist()}; the inner products are {products.tolist()}"
        order = np.lexsort((at, -some))
        assert (order == np.arange(wanted)).all(), f"{when}: not best first, or equal scores not in the rows' order"
        hits += len(np.intersect1d(at, _nearest(vectors, query, places, wanted)))
    share = hits / max(wanted * len(queries), 1) if wanted else 1.0
    least = 1.0 if exact else recall
    assert share >= least, f"{when}: found {share:.1%} of the nearest rows; wanted {least:.1%}"


def _nearest(vectors: ExampleVectors, query: Any, places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return places[np.argsort(-inner_products(vectors.rows[places], query), kind="stable")[:count]]


def _with_equal_rows(vectors: ExampleVectors) -> ExampleVectors:
    """Return the vectors with some rows that are equal, and far apart in the table."""
    rows = vectors.rows.copy()
    rows[-30:] = rows[: len(rows) // 2 : max(len(rows) // 60, 1)][:30]
    return replace(vectors, rows=rows)


def _check_few(trial: _Trial, width: int) -> None:
    few = example_vectors(3, width)
    trial.open(width)
    none = few.kept(np.zeros(0, np.int64))
    trial.sync(none)
    found = trial.store.search(few.rows, K)
    _check_found(found, none, few.rows, K, None, "of no rows", exact=True, recall=1)
    trial.sync(few)
    trial.check(few, "of 3 rows")
    trial.sync(none)
    _check_found(trial.store.search(few.rows, K), none, few.rows, K, None, "all rows gone", exact=True, recall=1)


def _check_versions(trial: _Trial, whole: ExampleVectors) -> None:
    """Let rows come and go, in one store and in stores opened again in its folder."""
    count = len(whole.ids)
    rng = np.random.default_rng(2)
    half = whole.kept(np.arange(count // 2))
    trial.open(whole.width)
    versions = {
        "the first half": half,
        "rows added": replace(whole, version=half.version + 1),
        "rows gone": whole.kept(np.sort(rng.permutation(count)[: 2 * count // 3])),
        "some of them back, in another order": whole.kept(rng.permutation(count)[: 3 * count // 4]),
        "most rows gone": whole.kept(np.arange(3, count, 4)),
        "nothing but other rows": whole.kept(np.arange(2, count, 4)),
        "all rows": whole,
    }
    for when, vectors in versions.items():
        trial.sync(vectors)
        trial.check(vectors, when)
        trial.sync(vectors)
        trial.check(vectors, f"{when}, synced twice")
    for when, vectors in versions.items():
        trial.open(whole.width)
        trial.sync(vectors)
        trial.check(vectors, f"{when}, opened again")


def _check_allowed(trial: _Trial, whole: ExampleVectors) -> None:
    count = len(whole.ids)
    rng = np.random.default_rng(3)
    trial.open(whole.width)
    trial.sync(whole)
    shares = {"all": 1.0, "half of the rows": 0.5, "a twentieth of the rows": 0.05}
    for what, share in shares.items():
        trial.check(whole, f"{what} allowed", allowed=rng.random(count) < share)
    far = inner_products(whole.rows, example_queries(whole, 1)[0]) < 0.5
    trial.check(whole, "far rows allowed", allowed=far)
    for number in (0, 1, K - 1):
        trial.check(
            whole, f"{number} rows allowed", allowed=np.isin(np.arange(count), rng.permutation(count)[:number])
        )
    for k in (1, count // 2, count + 5):
        trial.check(whole, f"k = {k}", k=k)


def _check_threads(trial: _Trial, whole: ExampleVectors) -> None:
    queries = example_queries(whole, 24)
    wanted = trial.store.search(queries, K)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda place: trial.store.search(queries[place : place + 1], K), range(len(queries))))
    for place, found in enumerate(told):
        same = all((one[0] == other[place]).all() for one, other in zip(found, wanted, strict=True))
        assert same, "several threads at once find something else than one after the other"


def _check_files(trial: _Trial, whole: ExampleVectors) -> None:
    """Open a store beside files that are damaged, or were made of another table."""
    other = replace(whole, rows=example_vectors(len(whole.ids), whole.width, seed=9).rows)
    trial.open(whole.width)
    trial.sync(other)
    trial.check(other, "other vectors of the same ids and version")
    narrow = example_vectors(len(whole.ids), whole.width // 2)
    trial.open(narrow.width)
    trial.sync(narrow)
    trial.check(narrow, "vectors of another width")
    for how, change in _DAMAGE.items():
        trial.open(whole.width)
        trial.sync(whole)
        for path in sorted(trial.folder.rglob("*")) if trial.folder.exists() else ():
            if path.is_file():
                path.write_bytes(change(path.read_bytes()))
        trial.open(whole.width)
        trial.sync(whole)
        trial.check(whole, f"its files {how}")
