"""For trials of damage: a command in this process, what it may say, and ways to damage files."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from fdakit.cli.main import execute
from fdakit.system.digests import SUMS, digest_lines


@dataclass(frozen=True)
class Said:
    """What a command in this process left."""

    code: int
    out: str
    err: str


def say(*arguments: object) -> Said:
    """Run `fdakit ...` here. What it raises, its user would see as a traceback."""
    out, err = io.StringIO(), io.StringIO()
    shown = warnings.showwarning
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            code = execute([str(argument) for argument in arguments])
    finally:
        warnings.showwarning = shown
    return Said(code, out.getvalue(), err.getvalue())


def commands(run: Path) -> dict[str, tuple[object, ...]]:
    """Every way to read a run folder, each with its numbers as JSON; the first of a side is whole."""
    checkpoints = run / "checkpoints"
    return {
        "eval": ("eval", "--checkpoint", run, "--json"),
        "eval best": ("eval", "--checkpoint", checkpoints / "best", "--json"),
        "eval last": ("eval", "--checkpoint", checkpoints / "last", "--json"),
        "resume": ("run", "--resume", run, "--json"),
        "report": ("report", run, "--json"),
        "compare": ("compare", run, run, "--draws", "100", "--json"),
        "metrics": ("metrics", run, "--bootstrap", "0", "--json"),
        "trec": ("report", run, "--to", "trec", "--out", run.parent / "trec"),
    }


def numbers(said: Said) -> Any:
    """What of a command's answer are results: neither folders nor remarks."""
    if not said.out.startswith("{"):
        return [Path(line.removeprefix("written: ")).read_text() for line in said.out.splitlines()]
    found = json.loads(said.out)
    if "sides" in found:
        return [side["runs"][0]["t2v"] for side in found["sides"]], [
            pair["t2v"] for pair in found["pairs"] if "t2v" in pair
        ]
    return {key: found[key] for key in ("t2v", "v2t")}


