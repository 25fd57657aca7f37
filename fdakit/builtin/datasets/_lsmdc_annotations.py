"""LSMDC's annotation files: lines of six tab-separated fields, no header, no quoting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fdakit.dataset_files import row_error
from fdakit.plugin import DatasetError, read_text

_FIELDS = "clip id, start, end, start, end, sentence"


@dataclass(frozen=True)
class Sentences:
    """Captions by clip id in the file's order, and remarks on the rows."""

    captions: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]


def read_sentences(path: Path) -> Sentences:
    """Return the captions of one annotation file.

    Rows without a sentence are left out with a remark, unless no row has one, as in the blind test. Raises
    `DatasetError` then, and for a line with other fields.
    """
    path = path.absolute()
    captions: dict[str, list[str]] = {}
    rows = silent = repeated = 0
    for number, line in enumerate(_read_lines(path), 1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) not in (5, 6):
            count = f"{len(fields)} field{'s'[: len(fields) > 1]}"
            raise row_error(path, number, f"{count} between tabs; wanted {_FIELDS}, with a tab between each two")
        name, text = fields[0], fields[5] if len(fields) == 6 else ""
        if not name:
            raise row_error(path, number, f"no clip id; wanted {_FIELDS}")
        if not any(sign.isdigit() for sign in "".join(fields[1:5])):
            raise row_error(path, number, f"no times in {line[:60]!r}; delete a heading, wanted {_FIELDS}")
        rows += 1
        mine = captions.setdefault(name, []) if text else None
        if mine is None:
            silent += 1
        elif text in mine:
            repeated += 1
        else:
            mine.append(text)
    if not captions:
        raise DatasetError(
            f"{path}: no sentence in any of {rows:,} rows, as in the blind test; a time stamp is no caption: take a "
            f"file whose rows hold {_FIELDS}"
        )
    clips = {name: tuple(texts) for name, texts in captions.items()}
    return Sentences(clips, _remarks(clips, silent, repeated))


def _remarks(clips: Mapping[str, tuple[str, ...]], silent: int, repeated: int) -> tuple[str, ...]:
    several = sum(len(texts) > 1 for texts in clips.values())
    counts = {
        "rows without a sentence, left out": silent,
        "clips with several sentences, each a caption": several,
        "rows that repeat a sentence of their clip, left out": repeated,
    }
    return tuple(f"{what}: {count:,}" for what, count in counts.items() if count)


def _read_lines(path: Path) -> list[str]:
    return read_text(path, error=DatasetError, advice="put the annotation file there").split("\n")
