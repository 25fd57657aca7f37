"""rabitq: codes of one bit a component, scanned by FAISS for every query; the nearest rows are scored exactly.

There is no graph and there are no partitions, so a row is missed only where its code misleads, and scoring more rows
makes up for that. How many are scored is measured on the table itself, with queries like texts and queries like
example clips, so that 99.5 % of the ten nearest are found. Vectors are rotated before they are coded, as components
that are much larger than the others would leave the codes little to tell. A code takes a bit a component and eight
bytes, and new rows are appended.

Sources: Gao and Long, *RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate
Nearest Neighbor Search*, SIGMOD 2024; FAISS, `IndexRaBitQFastScan`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from pydantic import Field

from fdakit.plugin import Component, Options, PluginError, StoreContext, VectorStore, hookimpl


class RabitqOptions(Options):
    """How much is coded, and how much is scored exactly."""

    rescore: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="rows scored exactly for a query; left out: what finds 99.5 % of the ten nearest, as measured",
    )
    dims: int | None = Field(
        None,
        ge=8,
        le=65_536,
        description="first components of a vector that are coded, for models that put most into them; left out: all",
    )


def build(options: RabitqOptions, context: StoreContext) -> VectorStore:
    """Return the store. Raises `PluginError` if FAISS is not installed, or vectors have fewer components."""
    if find_spec("faiss") is None:
        raise PluginError(
            "vector store 'rabitq': FAISS is not installed; pip install \"fdakit[search]\", or take the store 'exact'"
        )
    dims = options.dims or context.width
    if dims > context.width:
        raise PluginError(
            f"vector store 'rabitq': dims is {dims}, but vectors have {context.width}; give at most that"
        )
    from ._rabitq import Rabitq

    return Rabitq(context, rescore=options.rescore, dims=dims)


RABITQ = Component(
    "rabitq",
    "a scan of codes of one bit a component, of which the nearest rows are scored exactly",
    RabitqOptions,
    build,
    when='the index has more segments than a scan of all vectors is quick for; needs pip install "fdakit[search]"',
    declares={"exact": False},
)


@hookimpl
def fdakit_vector_stores() -> Iterable[Component[Any, VectorStore, StoreContext]]:
    """Offer `rabitq`."""
    return (RABITQ,)
