"""For trials that kill: a process that fills a frame store until it is ended."""

from __future__ import annotations

from itertools import count

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest


def fill_forever(source: ClipDataset, backwards: bool) -> None:
    """Read every clip of every epoch in turn, from either end."""
    numbers = range(len(source))
    for epoch in count():
        for number in reversed(numbers) if backwards else numbers:
            source[ClipRequest(number, epoch)]
