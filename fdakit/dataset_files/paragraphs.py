"""Paragraph retrieval: the joined sentences of a video are its one caption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fdakit.errors import DatasetError


def join_paragraphs(
    split: str, ids: Iterable[str], sentences: Mapping[str, Sequence[str]], *, listing: Path, annotations: Path
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return a paragraph for each id with sentences, and the remark of `split` that names the others.

    Sentences keep their order; runs of white space, including line breaks, become one space. `listing` names the ids
    and `annotations` holds the sentences. Raises `DatasetError` if no id has any: they belong to different splits.
    """
    texts = {name: " ".join(" ".join(sentences.get(name, ())).split()) for name in ids}
    bare = [name for name, text in texts.items() if not text]
    if not bare:
        return texts, ()
    if len(bare) == len(texts):
        raise DatasetError(
            f"{annotations.absolute()}: holds sentences for none of the {len(bare):,} videos of {listing.name}, "
            f"such as {bare[0]}; give both of the same split"
        )
    what = "1 video" if len(bare) == 1 else f"{len(bare):,} videos"
    remark = f"{split}: {what} of {listing.name} without sentences in {annotations.name}, left out: {name_ids(bare)}"
    return {name: text for name, text in texts.items() if text}, (remark,)


def name_ids(ids: Sequence[str], *, shown: int = 20) -> str:
    """Return the ids as a list for a message; beyond `shown` of them, how many more there are."""
    more = f" and {len(ids) - shown:,} more" if len(ids) > shown else ""
    return ", ".join(ids[:shown]) + more
