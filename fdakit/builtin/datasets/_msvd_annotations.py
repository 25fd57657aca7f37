"""MSVD's captions in all their formats, with a remark on every description that is left out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fdakit.dataset_files import read_caption_map, read_table_rows, row_error
from fdakit.plugin import DatasetError, read_text

EMPTY = "without a word"
SECOND = "with a second paragraph, as published lists leave them out"
FOREIGN = "without a Latin letter, as published lists leave them out"

# A new paragraph: a line ends a sentence, or the next one starts with a capital. After a blank it continues.
_PARAGRAPH = re.compile(r"[.!?][ \t]*[\r\n]\s*\w|\S[\r\n]+\s*[A-Z]")
_CLIP = re.compile(r"\S+_\d+_\d+")


@dataclass(frozen=True)
class Descriptions:
    """Captions by clip id, and by reason the ids of descriptions that were left out, one entry each."""

    captions: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, tuple[str, ...]]

    def remarks(self, split: str, ids: Iterable[str]) -> tuple[str, ...]:
        """Return what was left out of these clips, a sentence for each reason."""
        mine = set(ids)
        found = {reason: [name for name in names if name in mine] for reason, names in self.left_out.items()}
        return tuple(
            f"{split}: left out {len(names):,} description{'s' * (len(names) > 1)} {reason} ({_first(names)})"
            for reason, names in found.items()
            if names
        )


def _first(names: Iterable[str]) -> str:
    every = sorted(set(names))
    return ", ".join(every[:3]) + (", ..." if every[3:] else "")


def is_published(language: str) -> bool:
    """Return whether the published splits use this language."""
    return language.casefold() == "english"


def read_descriptions(path: Path, language: str) -> Descriptions:
    """Return the captions of `raw-captions.pkl`, a JSON map, `AllVideoDescriptions.txt` or the corpus csv.

    Raises `DatasetError` if the file is none of these, or lacks the language.
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        return _sorted_out(_corpus_rows(path, language), published=is_published(language))
    if not is_published(language):
        raise DatasetError(
            f"{path.absolute()}: holds only English captions; for {language!r} name the corpus csv with captions"
        )
    if ending == ".txt":
        return _sorted_out(_described_lines(path), published=False)
    every = read_caption_map(path)
    return _sorted_out(((name, text) for name, texts in every.items() for text in texts), published=False)


def _sorted_out(pairs: Iterable[tuple[str, str]], *, published: bool) -> Descriptions:
    """Return the descriptions, with `published` only those of the published lists.

    Captions that are such a list already are taken as they are.
    """
    captions, left_out = defaultdict(list), defaultdict(list)
    for name, written in pairs:
        text = " ".join(written.replace("\ufeff", "").split())
        reason = _reason(written, text, published=published)
        if reason is None:
            captions[name].append(text)
        else:
            left_out[reason].append(name)
    return Descriptions(
        {name: tuple(texts) for name, texts in captions.items()},
        {reason: tuple(names) for reason, names in left_out.items()},
    )


def _reason(written: str, text: str, *, published: bool) -> str | None:
    if not text:
        return EMPTY
    if published and _PARAGRAPH.search(written.strip()):
        return SECOND
    if published and not re.search("[A-Za-z]", text):
        return FOREIGN
    return None


def _corpus_rows(path: Path, language: str) -> list[tuple[str, str]]:
    """Return clip id and description of the rows in the language, from the columns of the corpus csv."""
    rows = read_table_rows(path, ("VideoID", "Start", "End", "Language", "Description"))
    chosen = []
    for row in rows:
        clip = [str(row.fields[column]).strip() for column in ("VideoID", "Start", "End")]
        if str(row.fields["Language"]).strip().casefold() == language.casefold():
            chosen.append(("_".join(clip), str(row.fields["Description"])))
    if not chosen:
        found = sorted({str(row.fields["Language"]).strip() for row in rows})
        raise DatasetError(f"{path.absolute()}: no rows in {language!r}; languages there: {', '.join(found)}")
    return chosen


def _described_lines(path: Path) -> list[tuple[str, str]]:
    """Return clip id and description of each line `ID words ...`, after the file's header."""
    lines = read_text(path, error=DatasetError, advice="fetch it again").split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        name, _, text = line.strip().partition(" ")
        if _CLIP.fullmatch(name):
            found.append((name, text))
        elif found and name:
            raise row_error(path.absolute(), number, f"begins with {name[:40]!r}; wanted a clip id as abc_5_15")
    if not found:
        raise DatasetError(f"{path.absolute()}: no line begins with a clip id as abc_5_15; fetch it again")
    return found
