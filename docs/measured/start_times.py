"""Measure what starting `fdakit --help` costs beside importing the libraries of its command line, in user CPU time.

Run as `python docs/measured/start_times.py [ROUNDS]`: every round starts each process once, one after another.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

STARTS = {
    "import click, rich, pluggy": ["-c", "import click, rich, pluggy"],
    "fdakit --help": ["-m", "fdakit", "--help"],
    "fdakit run --help": ["-m", "fdakit", "run", "--help"],
}


def user_seconds(arguments: list[str]) -> float:
    """Return the user CPU time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main(rounds: int) -> None:
    """Print the median of each, and its ratio to the first."""
    for arguments in STARTS.values():
        user_seconds(arguments)  # so that all find their files in the system's cache
    taken = {name: [user_seconds(arguments)] for name, arguments in STARTS.items()}
    for _ in range(rounds - 1):
        for name, arguments in STARTS.items():
            taken[name].append(user_seconds(arguments))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:28}{1000 * median:6.1f} ms  {median / next(iter(medians.values())):.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 41)
