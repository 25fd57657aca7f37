"""Trials of damage to run folders: no traceback, and nothing damaged or exchanged is believed."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.run_damage import change, commands, damage, numbers, say, sign

from fdakit.experiment.run import run_recipe
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

SIZES = [
    pytest.param(12, id="twelve"),
    pytest.param(300, id="three hundred", marks=pytest.mark.proof),
]
UNREAD = ("environment.json", "report.md")  # no command reads these back


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def run(kept: Path, make_recipe: Callable[..., Recipe]) -> Path:
    """A finished run with a log; made once."""
    if not kept.exists():
        run_recipe(make_recipe(observer=[{"use": "jsonl"}]), out=kept)
    return kept


@pytest.fixture
def truth(run: Path, tmp_path: Path) -> dict[str, Any]:
    """What each command says of the whole run; made once."""
    note = run.parent / "truth.json"
    if not note.exists():
        whole = Path(shutil.copytree(run, run.parent / "whole"))
        said = {name: say(*arguments) for name, arguments in commands(whole).items()}
        assert {name: one.code for name, one in said.items()} == dict.fromkeys(said, 0), said
        note.write_text(json.dumps({name: numbers(one) for name, one in said.items()}))
    return dict(json.loads(note.read_text()))


def files_of(run: Path) -> list[Path]:
    return sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file() and path.name not in UNREAD)


def readers(file: Path, rng: random.Random) -> list[str]:
    """Commands to try on a run of which this file is damaged: two of those that may read it."""
    if file.parts[0] != "checkpoints":
        return rng.sample(["report", "compare", "metrics", "trec", "resume"], 2)
    mine = "eval last" if "last" in file.parts else "eval best"
    return [mine, rng.choice(["eval", "resume"])]


def judged(copy: Path, name: str, believable: Any) -> tuple[str, str]:
    """What came of a command, and what is wrong with that; `believable` numbers may be told, None for any."""
    try:
        said = say(*commands(copy)[name])
    except Exception as error:  # noqa: BLE001 - the user would see a traceback
        return "traceback", f"traceback: {type(error).__name__}: {error}"
    if said.code == 2:
        return "told", "" if said.err.strip() and "Traceback" not in said.err else "not a word"
    if said.code:
        return "failed", f"exit code {said.code}: {said.err}"
    found = json.loads(json.dumps(numbers(said)))
    return "taken", "" if believable in (None, found) else "believed"


@pytest.mark.parametrize("count", SIZES)
def test_what_is_damaged_is_told_or_does_not_matter(
    run: Path, truth: dict[str, Any], tmp_path: Path, count: int
) -> None:
    outcomes: Counter[str] = Counter()
    faults = []
    for number in range(count):
        rng = random.Random(number)
        copy = Path(shutil.copytree(run, tmp_path / "run"))
        file = files_of(run)[number % len(files_of(run))]
        way = damage(copy / file, rng)
        for name in readers(file, rng):
            outcome, fault = judged(copy, name, truth[name])
            outcomes[outcome] += 1
            if fault:
                faults.append(f"case {number}: {file} {way}, {name}: {fault}")
        shutil.rmtree(copy)
    print(f"{count} damaged files, {outcomes.total()} commands: {dict(outcomes)}")
    assert faults == []


@pytest.mark.parametrize("count", SIZES)
def test_wrong_things_in_the_right_form_are_told_or_do_not_matter(
    run: Path, truth: dict[str, Any], tmp_path: Path, count: int
) -> None:
    """In two of three the digests are made anew or gone: all that is asked then is that no traceback comes."""
    outcomes: Counter[str] = Counter()
    faults = []
    files = [file for file in files_of(run) if file.suffix not in ("", ".png")]
    for number in range(count):
        rng = random.Random(1000 + number)
        copy = Path(shutil.copytree(run, tmp_path / "run"))
        file = files[number % len(files)]
        what = change(copy / file, rng)
        form = ("as written", "signed", "without digests")[(number + number // len(files)) % 3]
        if form == "signed":
            sign(copy)
        elif form == "without digests":
            for sums in copy.rglob("SHA256SUMS"):
                sums.unlink()
        for name in readers(file, rng):
            outcome, fault = judged(copy, name, truth[name] if form == "as written" else None)
            outcomes[f"{form}: {outcome}"] += 1
            if fault:
                faults.append(f"case {number}: {file}, {what} ({form}), {name}: {fault}")
        shutil.rmtree(copy)
    print(f"{count} files that hold wrong things, {outcomes.total()} commands: {dict(sorted(outcomes.items()))}")
    assert faults == []
