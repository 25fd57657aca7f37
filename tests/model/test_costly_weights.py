"""The work that one weights file may ask for is counted wherever items are made, copied or looked into."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from helpers.costly_weights import two_ends
from helpers.hostile_weights import archive, legacy, state, tensor, text

from fdakit import CheckpointError
from fdakit.model import pickled_names, torch_files
from fdakit.model.pickled_names import DamagedFileError
from fdakit.model.weight_conversion import inspect_weights
from fdakit.model.weight_pickle import read_pickle

PAIR = b"K\x01K\x02\x86q\x03"
FILLING = b"ccollections\nOrderedDict\nq\x01"
MODULE = b"c__torch__\nM\n)\x81"


@pytest.mark.parametrize(
    "content",
    [
        FILLING + PAIR + b"](" + b"h\x03" * 20 + b"e\x85q\x02" + b"h\x01h\x02R0" * 60,
        FILLING + PAIR + b"](" + b"h\x03" * 20 + b"e\x85q\x02" + b"h\x01h\x02\x81" * 60,
        b"(" + b"NN" * 501 + b"t",
        b"](" + b"NN" * 501 + b"e",
        b"(" + b"K\x01N" * 300 + b"d",
        b"}" + b"(" + b"K\x01" * 60 + b"tq\x01Ns" + b"h\x01Ns" * 20,
    ],
    ids=["called", "made", "tuple", "extended", "dictionary", "keys"],
)
def test_items_are_counted_at_every_step(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(pickled_names, "MOST_ITEMS", 1000, raising=False)
    with pytest.raises(DamagedFileError, match="asks for more than 1,000 items"):
        read_pickle(io.BytesIO(b"\x80\x02" + content + b"."))


def test_the_pickles_of_one_file_share_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.pt").write_bytes(legacy(state(tensor()), keys=["0"] * 900))
    monkeypatch.setattr(pickled_names, "MOST_ITEMS", 910, raising=False)
    with pytest.raises(CheckpointError, match="asks for more than 910 items"):
        inspect_weights(tmp_path / "w.pt")


def test_a_module_counts_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = MODULE + b"q\x01}(" + b"".join(text(f"a{k}") + b"N" for k in range(100)) + b"ub0"
    outer = MODULE + b"}(" + b"".join(text(f"m{k}") + b"h\x01" for k in range(100)) + b"ub"
    (tmp_path / "w.pt").write_bytes(archive(b"\x80\x02" + inner + outer + b".", code=""))
    monkeypatch.setattr(pickled_names, "MOST_ITEMS", 5000, raising=False)
    with pytest.raises(CheckpointError, match="asks for more than 5,000 items"):
        inspect_weights(tmp_path / "w.pt")


def test_numbers_that_share_their_hash_are_no_keys() -> None:
    content = b"}\x8a\x09" + (3 * (2**61 - 1)).to_bytes(9, "little") + b"Ns"
    with pytest.raises(DamagedFileError, match="a int as a key"):
        read_pickle(io.BytesIO(b"\x80\x02" + content + b"."))


def test_a_zip_whose_ends_differ_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(two_ends())
    with pytest.raises(CheckpointError, match="contradicts itself"):
        inspect_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("told", [3, 4], ids=["lied", "said"])
def test_a_zip_with_too_many_entries_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    whole = archive(state(tensor()))
    (tmp_path / "w.pt").write_bytes(whole[:-14] + struct.pack("<2H", told, told) + whole[-10:])
    monkeypatch.setattr(torch_files, "MOST_ENTRIES", 3)
    with pytest.raises(CheckpointError, match="entries"):
        inspect_weights(tmp_path / "w.pt")
