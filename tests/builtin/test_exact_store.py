"""The store `exact`: what sorting all rows gives, whatever the parts they are read in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdakit.builtin.vector_stores import _scan
from fdakit.builtin.vector_stores.exact import EXACT
from fdakit.plugin import StoreContext, inner_products
from fdakit.testing import ExampleVectors, build_part, check_vector_store, example_queries, example_vectors


def search(vectors: ExampleVectors, queries: Any, k: int, **more: Any) -> Any:
    store = build_part(EXACT, StoreContext(Path("nowhere"), vectors.width))
    store.sync(vectors, progress=lambda what, done, total: None)
    return store.search(queries, k, **more)


def test_keeps_the_laws_of_vector_stores() -> None:
    check_vector_store(EXACT)


@pytest.mark.parametrize("width", [1, 7, 64, 512])
def test_a_product_is_the_same_beside_any_other_rows(width: int) -> None:
    rng = np.random.default_rng(0)
    rows, query = rng.standard_normal((301, width), np.float32), rng.standard_normal(width, np.float32)
    whole = inner_products(rows, query)
    assert np.allclose(whole, rows @ query, atol=1e-4)
    for part in (slice(0, 1), slice(3, 5), slice(100, 301), slice(0, 301, 7)):
        assert (inner_products(rows[part], query) == whole[part]).all()
    assert (inner_products(np.asfortranarray(rows), query) == whole).all()


def test_parts_and_groups_of_queries_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = example_vectors(700, 48)
    queries = example_queries(vectors, 30)
    wanted = search(vectors, queries, 20)
    for part, scores, group in ((1, 64, 256), (33, 1000, 7), (700, 5000, 1)):
        monkeypatch.setattr(_scan, "SCORES", scores)
        monkeypatch.setattr(_scan, "GROUP", group)
        for one, other in zip(search(replace(vectors, part=part), queries, 20), wanted, strict=True):
            assert (one == other).all()


def test_rows_that_rounding_alone_tells_apart_are_in_the_right_order() -> None:
    """A hundred rows within the error of a float32 product of each other: the order is that of exact sums."""
    rng = np.random.default_rng(1)
    base = example_vectors(1, 256).rows[0]
    rows = base + (rng.integers(-2, 3, (100, 256)) * 1e-6).astype(np.float32)
    rows[40:60] = rows[0]
    vectors = ExampleVectors(np.arange(100), rows, part=9)
    query = example_queries(vectors, 1)
    scores, positions = search(vectors, query, 30)
    products = inner_products(rows, query[0])
    order = np.argsort(-products, kind="stable")[:30]
    assert len(np.unique(products)) > 5
    assert positions[0].tolist() == order.tolist()
    assert (scores[0] == products[order]).all()
