"""Similarities and truth from files that anyone may have made: read up to stated sizes, or refused in words."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fdakit.analysis.external_scores import LARGEST_NPZ, read_scores, read_vectors
from fdakit.errors import ScoreError


@pytest.fixture
def sims(tmp_path: Path) -> Path:
    np.save(tmp_path / "sims.npy", np.eye(3))
    return tmp_path / "sims.npy"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("ending", ["npy", "npz", "json", "txt", "trec"])
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "absent", "long"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, sims: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"{'n' * 300 if kind == 'long' else kind}.{ending}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    for read in (
        lambda: read_scores(path, sims),
        lambda: read_scores(sims, path),
        lambda: read_vectors(sims, path, None),
    ):
        with pytest.raises(ScoreError) as caught:
            read()
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_an_archive_that_would_swell_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (10**5, 10**5)}
        )
        member.write(bytes(1000))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24  # the size in the archive's directory
    content[place : place + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(ScoreError, match=r"not readable as .npz|does not fit in memory"):
        read_scores(path, None)
    big = tmp_path / "big.npz"
    np.savez_compressed(big, a=np.zeros((3, 3)), b=np.zeros(2))
    with pytest.raises(ScoreError, match=r"holds 2 arrays \(a, b\)"):
        read_scores(big, None)


def test_the_limit_of_an_archive_is_that_of_what_it_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", a=np.zeros((500, 500)))
    monkeypatch.setattr("fdakit.analysis.external_scores.LARGEST_NPZ", 1_000_000)
    with pytest.raises(
        ScoreError, match=r"unpacks to 2,000,\d+ bytes, more than the 1,000,000 that are read of an .npz"
    ):
        read_scores(tmp_path / "zeros.npz", None)
    assert LARGEST_NPZ == 2**32


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "9" * 5000 + "]", "{}", '["a"]', "[1e400]", "[true]"])
def test_odd_truths_are_refused_in_words(tmp_path: Path, sims: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(ScoreError, match=r"truth\.json: "):
        read_scores(sims, tmp_path / "truth.json")


@pytest.mark.parametrize("dtype", ["U3", "S3", "M8[s]", "c8", "O", [("a", "f4")]])
def test_arrays_of_other_kinds_are_refused_in_words(tmp_path: Path, dtype: object) -> None:
    np.save(tmp_path / "odd.npy", np.zeros((3, 3), dtype), allow_pickle=True)
    with pytest.raises(ScoreError, match=r"odd\.npy: "):
        read_scores(tmp_path / "odd.npy", None)


def test_similarities_of_a_run_lead_to_the_run_which_knows_their_truth(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    command = rf"`fdakit metrics '{folder}'`"
    np.save(folder / "similarity.npy", np.zeros((3, 2)))
    with pytest.raises(
        ScoreError, match=rf"3 captions and 2 videos, .*the run that it belongs to, .* truth: {command}"
    ):
        read_scores(folder / "similarity.npy", None)
    np.save(folder / "similarity.npy", np.eye(3))
    with pytest.warns(
        UserWarning, match=rf"its diagonal is taken for the truth; the run that it belongs to .*{command}"
    ):
        read_scores(folder / "similarity.npy", None)
