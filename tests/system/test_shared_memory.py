"""Shared memory: the same bytes in two processes, nothing of it on disk, and freed with its last user."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fdakit.system.piped_process import PipedProcess
from fdakit.system.shared_memory import SharedBlock

SIZE = 1 << 20


def add_one(pipe: Connection[Any, Any]) -> None:
    """Adds one to every byte of each block that it is sent."""
    while True:
        try:
            memory = pipe.recv()
        except EOFError:
            return
        values = np.frombuffer(memory, np.uint8)
        values += 1
        pipe.send(len(values))


@pytest.mark.integration
def test_two_processes_write_and_read_the_same_bytes() -> None:
    worker, block = PipedProcess(add_one), SharedBlock(SIZE)
    values = np.frombuffer(block.buffer, np.uint8)
    assert not values.any()
    try:
        for turn in range(1, 3):
            worker.pipe.send(block)
            assert worker.pipe.recv() == SIZE
            assert (values == turn).all()
    finally:
        worker.end()
    del block
    assert (values == 2).all()  # who still maps it keeps it


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_block_closes_its_files_when_it_is_dropped() -> None:
    def taken() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum("memfd:fdakit" in str(link.readlink()) for link in links)

    before = taken()
    block = SharedBlock(1 << 34)  # of which a page is written
    np.frombuffer(block.buffer, np.uint8)[:10] = 1
    assert taken() == before + 2  # the block's own, and the map's
    del block
    assert taken() == before