def sign(folder: Path) -> None:
    """Make the digests fit again, as somebody does who means what he changed."""
    for place in (folder, *(folder / "checkpoints").glob("*")):
        if (place / SUMS).is_file():
            names = [line.split("  ", 1)[1] for line in (place / SUMS).read_text().splitlines()]
            (place / SUMS).write_text(digest_lines(place, [name for name in names if (place / name).is_file()]))


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file in one of the ways that disks, copies and people do; returns which."""
    content = path.read_bytes()
    way = rng.choice(("bit", "bit", "cut", "empty", "longer", "zeros", "noise", "gone", "folder", "exchanged"))
    if way == "bit":
        changed = bytearray(content)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
    elif way == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    elif way == "empty":
        path.write_bytes(b"")
    elif way == "longer":
        path.write_bytes(content + rng.randbytes(rng.randrange(1, 99)))
    elif way in ("zeros", "noise"):
        start = rng.randrange(len(content))
        length = min(len(content) - start, rng.randrange(1, 4096))
        filling = bytes(length) if way == "zeros" else rng.randbytes(length)
        path.write_bytes(content[:start] + filling + content[start + length :])
    elif way == "exchanged":
        others = [other for other in path.parent.iterdir() if other.is_file() and other != path]
        shutil.copy(rng.choice(others), path)
    else:
        path.unlink()
        if way == "folder":
            path.mkdir()
    return way


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    "",
    "text",
    "\x00",
    [],
    {},
    [[]],
    {"a": 1},
    "9" * 5000,
    ["a"],
)


def change(path: Path, rng: random.Random) -> str:
    """Let a file hold something wrong that its format allows; returns what."""
    if path.suffix in (".json", ".jsonl"):
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        place = rng.randrange(len(lines))
        document, what = _changed(json.loads(lines[place]), rng)
        lines[place] = json.dumps(document)
        path.write_text("\n".join(lines) + "\n")
        return what
    if path.suffix == ".pt":
        state, what = _changed(torch.load(path, weights_only=True), rng)
        torch.save(state, path)
        return what
    return _CHANGES[path.suffix](path, rng)


def _changed(document: Any, rng: random.Random, where: str = "") -> tuple[Any, str]:
    """The document with one value exchanged, or one key gone, at any depth."""
    if isinstance(document, dict) and document and rng.random() < 0.8:
        key = rng.choice(list(document))
        if rng.random() < 0.15:
            return {k: v for k, v in document.items() if k != key}, f"without {where}.{key}"
        inner, what = _changed(document[key], rng, f"{where}.{key}")
        return {**document, key: inner}, what
    if isinstance(document, list) and document and rng.random() < 0.8:
        place = rng.randrange(len(document))
        inner, what = _changed(document[place], rng, f"{where}.{place}")
        return [*document[:place], inner, *document[place + 1 :]], what
    odd = rng.choice(ODD)
    return odd, f"{where} is {str(odd)[:20]!r}"


def _change_table(path: Path, rng: random.Random) -> str:
    lines = path.read_text().splitlines()
    place = rng.randrange(len(lines))
    cells = lines[place].split(",")
    way = rng.choice(("cell", "twice", "gone", "short", "order"))
    if way == "cell":
        cells[rng.randrange(len(cells))] = rng.choice(("", "-1", "1e9", "x", "nan", "9" * 400, '"'))
        lines[place] = ",".join(cells)
    elif way == "twice":
        lines.insert(place, lines[place])
    elif way == "gone":
        del lines[place]
    elif way == "short":
        lines[place] = ",".join(cells[:-1])
    else:
        lines[1:] = lines[:0:-1]
    path.write_text("\n".join(lines) + "\n")
    return f"{way} {place}"


def _change_array(path: Path, rng: random.Random) -> str:
    array = np.load(path)
    ways: dict[str, Callable[[], Any]] = {
        "dtype": lambda: array.astype(rng.choice(("float64", "float16", "int32", "complex64", "U4", "bool"))),
        "shape": lambda: array[: rng.randrange(len(array))],
        "transposed": lambda: array.T[:, :-1],
        "flat": array.ravel,
        "nan": lambda: np.where(np.arange(array.size).reshape(array.shape) == 3, np.nan, array),
        "negated": lambda: -array,
        "records": lambda: np.zeros(array.shape, [("a", "f4")]),
    }
    way = rng.choice(list(ways))
    np.save(path, ways[way]())
    return way


def _change_weights(path: Path, rng: random.Random) -> str:
    state = load_file(path)
    name = rng.choice(sorted(state))
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "noise": lambda: {**state, name: torch.randn_like(state[name].float())},
        "shape": lambda: {**state, name: state[name].reshape(-1)[:1].clone()},
        "gone": lambda: {key: value for key, value in state.items() if key != name},
        "more": lambda: {**state, "other": torch.ones(2)},
        "integers": lambda: {**state, name: torch.zeros(state[name].shape, dtype=torch.int32)},
        "nan": lambda: {**state, name: torch.full(state[name].shape, float("nan"))},
        "none": dict,
    }
    way = rng.choice(list(ways))
    save_file(ways[way](), path, metadata={"format": "pt", "fdakit": "retriever", "digests": SUMS})
    return f"{way} {name}"


def _change_recipe(path: Path, rng: random.Random) -> str:
    text = path.read_text()
    old, new = rng.choice(
        (
            ("eval_frames = 3", "eval_frames = 1"),
            ("threshold = 25", "threshold = 60"),
            ("seed = 3", "seed = 4"),
            ("width = 64", "width = 32"),
            ('use = "fdakit:tiny"', 'use = "fdakit:none"'),
            ("batch_size = 4", 'batch_size = "4"'),
            ('split = "test"', 'split = "val"'),
            ("[train]", "[trian]"),
            ('name = "small"', "name = 3"),
        )
    )
    path.write_text(text.replace(old, new, 1))
    return new


_CHANGES: dict[str, Callable[[Path, random.Random], str]] = {
    ".csv": _change_table,
    ".npy": _change_array,
    ".safetensors": _change_weights,
    ".toml": _change_recipe,
}
