"""Ctrl-C, SIGTERM and SIGUSR1 are remembered alike, and mean again what they meant before."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading

import pytest

from fdakit.system import stop_signals
from fdakit.system.stop_signals import (
    STOPPING,
    StopRequest,
    Terminated,
    exit_code,
    signals_as_interrupt,
    stop_request,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals to oneself")


def press(number: int) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(0.01)


@pytest.mark.parametrize("number", STOPPING)
def test_the_first_signal_is_remembered_and_the_second_interrupts(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_signals, "_MOMENT", 0.0)
    before = {n: signal.getsignal(n) for n in STOPPING}
    with pytest.raises(KeyboardInterrupt) as caught, stop_request() as asked:
        assert not asked.is_set()
        press(number)
        assert asked.is_set()
        assert asked.signal == number
        press(number)
    assert type(caught.value) is (KeyboardInterrupt if number == signal.SIGINT else Terminated)
    assert getattr(caught.value, "signal", number) == number
    assert {n: signal.getsignal(n) for n in STOPPING} == before


@pytest.mark.parametrize("number", STOPPING[1:])
def test_a_signal_sent_to_a_process_and_its_group_is_one_request(number: int) -> None:
    with stop_request() as asked:
        press(number)
        press(number)
    assert asked.signal == number
    with pytest.raises(KeyboardInterrupt), stop_request():
        press(number)
        press(signal.SIGINT)


def test_other_signals_within_a_moment_are_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_request() as asked:
        press(signal.SIGUSR1)
        press(signal.SIGTERM)
    assert asked.signal == signal.SIGUSR1
    monkeypatch.setenv("WORLD_SIZE", "2")
    with stop_request() as asked:  # torchrun sends its own to each process of its group
        press(signal.SIGINT)
        press(signal.SIGINT)
    assert asked.signal == signal.SIGINT


@pytest.mark.parametrize("number", STOPPING[1:])
def test_a_scheduler_s_signal_raises_where_nothing_else_handles_it(number: int) -> None:
    with pytest.raises(Terminated) as caught, signals_as_interrupt() as asked:
        press(number)
    assert asked.signal == caught.value.signal == number
    assert signal.getsignal(number) is signal.SIG_DFL
    heard = []
    signal.signal(number, lambda number, frame: heard.append(number))
    try:
        with signals_as_interrupt():
            press(number)
    finally:
        signal.signal(number, signal.SIG_DFL)
    assert heard == [number]


def test_a_system_without_sigusr1_has_the_other_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGUSR1")
    found = importlib.util.find_spec(stop_signals.__name__)
    assert found is not None and found.loader is not None
    another = importlib.util.module_from_spec(found)
    found.loader.exec_module(another)
    assert another.STOPPING == (signal.SIGINT, signal.SIGTERM)


def test_exit_codes_are_those_of_shells() -> None:
    assert [exit_code(number) for number in STOPPING] == [130, 143, 138]


def test_outside_the_main_thread_nothing_is_handled() -> None:
    found: list[StopRequest] = []

    def ask() -> None:
        with stop_request() as asked, signals_as_interrupt():
            found.append(asked)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert not found[0].is_set()
