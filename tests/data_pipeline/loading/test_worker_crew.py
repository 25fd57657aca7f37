"""A crew is kept: plans and sources share its processes, and only what is lost with one of them is read again."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from helpers.scripted_source import ScriptedSource, Unloadable

from fdakit import FdakitError
from fdakit.data_pipeline.loading.worker_crew import WorkerCrew

pytestmark = [pytest.mark.integration, pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")]

NAMES = [f"v{number}" for number in range(40)]


@pytest.fixture(scope="module")
def crew() -> Iterator[WorkerCrew]:
    with WorkerCrew(2) as crew:
        yield crew


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def read(crew: WorkerCrew, source: ScriptedSource, ahead: int = 8) -> list[str]:
    return [name for _, name, _ in crew.read(source, range(len(source.videos)), ahead=ahead)]


def reads(log: Path) -> list[tuple[str, int]]:
    """What was read, and by which process."""
    lines = [line.rpartition(" by ") for line in log.read_text().splitlines()]
    return [(name, int(pid)) for name, _, pid in lines]


def test_plans_and_sources_share_the_same_processes(crew: WorkerCrew, log: Path) -> None:
    one, other = ScriptedSource(NAMES, log), ScriptedSource(NAMES[::-1], log)
    assert read(crew, one) == NAMES
    pids = set(crew.pids)
    assert len(pids) == 2
    for _ in range(2):
        assert read(crew, one) == NAMES
        assert read(crew, other) == NAMES[::-1]
    assert set(crew.pids) == {pid for _, pid in reads(log)} == pids


def test_every_worker_has_its_share_of_the_first_batch(crew: WorkerCrew, log: Path) -> None:
    source = ScriptedSource(NAMES, log)
    first = islice(crew.read(source, range(40), ahead=16), 8)
    assert sorted(Counter(pid for pid, _, _ in first).values()) == [4, 4]


def test_what_is_new_of_a_source_reaches_its_copies_before_what_is_asked_for_next(
    crew: WorkerCrew, log: Path
) -> None:
    source = ScriptedSource(NAMES, log)
    for told in ([], ["one"], ["one", "two"]):
        source.news = told
        assert {news for _, _, news in crew.read(source, range(40), ahead=8)} == {tuple(told)}
    source.left_out["v3"] = "known by now"
    assert read(crew, source)[:5] == ["v0", "v1", "v2", "lost v3", "v4"]


def test_only_what_a_lost_worker_had_not_finished_is_read_again(crew: WorkerCrew, log: Path) -> None:
    names = [*NAMES[:11], f"die {signal.SIGSEGV:d}", *NAMES[12:]]
    before, source = set(crew.pids), ScriptedSource(names, log)
    assert read(crew, source, ahead=20) == [*NAMES[:11], f"lost {names[11]}", *NAMES[12:]]
    assert set(source.left_out) == {names[11]}
    times = Counter(name for name, _ in reads(log))
    assert set(times.values()) == {1}  # what it finished arrived, what it had not begun was begun by another
    assert len(before & set(crew.pids)) == 1


def test_a_hang_is_timed_from_the_start_of_its_own_video(crew: WorkerCrew, log: Path) -> None:
    source = ScriptedSource([*NAMES[:3], "hang", *NAMES[4:]], log, limit=1.0)
    assert read(crew, source) == [*NAMES[:3], "lost hang", *NAMES[4:]]


def test_a_plan_left_early_ends_what_still_reads_and_the_next_begins_anew(crew: WorkerCrew, log: Path) -> None:
    source = ScriptedSource(["v0", "hang"], log)
    begun = crew.read(source, range(2), ahead=2)
    assert next(begun)[1] == "v0"
    hanging = set(crew.pids)
    begun.close()
    assert len(hanging - set(crew.pids)) == 1
    assert read(crew, ScriptedSource(NAMES, log)) == NAMES


def test_plans_are_read_in_turn_and_a_heavy_source_waits_for_no_full_pipe(crew: WorkerCrew, log: Path) -> None:
    many = [str(number) for number in range(4000)]
    busy = crew.read(ScriptedSource(many, log), range(4000), ahead=4000)
    assert next(busy)[1] == "0"  # thousands of outcomes now wait to be heard
    heavy = crew.read(ScriptedSource(NAMES, log, weight=4_000_000), range(40), ahead=8)
    turns = [name for pair in zip(heavy, busy, strict=False) for _, name, _ in pair]
    assert turns[::2] == NAMES
    assert turns[1::2] == many[1:41]
    assert [name for _, name, _ in busy] == many[41:]


def test_a_fault_of_the_code_comes_with_its_traceback(crew: WorkerCrew, log: Path) -> None:
    with pytest.raises(RuntimeError, match=r"in a loader worker:\nTraceback (.|\n)* in __getitem__\n(.|\n)*as asked"):
        read(crew, ScriptedSource(["v0", "raise"], log))


def test_a_source_that_cannot_be_loaded_is_told_in_words(crew: WorkerCrew, log: Path) -> None:
    source = ScriptedSource(NAMES, log)
    source.news = [Unloadable()]
    source.left_out = {"v0": Unloadable()}  # type: ignore[dict-item]
    with pytest.raises(
        FdakitError, match=r"cannot load the parts of the recipe \(TypeError: .*set loader.workers = 0"
    ):
        read(crew, source)


def test_a_worker_killed_while_it_rests_is_reported(crew: WorkerCrew, log: Path) -> None:
    read(crew, ScriptedSource(NAMES, log))
    os.kill(crew.pids[0], signal.SIGKILL)
    with pytest.raises(FdakitError, match=r"was killed \(SIGKILL\) between two videos; the system does so where"):
        read(crew, ScriptedSource(NAMES, log))
    assert read(crew, ScriptedSource(NAMES, log)) == NAMES
