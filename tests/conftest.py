"""What tests of several packages share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

pytest_plugins = ["helpers.recipe_fixtures"]

settings.register_profile("calm", deadline=None)  # a busy machine must not fail a law
settings.load_profile("calm")

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 200, 60),
    "blue": (50, 60, 230),
    "yellow": (240, 220, 50),
    "white": (250, 250, 250),
    "pink": (240, 110, 190),
}
WAYS = {"across": (0, 4), "down": (3, 0), "rests": (0, 0)}  # pixels a frame: downwards, to the right
CLIPS = (
    ("red", "across", 12),
    ("green", "across", 12),
    ("blue", "across", 12),
    ("blue", "down", 12),
    ("yellow", "down", 12),
    ("white", "across", 12),
    ("pink", "down", 40),
    ("red", "rests", 1),
)


@pytest.fixture(scope="session", autouse=True)
def _no_outside_plugins() -> Iterator[None]:
    """What else is installed beside fdakit must not decide a test; tests of plugins name theirs themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDAKIT_PLUGINS", "")
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user keeps must not decide a test, and a test leaves nothing among it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDAKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes run the tests: at most 8; 0 for single files, `-s` and long trials."""
    single = bool(config.args) and all("::" in name or name.endswith(".py") for name in config.args)
    if single or config.option.capture == "no" or config.option.markexpr == "proof":
        config.option.dist = "no"
        return 0
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long trials, and tests of the shared data, count as integration too: `-m "not integration"` leaves them out."""
    for item in items:
        if item.get_closest_marker("proof") or "data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("integration")


def pytest_configure() -> None:
    """One thread for torch, here and in what tests start: on small models threads only wait for each other."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["FDAKIT_PLUGINS"] = ""  # before tests are collected, as some are one for each part there is
    # Ctrl-C must reach the tests of it also where the suite was started in the background, with SIGINT ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder that `FDAKIT_DATA` names: real annotations, clips and expected values. Read only."""
    value = os.environ.get("FDAKIT_DATA")
    if not value:
        pytest.skip("FDAKIT_DATA is not set; this test needs the shared data folder")
    path = Path(value)
    if not (path / "SOURCES.tsv").is_file():
        pytest.fail(f"FDAKIT_DATA={value} holds no SOURCES.tsv, so it is not the data folder")
    return path


FFMPEG_ABSENT = """
class VideoDecoder:
    def __init__(self, source, **options):
        raise RuntimeError("Could not load libtorchcodec. Likely causes:\\n 1. FFmpeg is not properly installed")
"""


@pytest.fixture(params=["when imported", "with the first decoder"])
def without_ffmpeg(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A torchcodec that finds no FFmpeg: older releases fail to import, newer ones at the first decoder."""
    package = tmp_path / "without-ffmpeg" / "torchcodec"
    package.mkdir(parents=True)
    early = "from .decoders import VideoDecoder\nVideoDecoder(None)\n" if request.param == "when imported" else ""
    (package / "__init__.py").write_text(early, encoding="utf-8")
    (package / "decoders.py").write_text(FFMPEG_ABSENT, encoding="utf-8")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(package.parent)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        del sys.modules[name]  # before the patch puts back what was there


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight real H.264 clips, 64 x 48 px at 8 frames a second, and `clips.csv` (path, caption).

    Each shows a coloured square on grey. All have 12 frames but `red-rests.mp4` with one and
    `pink-down.mp4` with 40.
    """
    folder = tmp_path_factory.mktemp("clips")
    lines = ["path,caption"]
    for colour, way, count in CLIPS:
        name = f"{colour}-{way}.mp4"
        _write_clip(folder / name, _square(count, colour=COLOURS[colour], way=WAYS[way]))
        lines.append(f"{name},a {colour} square moves {way}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _square(count: int, *, colour: tuple[int, int, int], way: tuple[int, int]) -> NDArray[np.uint8]:
    frames = np.full((count, 48, 64, 3), 30, np.uint8)
    for place in range(count):
        top, left = (4 + place * way[0]) % 34, (4 + place * way[1]) % 50
        frames[place, top : top + 14, left : left + 14] = colour
    return frames


def _write_clip(path: Path, frames: NDArray[np.uint8]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"crf": "12"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
