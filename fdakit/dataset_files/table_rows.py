"""Rows of a table, each with the line it starts on: CSV, TSV or JSON Lines, by the suffix."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fdakit.errors import DatasetError
from fdakit.system.regular_files import read_text

Required = Mapping[str, str] | Iterable[str]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_NAMES = {",": "','", "\t": "tabs", ";": "';'", "|": "'|'"}
_NOT_UTF8 = "not UTF-8; save the file as UTF-8"
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, as "surrogateescape" decodes them
_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # JSON may contain them; paths and files cannot
_QUOTED = re.compile(r' *"(?:[^"]|"")*"')
_MOST, _LONGEST = 20, 60  # columns named in an error, and characters of each
_QUOTES = 'a field that begins with " must end with it, and quotes inside it are written twice'


@dataclass(frozen=True)
class TableRow:
    """One row: the line it starts on, and its fields by column.

    In CSV and TSV every field is text, with surrounding white space removed unless it is quoted.
    """

    line: int
    fields: Mapping[str, Any]


def read_table_rows(
    path: Path, required: Required, *, separator: str | None = None, names: Iterable[str] = ()
) -> tuple[TableRow, ...]:
    """Return all rows that are not blank, at least one.

    `required` are the columns that every row must have, mapped to the options that name them, if any. A given
    `separator` overrides the suffix. Columns in `names` hold file names, which need not be UTF-8: their bytes are
    preserved as by `os.fsdecode`. Raises `DatasetError` with the line if the file cannot be read, also if its columns
    are clearly separated by another character.
    """
    path = path.absolute()
    wanted = required if isinstance(required, Mapping) else dict.fromkeys(required, "")
    text, names = read_text(path, error=DatasetError, names=bool(names)), frozenset(names)
    if not text.strip():
        raise DatasetError(f"{path}: the file is empty; it needs a row for each caption")
    ending = path.suffix.lower()
    separator = separator or _SEPARATORS.get(ending)
    if separator is not None:
        rows = _read_table(path, text, wanted, separator)
    elif ending == ".jsonl":
        lines = enumerate(text.split("\n"), 1)
        rows = tuple(_read_object(path, i, line, wanted) for i, line in lines if line.strip())
    else:
        raise DatasetError(f"{path}: unknown suffix {ending!r}; name it .csv, .tsv or .jsonl")
    if _ESCAPED.search(text):
        _refuse_escaped(path, rows, names)
    return rows


def row_error(path: Path, line: int, what: str) -> DatasetError:
    """Return the error for one line."""
    return DatasetError(f"{path}: line {line}: {what}")


def missing_column_message(wanted: str, option: str, columns: Iterable[str]) -> str:
    """Return the message for an absent column: the existing ones, the nearest, and the option that names it.

    The option is "" if no option can name another column.
    """
    found = [column for column in columns if column]
    close = get_close_matches(wanted, found, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    remedy = f"name it with {option}" if option else "a file of this kind has it: fetch the file again or rename one"
    shown = ", ".join(repr(column[:_LONGEST]) for column in found[:_MOST]) or "none"
    more = f" and {len(found) - _MOST:,} more" if len(found) > _MOST else ""
    return f"no column {wanted!r} among {shown}{more}; {guess}{remedy}"


def _refuse_escaped(path: Path, rows: Iterable[TableRow], names: frozenset[str]) -> None:
    """Raise `DatasetError` with the line if bytes that are not UTF-8 are outside the columns `names`."""
    for row in rows:
        for column, value in row.fields.items():
            if _ESCAPED.search(column) or (column not in names and isinstance(value, str) and _ESCAPED.search(value)):
                raise row_error(path, row.line, _NOT_UTF8)


def _read_object(path: Path, line: int, text: str, required: Mapping[str, str]) -> TableRow:
    try:
        fields = json.loads(text)
    except RecursionError as error:
        raise row_error(path, line, "not JSON (nested too deep); write one object a line") from error
    except ValueError as error:
        raise row_error(path, line, f"not JSON ({error}); write one object a line") from error
    if not isinstance(fields, dict):
        raise row_error(path, line, f"{text.strip()[:40]!r} is no object; write one object a line")
    for column, option in required.items():
        if column not in fields:
            raise row_error(path, line, missing_column_message(column, option, fields))
    halved = next((name for name, value in fields.items() if isinstance(value, str) and _HALF.search(value)), None)
    if halved is not None:
        raise row_error(
            path, line, f"{halved[:_LONGEST]!r} holds half a character, {ascii(fields[halved])[:_LONGEST]}"
        )
    return TableRow(line, fields)


def _read_table(path: Path, text: str, required: Mapping[str, str], separator: str) -> tuple[TableRow, ...]:
    said = _NAMES.get(separator, repr(separator))
    (line, header), *body = _read_records(path, text, separator)
    header = [name.strip() for name in header]
    twice = next((name for name, count in Counter(header).items() if name and count > 1), None)
    if twice is not None:
        raise row_error(path, line, f"two columns are called {twice!r}; rename one")
    for column, option in required.items():
        if column not in header:
            raise row_error(path, line, missing_column_message(column, option, header))
    if not body:
        raise DatasetError(f"{path}: columns but no rows, an empty split; add a row for each caption")
    for line, fields in body:
        if len(fields) != len(header):
            what = f"{len(fields)} fields under {len(header)} columns"
            raise row_error(path, line, f'{what}; put a field that holds {said} between double quotes (")')
    return tuple(TableRow(line, dict(zip(header, fields, strict=True))) for line, fields in body)


def _read_records(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return first line and fields of each record; a quoted field may contain line ends."""
    # strict: a stray quote is an error here; otherwise it would swallow the following rows.
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        with fields_of_any_length(text):
            for fields in reader:
                if any(field.strip() for field in fields):
                    if not records:  # later quotes may be wrong for the same reason
                        _refuse_other_separator(path, line, fields, separator)
                    if any(field != field.strip() for field in fields):
                        raw = "".join(lines[line - 1 : reader.line_num])
                        quoted = _quoted(raw, separator)
                        fields = [f if q else f.strip() for f, q in zip(fields, quoted, strict=True)]
                    records.append((line, fields))
                line = reader.line_num + 1
    except csv.Error as error:
        raise row_error(path, line, f"not readable as a table ({error}); {_QUOTES}") from error
    return records


@contextmanager
def fields_of_any_length(text: str) -> Iterator[None]:
    """Let `csv` read fields of any length while the block runs; its own limit is 131,072 characters."""
    former = csv.field_size_limit(len(text) + 1)
    try:
        yield
    finally:
        csv.field_size_limit(former)


def _quoted(raw: str, separator: str) -> list[bool]:
    """Return which fields of a raw record are in double quotes, which `csv` does not report."""
    found, place = [], 0
    while place <= len(raw):
        match = _QUOTED.match(raw, place)
        found.append(match is not None)
        end = raw.find(separator, match.end() if match else place)
        place = len(raw) + 1 if end < 0 else end + len(separator)
    return found


def _refuse_other_separator(path: Path, line: int, header: list[str], separator: str) -> None:
    other = next((s for s in _NAMES if len(header) == 1 and s in header[0]), None)
    if other is not None:
        said = _NAMES.get(separator, repr(separator))
        raise row_error(path, line, f"columns are separated by {_NAMES[other]}; save it with {said} instead")
