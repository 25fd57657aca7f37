"""One call at a time in a thread, with its error kept for whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fdakit.system.background_call import BackgroundCall


def test_a_call_is_made_beside_its_caller_and_the_next_waits_for_it() -> None:
    calls, may_end, order = BackgroundCall("calls"), threading.Event(), []

    def first() -> None:
        assert may_end.wait(30)
        order.append(threading.current_thread().name)

    calls.start(first)
    assert calls.under_way
    assert order == []
    threading.Timer(0.05, may_end.set).start()
    calls.start(lambda: order.append("second"))
    assert order[0] == "calls"
    calls.wait()
    assert order == ["calls", "second"]
    assert not calls.under_way
    assert calls.take_error() is None


def test_an_error_is_given_once() -> None:
    calls = BackgroundCall("calls")
    fail: Callable[[], None] = lambda: {}["absent"]  # noqa: E731
    calls.start(fail)
    calls.wait()
    assert isinstance(calls.take_error(), KeyError)
    assert calls.take_error() is None


def test_waiting_for_nothing_returns() -> None:
    calls = BackgroundCall("calls")
    calls.wait()
    assert not calls.under_way
