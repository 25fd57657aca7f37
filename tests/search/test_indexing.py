"""An index made of real videos, brought up to date, stopped and gone on with."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fdakit.errors import CheckpointError, DatasetError, FdakitError
from fdakit.inference.load import load
from fdakit.plugin import VideoRef
from fdakit.search.index_job import IndexJob, IndexRequest, summary
from fdakit.search.indexing import IndexingResult
from fdakit.search.table.index_info import Segmentation
from fdakit.search.table.index_table import IndexTable

pytest.importorskip("lance", reason='needs pip install "fdakit[search]"')
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*random weights:UserWarning", "ignore:.*before its .* epochs:UserWarning"),
]

Update = Callable[..., IndexingResult]


@pytest.fixture
def videos(clips: Path, tmp_path: Path) -> Path:
    """A copy of the clips, to be changed."""
    folder = tmp_path / "videos"
    shutil.copytree(clips, folder)
    return folder


def request(index: Path, videos: Path, **more: object) -> IndexRequest:
    """Return a request for windows of two seconds, so that the clip of five has several."""
    given = {"model": "quickstart", "segmentation": Segmentation(window=2.0, step=1.0), "workers": 0, **more}
    return IndexRequest(index, videos=(str(videos),), **given)  # type: ignore[arg-type]


def update(asked: IndexRequest) -> IndexingResult:
    with IndexJob(asked, tell=lambda _: None, progress=lambda *_: None) as job:
        return job.update()


def rows(index: Path) -> Counter[tuple[str, int]]:
    found = IndexTable.open(index).rows(["path", "segment"])
    return Counter(zip((Path(p).name for p in found["path"].to_pylist()), found["segment"].to_pylist(), strict=True))


def test_segments_have_the_vectors_that_the_model_gives_them(videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    done = update(request(index, videos))
    assert done.added == 8
    assert done.segments == 7 + 4
    found = IndexTable.open(index).rows(["path", "start", "end", "vector", "status", "coverage", "thumbnail"])
    assert set(found["status"].to_pylist()) == {"indexed"}
    own = [
        VideoRef(f"{number}", Path(path), start, end)
        for number, (path, start, end) in enumerate(
            zip(found["path"].to_pylist(), found["start"].to_pylist(), found["end"].to_pylist(), strict=True)
        )
    ]
    vectors = found["vector"].combine_chunks().flatten().to_numpy().reshape(len(own), -1)
    assert np.allclose(vectors, load("quickstart").encode_videos(own), atol=1e-5)
    assert all(one.startswith(b"\xff\xd8") for one in found["thumbnail"].to_pylist())


def test_only_what_differs_is_encoded_again(videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    update(request(index, videos))
    shutil.move(videos / "red-across.mp4", videos / "renamed.mp4")
    (videos / "green-across.mp4").unlink()
    shutil.copy(videos / "pink-down.mp4", videos / "blue-across.mp4")
    shutil.copy(videos / "pink-down.mp4", videos / "copy.mp4")
    (videos / "damaged.mp4").write_bytes(b"no video")
    done = update(request(index, videos))
    assert (done.added, done.updated, done.moved, done.removed, done.unchanged) == (2, 1, 1, 1, 5)
    assert list(map(os.path.basename, done.unreadable)) == ["damaged.mp4"]
    assert rows(index)["renamed.mp4", 0] == 1
    assert rows(index)["blue-across.mp4", 3] == 1
    assert set(rows(index).values()) == {1}
    again = update(request(index, videos, model=None, segmentation=None))
    assert summary(again) == "9 unchanged"


def test_a_changed_update_needs_no_names(videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    update(request(index, videos))
    (videos / "red-across.mp4").unlink()
    done = update(IndexRequest(index))
    assert done.removed == 1


def test_segments_at_rest_are_listed_without_a_vector(videos: Path, tmp_path: Path) -> None:
    update(request(tmp_path / "all", videos))
    marked = IndexTable.open(tmp_path / "all").rows(["coverage"])["coverage"].to_pylist()
    limit = float(np.median(marked))
    index = tmp_path / "index"
    done = update(request(index, videos, segmentation=Segmentation(window=2.0, step=1.0, skip_still=limit)))
    found = IndexTable.open(index).rows(["status", "coverage"]).to_pylist()
    still = [row["coverage"] for row in found if row["status"] == "still"]
    assert done.still == len(still) > 0
    assert all(coverage < limit for coverage in still)
    assert all(row["coverage"] >= limit for row in found if row["status"] == "indexed")


def test_a_folder_that_is_suddenly_empty_changes_nothing_unless_asked(videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    update(request(index, videos))
    before = rows(index)
    for path in videos.glob("*.mp4"):
        path.unlink()
    with pytest.raises(DatasetError, match="if its disk is not mounted"):
        update(request(index, videos))
    shutil.rmtree(videos)
    with pytest.raises(DatasetError, match="Nothing in the index was changed"):
        update(request(index, videos))
    assert rows(index) == before
    videos.mkdir()
    assert update(request(index, videos, prune=True)).removed == 8


def test_another_model_or_other_segments_are_refused_with_what_to_do(videos: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    update(request(index, videos))
    with pytest.raises(CheckpointError, match="Start a second index: fdakit index"):
        update(request(index, videos, model="quickstart", settings=("mask.threshold=40",)))
    with pytest.raises(CheckpointError, match="other weights"):
        update(request(index, videos, model="quickstart", settings=("seed=1",)))
    with pytest.raises(FdakitError, match="start a second index with another --out"):
        update(request(index, videos, segmentation=Segmentation(window=3.0)))


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_time(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.search import indexing

    whole = indexing._now
    grown = str(videos / "pink-down.mp4")
    monkeypatch.setattr(indexing, "_now", lambda file: (0, 0) if file.path == grown else whole(file))
    done = update(request(tmp_path / "index", videos))
    assert "while it was read" in done.remarks[grown]
    monkeypatch.undo()
    assert update(request(tmp_path / "index", videos)).added == 1


def test_an_interrupt_keeps_what_was_finished(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    asked = request(index, videos)
    shown: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        shown.append(done)
        if done == 3:
            raise KeyboardInterrupt

    with (
        IndexJob(asked, tell=lambda _: None, progress=progress) as job,
        pytest.raises(KeyboardInterrupt),
    ):
        job.update()
    assert len(IndexTable.open(index).files()) == 3
    assert update(asked).added == 5


KILLED = """
import sys
from pathlib import Path
from fdakit.search import indexing
from fdakit.search.table.index_info import Segmentation
from fdakit.search.index_job import IndexJob, IndexRequest
indexing.WAVE, indexing._ROWS = 2, 1
index, videos, said = map(Path, sys.argv[1:])
with said.open("a") as handle:
    def progress(what, done, total):
        print(done, total, file=handle, flush=True)
    cut = Segmentation(window=2.0, step=1.0)
    asked = IndexRequest(index, (str(videos),), "quickstart", segmentation=cut, workers=0)
    with IndexJob(asked, tell=lambda _: None, progress=progress) as job:
        job.update()
"""


def test_killed_again_and_again_it_ends_as_if_never_stopped(videos: Path, tmp_path: Path) -> None:
    whole, index, said = tmp_path / "whole", tmp_path / "index", tmp_path / "said"
    update(request(whole, videos))
    rng = np.random.default_rng(0)
    for _ in range(3):
        job = subprocess.Popen([sys.executable, "-c", KILLED, str(index), str(videos), str(said)])
        begun = len(said.read_text().splitlines()) if said.exists() else 0
        while job.poll() is None and (not said.exists() or len(said.read_text().splitlines()) <= begun + 1):
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.2)))
        job.send_signal(signal.SIGKILL)
        job.wait()
        assert set(rows(index).values()) <= {1}
    update(request(index, videos))
    assert rows(index) == rows(whole)
    assert not list(IndexTable.open(index).faults())
