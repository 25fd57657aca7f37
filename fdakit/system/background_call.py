"""Calls made in a thread, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable


class BackgroundCall:
    """A thread for one call at a time; its error is kept until it is asked for.

    A process that ends does not wait for the thread: callers wait for what has to be complete.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def under_way(self) -> bool:
        """Whether a call has not returned yet."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, call: Callable[[], None]) -> None:
        """Make a call in the thread, after the one under way."""
        self.wait()
        self._thread = threading.Thread(target=self._make, args=(call,), name=self._name, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait for the call under way; a signal may interrupt the waiting."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take_error(self) -> BaseException | None:
        """Return what the last call raised, once; None if it raised nothing or is under way."""
        error, self._error = self._error, None
        return error

    def _make(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - raised or told by whoever asks for it
            self._error = error
