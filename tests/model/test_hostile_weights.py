"""Hostile weights files: refused in words or read, in bounded time and memory, and nothing in them is ever run."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from helpers.costly_weights import costly_cases
from helpers.hostile_weights import BAD, SENTINEL, Case, file_cases, overlapping, special_cases
from helpers.small_clip import write_folder

from fdakit import CheckpointError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.catalog import load_catalog
from fdakit.inference.checkpoint import Checkpoint
from fdakit.model.weight_conversion import convert_weights, inspect_weights
from fdakit.recipe.validation import read_recipe
from fdakit.system.devices import choose_device
from fdakit.testing.building import build_part

QUICK = [*file_cases(slow=False), *costly_cases(), *special_cases()]
MEMORY = 1 << 30
SECONDS = 60


@pytest.mark.integration
@pytest.mark.parametrize(("make", "outcome"), [case[1:] for case in QUICK], ids=[case[0] for case in QUICK])
def test_a_hostile_file_is_refused_in_words_or_read_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], outcome: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("weights.pth"))
    if outcome == BAD:
        with pytest.raises(CheckpointError, match=r"/weights\.pth: .+; .+"):
            inspect_weights(Path("weights.pth"))
    else:
        assert inspect_weights(Path("weights.pth")).tensors == int(outcome)
    assert not Path(SENTINEL).exists()


def test_entries_at_one_place_are_refused_before_any_is_read(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(overlapping())
    with pytest.raises(CheckpointError, match="its entries overlap"):
        inspect_weights(tmp_path / "w.pth")


def test_the_trial_is_as_large_as_it_says() -> None:
    assert len(QUICK) > 120
    assert len({name for name, *_ in QUICK}) == len(QUICK)


def by_inspect() -> None:
    inspect_weights(Path("weights.pth"))


def by_convert() -> None:
    convert_weights(Path("weights.pth"), Path("out.safetensors"))


def by_pretrained() -> None:
    build_part(OPEN_CLIP, model="local-dir:../clip", pretrained="weights.pth")


def by_visual_checkpoint() -> None:
    build_part(OPEN_CLIP, model="local-dir:../clip", visual_checkpoint="weights.pth")


def by_checkpoint() -> None:
    recipe = read_recipe("quickstart", catalog=load_catalog())
    Checkpoint.open(Path("weights.pth")).load(recipe, device=choose_device("cpu"))


QUICK_ROADS = (by_inspect, by_convert)
MODEL_ROADS = (by_pretrained, by_visual_checkpoint, by_checkpoint)


@pytest.mark.proof
def test_every_hostile_file_on_three_roads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a process of its own, with a limit of time and 1 GiB of memory more than the libraries take.

    Roads that build a model first take turns.
    """
    write_folder(tmp_path / "clip")
    (tmp_path / "warm").mkdir()
    monkeypatch.chdir(tmp_path / "warm")
    torch.save({"weight": torch.ones(1)}, "weights.pth")
    for road in (*QUICK_ROADS, *MODEL_ROADS):  # so that each process finds the libraries loaded
        with suppress(CheckpointError):
            road()
    cases = [*file_cases(slow=True), *costly_cases(), *special_cases()]
    faults, slowest = [], 0.0
    for number, case in enumerate(cases):
        for road in (*QUICK_ROADS, MODEL_ROADS[number % 3]):
            started = time.monotonic()
            fault = _in_a_process(case, road, tmp_path / "trial")
            slowest = max(slowest, time.monotonic() - started)
            faults += [f"{case[0]}, {road.__name__}: {fault}"] if fault else []
    print(f"{len(cases)} files, {3 * len(cases)} trials, {len(faults)} faults, the slowest {slowest:.0f} s")
    assert not faults, "\n".join(faults)


def _in_a_process(case: Case, road: Callable[[], None], folder: Path) -> str:
    """What went wrong, or nothing."""
    folder.mkdir()
    child = os.fork()
    if not child:
        os.chdir(folder)
        os._exit(_tried(case, road))
    _, status = os.waitpid(child, 0)
    ran = (folder / SENTINEL).exists()
    left = [path.name for path in folder.iterdir() if path.name not in ("weights.pth", "fault", "out.safetensors")]
    said = (folder / "fault").read_text() if (folder / "fault").exists() else ""
    shutil.rmtree(folder)
    return "code was run" if ran else f"left {left}" if left else said or (f"status {status}" if status else "")


def _tried(case: Case, road: Callable[[], None]) -> int:
    case[1](Path("weights.pth"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    signal.alarm(SECONDS)
    try:
        road()
    except CheckpointError:
        return 0
    except BaseException as error:  # noqa: BLE001 - whatever gets through is a fault
        Path("fault").write_text(f"{type(error).__name__}: {error}"[:300])
        return 1
    if case[2] == BAD:
        Path("fault").write_text("it was believed")
    return 0
