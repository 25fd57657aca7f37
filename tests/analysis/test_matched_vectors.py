"""Files of vectors and tokens, compared by a matcher from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fdakit.cli.main import execute


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Vectors of three texts and videos, and tokens and frames of different numbers, padded with NaN."""
    rng = np.random.default_rng(0)
    tokens, frames = (rng.normal(size=(3, count, 4)).astype(np.float32) for count in (5, 6))
    tokens[1, 2:], frames[0, 4:] = np.nan, np.nan
    arrays = {
        "texts": rng.normal(size=(3, 4)) * 9,
        "videos": rng.normal(size=(3, 4)),
        "tokens": tokens,
        "frames": frames,
    }
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values.astype(np.float32))
    return {name: str(tmp_path / f"{name}.npy") for name in arrays}


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, float]]:
    assert execute(["metrics", *arguments, "--bootstrap", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return {way: found[way] for way in ("t2v", "v2t")}


def test_late_interaction_is_that_of_its_formula(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    tokens, frames = (unit(np.load(files[name]).astype(np.float64)) for name in ("tokens", "frames"))
    matrix = [[sum(np.nanmax(frame @ t) for t in text if t[0] == t[0]) for frame in frames] for text in tokens]
    np.save(tmp_path / "sims.npy", np.array(matrix, np.float32))
    wanted = measured(capsys, str(tmp_path / "sims.npy"))
    assert measured(capsys, "--texts", files["tokens"], "--videos", files["frames"], "--matcher", "max-sim") == wanted


def test_the_best_cosine_is_that_of_its_formula(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    texts, frames = (np.load(files[name]).astype(np.float64) for name in ("texts", "frames"))
    units = [rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in (texts, frames)]
    np.save(tmp_path / "sims.npy", np.nanmax(np.einsum("qd,vmd->qvm", *units), axis=2).astype(np.float32))
    wanted = measured(capsys, str(tmp_path / "sims.npy"))
    asked = ("--texts", files["texts"], "--videos", files["frames"], "--matcher", "max-cosine")
    assert measured(capsys, *asked) == wanted


def test_cosines_are_products_of_unit_vectors(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    texts, videos = (np.load(files[name]) for name in ("texts", "videos"))
    np.save(files["texts"], texts / np.linalg.norm(texts, axis=1, keepdims=True))
    np.save(files["videos"], videos / np.linalg.norm(videos, axis=1, keepdims=True))
    wanted = measured(capsys, "--texts", files["texts"], "--videos", files["videos"])
    np.save(files["texts"], texts)
    np.save(files["videos"], videos)
    assert measured(capsys, "--texts", files["texts"], "--videos", files["videos"], "--matcher", "cosine") == wanted


@pytest.mark.parametrize(
    ("texts", "videos", "matcher", "words"),
    [
        ("texts", "frames", "max-sim", "texts.npy: found an array (3, 4); matcher 'max-sim' (fdakit "),
        ("tokens", "videos", "max-sim", "videos.npy: found an array (3, 4); matcher 'max-sim' (fdakit "),
        ("texts", "videos", "max-cosine", "videos.npy: found an array (3, 4); matcher 'max-cosine' (fdakit "),
        ("texts", "frames", "cosine", "frames.npy: found an array (3, 6, 4); matcher 'cosine' (fdakit "),
        (
            "texts",
            "videos",
            "cosin",
            "--matcher 'cosin': matcher.use: unknown matcher 'cosin'; did you mean",
        ),
        ("texts", "videos", "cosine far", "--matcher 'cosine far': found no value for 'far'; write NAME KEY=VALUE"),
    ],
)
def test_what_does_not_fit_is_named(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], texts: str, videos: str, matcher: str, words: str
) -> None:
    assert execute(["metrics", "--texts", files[texts], "--videos", files[videos], "--matcher", matcher]) == 2
    assert words in capsys.readouterr().err


def test_a_video_of_nan_alone_is_named(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    frames = np.load(files["frames"])
    frames[2] = np.nan
    np.save(files["frames"], frames)
    asked = ["metrics", "--texts", files["tokens"], "--videos", files["frames"], "--matcher", "mean-max-sim"]
    assert execute(asked) == 2
    assert "frames.npy: video 2 has nothing but NaN; give it at least one vector" in capsys.readouterr().err


def test_similarities_need_no_matcher(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["metrics", files["texts"], "--matcher", "cosine"]) == 2
    assert "similarities are compared already" in capsys.readouterr().err
