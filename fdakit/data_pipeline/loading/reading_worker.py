"""A loader worker: what it is told through its pipe, and what it tells."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

import torch

from fdakit.values import VideoRef


class Source(Protocol):
    """What workers read from; `on_read` is called before a video is read, `left_out` videos are not read at all.

    It is pickled once a worker. What it lists in `news` later on is handed to its copies, by `heed`.
    """

    on_read: Callable[[VideoRef], None] | None

    @property
    def videos(self) -> tuple[VideoRef, ...]:
        """What is read from."""

    @property
    def left_out(self) -> dict[str, str]:
        """The reason by id of videos that count as unreadable."""

    @property
    def time_limit(self) -> float:
        """The seconds that a video may take; 0: no limit."""

    @property
    def news(self) -> Sequence[Any]:
        """What copies are to be told; it only grows."""

    def heed(self, news: Any) -> None:
        """Take an item of `news`."""

    def rest(self) -> None:
        """Do what can wait, as nothing is to be read at the moment."""

    def __getitem__(self, draw: Any) -> Any: ...


@dataclass(frozen=True)
class Meet:
    """A source, pickled, under the number that it has from now on."""

    source: int
    pickled: bytes


@dataclass(frozen=True)
class Hear:
    """What is new of a source: videos that are left out, and `news`."""

    source: int
    left_out: dict[str, str]
    news: Sequence[Any]


@dataclass(frozen=True)
class Read:
    """Draws of a source to be read, by their place in a plan."""

    source: int
    plan: int
    draws: list[tuple[int, Any]]


@dataclass(frozen=True)
class Reading:
    """The worker begins to read a video, by its index in the source."""

    source: int
    video: int


@dataclass(frozen=True)
class Outcome:
    """What the source gave for a draw."""

    plan: int
    place: int
    value: Any


@dataclass(frozen=True)
class Fault:
    """An error that is not of the data: `reason` if the source could not be unpickled, else the traceback."""

    reason: str = ""
    traceback: str = ""


def serve(pipe: Connection[Any, Any]) -> None:
    """Do what is asked for until the pipe closes."""
    torch.set_num_threads(1)
    sources: dict[int, Source] = {}
    begun = False  # before that, a pipe is empty only because a source is larger than it
    while True:
        if begun and not pipe.poll():
            for source in sources.values():
                source.rest()
        try:
            asked = pipe.recv()
        except EOFError:
            return
        try:
            if isinstance(asked, Meet):
                sources[asked.source] = _met(asked, pipe)
            elif isinstance(asked, Hear):
                _hear(sources[asked.source], asked)
            else:
                begun = True
                for place, draw in asked.draws:
                    pipe.send(Outcome(asked.plan, place, sources[asked.source][draw]))
        except Exception as error:  # noqa: BLE001 - it is raised again where the plan is read
            said = f"{type(error).__name__}: {error}"
            pipe.send(Fault(reason=said) if isinstance(asked, Meet) else Fault(traceback=traceback.format_exc()))


def _met(asked: Meet, pipe: Connection[Any, Any]) -> Source:
    source: Source = pickle.loads(asked.pickled)
    numbers = {video.id: number for number, video in enumerate(source.videos)}
    source.on_read = partial(_tell, pipe, asked.source, numbers)
    return source


def _tell(pipe: Connection[Any, Any], source: int, numbers: dict[str, int], video: VideoRef) -> None:
    pipe.send(Reading(source, numbers[video.id]))


def _hear(source: Source, told: Hear) -> None:
    source.left_out.update(told.left_out)
    for news in told.news:
        source.heed(news)
