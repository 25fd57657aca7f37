"""Words of the captions that an encoder maps to one token, as it reports itself."""

from __future__ import annotations

from collections.abc import Mapping

from fdakit.errors import attribute_errors
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import NamesIndistinctWords
from fdakit.values import Split

_SHOWN = 5


def indistinct_words(retriever: Retriever, splits: Mapping[str, Split]) -> str:
    """Return how many words of all captions share a token, and which, as text; "" if none do."""
    encoder = retriever.encoder
    if not isinstance(encoder, NamesIndistinctWords):
        return ""
    label = retriever.labels["encoder"]
    texts = dict.fromkeys(caption.text for split in splits.values() for caption in split.captions)
    with attribute_errors(label, "in shared_words"):
        groups = [tuple(group) for group in encoder.shared_words(list(texts))]
    if not groups:
        return ""
    shown = ", ".join(" = ".join(map(repr, group)) for group in groups[:_SHOWN])
    more = f", and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else ""
    return (
        f"{label} cannot tell apart {sum(map(len, groups)):,} words of the captions: {shown}{more}; choose a larger "
        "encoder.vocabulary, or an encoder with all words"
    )
