"""Ctrl-C and SIGTERM are remembered alike, and mean again what they meant before."""

from __future__ import annotations

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
    sigterm_as_interrupt,
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
    assert type(caught.value) is (Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    assert {n: signal.getsignal(n) for n in STOPPING} == before


def test_sigterm_sent_to_a_process_and_its_group_is_one_request() -> None:
    with stop_request() as asked:
        press(signal.SIGTERM)
        press(signal.SIGTERM)
    assert asked.signal == signal.SIGTERM
    with pytest.raises(KeyboardInterrupt), stop_request():
        press(signal.SIGTERM)
        press(signal.SIGINT)


def test_sigterm_raises_where_nothing_else_handles_it() -> None:
    with pytest.raises(Terminated), sigterm_as_interrupt():
        press(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    heard = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with sigterm_as_interrupt():
            press(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert heard == [signal.SIGTERM]


def test_exit_codes_are_those_of_shells() -> None:
    assert [exit_code(number) for number in STOPPING] == [130, 143]


def test_outside_the_main_thread_nothing_is_handled() -> None:
    found: list[StopRequest] = []

    def ask() -> None:
        with stop_request() as asked, sigterm_as_interrupt():
            found.append(asked)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert not found[0].is_set()
