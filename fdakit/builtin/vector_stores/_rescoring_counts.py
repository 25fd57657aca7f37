"""How many rows must be scored exactly so that few of the nearest are missed: measured on the table itself.

Queries are made of rows of the table. One like an example clip is a row with a little noise, and one like a text lies
far from all rows: a row with noise and with an offset that all texts have, the modality gap. The row itself is left
out of what is found. Noise is the difference of two rows, so that it has the spread of the table's own vectors.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import Progress, StoredVectors, best_rows, keyed_rng

from ._codes import Codes
from ._scan import near_rows

WANTED = {10: (0.995, 3.0), 100: (0.98, 1.0)}
"""Results -> the recall looked for, and a factor on the count that had it, as the queries measured are few."""
KINDS = {"text-like": (64, 0.5, 0.8), "example-like": (24, 0.25, 0.0)}  # queries, length of the noise, of the offset
SMALL = 1024  # a table of so many rows is not measured: so many are scored
MOST = 8192  # rows looked at


def measure_counts(
    codes: Codes,
    vectors: StoredVectors,
    positions: NDArray[np.int64],
    *,
    fixed: int | None,
    threads: int,
    progress: Progress,
) -> tuple[tuple[int, int], dict[str, float]]:
    """Return the counts for 10 and for 100 results, and the recall that was measured with each.

    `positions (m,)` are those of the rows coded, -1 for rows that are gone; `fixed` counts are measured as they are.
    """
    if len(vectors.ids) <= SMALL:
        return (fixed or SMALL, fixed or SMALL), {}
    ranks = {}
    for done, kind in enumerate(KINDS):
        progress("measuring recall", done, len(KINDS))
        ranks[kind] = _ranks(codes, vectors, positions, kind, threads=threads)
    progress("measuring recall", len(KINDS), len(KINDS))
    counts, measured = [], {}
    for wanted, (share, margin) in WANTED.items():
        count = fixed or max(_enough(some[:, :wanted], share, margin) for some in ranks.values())
        count = min(max(count, 3 * wanted), MOST)
        counts.append(count)
        for kind, some in ranks.items():
            measured[f"recall@{wanted}, {kind}"] = float((some[:, :wanted] < count).mean())
    return (counts[0], max(counts)), measured


def _enough(ranks: NDArray[np.int64], share: float, margin: float) -> int:
    """Return how many rows have this share of the nearest among them, times a margin."""
    ordered = np.sort(ranks, axis=None)
    return int(margin * (ordered[ceil(share * ordered.size) - 1] + 1))


def _ranks(
    codes: Codes, vectors: StoredVectors, positions: NDArray[np.int64], kind: str, *, threads: int
) -> NDArray[np.int64]:
    """Return by how many rows each of the 100 nearest of a query is preceded in the order of the codes `(q, 100)`."""
    queries, own = _queries(vectors, kind)
    most = max(WANTED)
    _, nearest = best_rows(vectors, queries, near_rows(vectors, queries, most + 1, None), most + 1)
    found = codes.nearest(queries, min(MOST, len(codes.ids)), threads=threads)
    ranks = np.full((len(queries), most), MOST, np.int64)
    place = np.full(len(vectors.ids), MOST, np.int64)
    for number, row in enumerate(own):
        order = positions[found[number][found[number] >= 0]]
        order = order[(order >= 0) & (order != row)]
        place[order] = np.arange(len(order))
        others = nearest[number][nearest[number] != row][:most]
        ranks[number, : len(others)] = place[others]
        place[order] = MOST
    return ranks


def _queries(vectors: StoredVectors, kind: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return queries `(q, d)` of a kind, and the position of the row that each was made of."""
    count, noise, offset = KINDS[kind]
    rng = keyed_rng(0, "queries of a table", kind)
    own, one, other = rng.integers(0, len(vectors.ids), (3, count))
    spread = vectors.gather(one) - vectors.gather(other)
    gap = rng.standard_normal((1, vectors.width))
    queries = vectors.gather(own) + noise * _unit(spread) + offset * _unit(gap)
    return _unit(queries), own


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
