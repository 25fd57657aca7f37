"""Mutated files through probe and decode in processes of their own: frames or a `VideoError`, no crash, no hang.

The full form, 2,000 files: `python -m pytest -m proof tests/video/test_fuzz.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.sample_videos import GROUPED, encode, noise

LIMIT = 60  # seconds for a process and its files; a sound file takes milliseconds
READS = """
import sys
from pathlib import Path
import numpy as np
from fdakit import VideoError
from fdakit.plugin import Needs, VideoRef
from fdakit.video import frame_times, read_frames
from fdakit.video.damage_survey import survey_video

for name in sys.argv[1:]:
    video = VideoRef(name, Path(name))
    print(name, flush=True)
    try:
        count = len(frame_times(video))
        indices = np.unique(np.linspace(0, count - 1, 5).round().astype(int))
        for ask in ({}, {"needs": Needs((-1,))}, {"size": (16, 16)}, {"needs": Needs((), True)}):
            clip = read_frames(video, indices=indices, **ask)
            assert len(clip.frames) == len(indices)
    except VideoError as error:
        assert str(video.path.absolute()) in str(error), error
    try:
        survey = survey_video(video)
        if len(survey.sound):
            read_frames(video, indices=survey.sound[:3], tolerant=True)
    except VideoError as error:
        assert str(video.path.absolute()) in str(error), error
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small files of many kinds."""
    folder = tmp_path_factory.mktemp("sources")
    kinds = {
        "a.mp4": ("libx264", GROUPED),
        "b.mkv": ("libx264", GROUPED),
        "c.ts": ("libx264", GROUPED),
        "d.avi": ("mpeg4", {"bf": "2", "g": "9"}),
        "e.mpg": ("mpeg2video", {"bf": "2", "g": "9"}),
        "f.webm": ("libvpx-vp9", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
        "g.mov": ("mjpeg", {}),
    }
    return [
        encode(folder / name, noise(24), codec=codec, options=options) for name, (codec, options) in kinds.items()
    ]


def mutated(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Bytes flipped, a stretch cut out, overwritten or doubled, the end cut off, or another file's bytes put in."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at, length = int(rng.integers(len(data))), int(rng.integers(1, max(2, len(data) // 8)))
        how = rng.integers(6)
        if how == 0:
            for place in rng.integers(0, len(data), int(rng.integers(1, 30))):
                data[place] ^= 1 << int(rng.integers(8))
        elif how == 1:
            del data[at : at + length]
        elif how == 2:
            data[at : at + length] = rng.integers(0, 256, length, np.uint8).tobytes()
        elif how == 3:
            data[at:at] = data[at : at + length]
        elif how == 4:
            del data[max(1, at) :]
        else:
            start = int(rng.integers(len(other)))
            data[at : at + length] = other[start : start + length]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def trouble(names: list[str]) -> str:
    """What went wrong with the files, "" if nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", READS, *names], capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        told = (error.stdout or b"").decode().splitlines()
        return f"a hang on {told[-1:]}"
    if done.returncode or not done.stdout.endswith("done\n"):
        return f"exit {done.returncode} on {done.stdout.splitlines()[-1:]}: {done.stderr[-2000:]}"
    return ""


def fuzz(sources: list[Path], folder: Path, *, count: int, seed: int, batch: int = 25) -> list[str]:
    rng = np.random.default_rng(seed)
    contents = [(path.suffix, path.read_bytes()) for path in sources]
    found = []
    for start in range(0, count, batch):
        names = []
        for number in range(start, min(count, start + batch)):
            suffix, content = contents[number % len(contents)]
            path = folder / f"fuzz{number}{suffix}"
            path.write_bytes(mutated(content, contents[int(rng.integers(len(contents)))][1], rng))
            names.append(str(path))
        found.append(trouble(names))
        for name in names:
            Path(name).unlink()
    return [fault for fault in found if fault]


@pytest.mark.integration
def test_mutated_files_give_frames_or_a_video_error(sources: list[Path], tmp_path: Path) -> None:
    assert fuzz(sources, tmp_path, count=70, seed=1, batch=70) == []


@pytest.mark.proof
def test_two_thousand_mutated_files(sources: list[Path], data_dir: Path, tmp_path: Path) -> None:
    odd = data_dir / "videos/odd"
    real = [p for p in sorted(odd.iterdir()) if p.suffix != ".tsv" and 800 < p.stat().st_size < 80_000]
    assert len(real) > 30
    assert fuzz([*sources, *real], tmp_path, count=2000, seed=2) == []
