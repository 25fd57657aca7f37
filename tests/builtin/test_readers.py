"""The built-in reader keeps the contract of readers, and costs nothing until it is built."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from fdakit import VideoError
from fdakit.builtin.readers import pyav
from fdakit.plugin import BuildContext, Needs, Reader, VideoRef


@pytest.fixture
def reader():
    return pyav.PYAV.build(pyav.PYAV.options(), BuildContext())


@pytest.fixture
def video(tmp_path):
    """Ten grey frames of rising brightness, 30 + 20 i, with B-frames, 10 a second."""
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "0", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for place in range(10):
            picture = np.full((48, 64, 3), 30 + 20 * place, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return VideoRef("a", tmp_path / "clip.mp4")


def numbers(frames):
    return np.rint((frames.mean((1, 2, 3)) - 30) / 20).astype(int).tolist()


def test_it_is_a_reader_on_offer(reader):
    assert isinstance(reader, Reader)
    assert pyav.fdakit_readers() == (pyav.PYAV,)
    assert pyav.PYAV.name == "pyav"


def test_it_reads_as_the_contract_says(reader, video):
    times = reader.times(video)
    np.testing.assert_allclose(times, np.arange(10) / 10)
    clip = reader.read(video, np.array([0, 4, 9]), Needs(neighbours=(-1,)), (24, 32))
    assert clip.frames.shape == (3, 24, 32, 3)
    assert numbers(clip.frames) == [0, 4, 9]
    assert numbers(clip.neighbours[-1]) == [0, 3, 8]
    assert clip.times.tolist() == times[[0, 4, 9]].tolist()
    assert clip.id == "a"


def test_it_raises_video_errors(reader, tmp_path):
    absent = VideoRef("a", tmp_path / "absent.mp4")
    with pytest.raises(VideoError, match="no such file"):
        reader.times(absent)
    with pytest.raises(VideoError, match="no such file"):
        reader.read(absent, np.array([0]), Needs(), None)


def test_it_travels_to_worker_processes(reader, video):
    assert pickle.loads(pickle.dumps(reader)).times(video).tolist() == reader.times(video).tolist()


@pytest.mark.integration
def test_listing_it_imports_no_decoder():
    heavy = "{'av', 'torch', 'skimage', 'scipy', 'PIL'}"
    code = f"import sys, fdakit.builtin.readers.pyav; print({heavy} & set(sys.modules))"
    root = Path(pyav.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"
