"""A disk that fills up at any moment of any writer: one line, exit code 2, no half files, the former ones intact.

The largest size that a file may have (`RLIMIT_FSIZE`) stands for the room of the disk: the system refuses to write
beyond it, whoever writes, FFmpeg and SQLite too.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli_output import Tell
from helpers.finished_runs import finished_run
from helpers.small_clip import write_folder
from safetensors.torch import save_file

from fdakit.cli.main import execute
from fdakit.recipe.document import dump_document

FORMER = b"what stood here before\n"
RECIPE: Mapping[str, Any] = {
    "name": "small",
    "seed": 3,
    "sampler": {"use": "uniform", "train_frames": 2, "eval_frames": 2},
    "mask": {"use": "frame-difference"},
    "encoder": {
        "use": "tiny",
        "image_size": 32,
        "width": 64,
        "layers": 1,
        "text_layers": 1,
        "embedding": 16,
        "context_length": 8,
    },
    "observer": [],
    "loader": {"workers": 0},
    "frame_store": {"limit_mb": 0},
    "train": {"epochs": 1, "batch_size": 2, "learning_rate": 1e-3, "device": "cpu"},
    "eval": {"bootstrap": 0, "batch_size": 4},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """Whatever the commands read: clips, a recipe, finished runs, similarities, weights."""
    folder = tmp_path_factory.mktemp("full disk")
    films = [shutil.copy(film, folder / film.name) for film in sorted(clips.glob("*-across.mp4"))[:3]]
    names = [Path(film).name for film in films]
    rows = [f"{name},a {name[:3]} thing,{split}" for name in names for split in ("train", "val", "test")]
    (folder / "list.csv").write_text("\n".join(["path,caption,split", *rows]) + "\n")
    document = {**RECIPE, "dataset": {"use": "manifest", "path": str(folder / "list.csv")}}
    (folder / "small.toml").write_text(dump_document(document))
    matrix = np.eye(3, dtype=np.float32) + np.arange(9, dtype=np.float32).reshape(3, 3) / 20
    np.save(folder / "sims.npy", matrix)
    for name in ("a", "b"):
        finished_run(folder / name, matrix, videos=[Path(film) for film in films], owners=[0, 1, 2], name=name)
    save_file(write_folder(folder / "clip", weights=None), folder / "clip.safetensors")
    assert execute(["run", str(folder / "small.toml"), "--out", str(folder / "trained")]) == 0
    return folder


@dataclass(frozen=True)
class Writer:
    """A command that writes below `out`; `survives`: it may go on without what it could not keep."""

    name: str
    arguments: Callable[[Path, Path], list[str]]
    survives: bool = False

    def __str__(self) -> str:
        return self.name


WRITERS = (
    Writer("metrics", lambda p, o: ["metrics", f"{p}/sims.npy", "--out", f"{o}/m", "--bootstrap", "0"]),
    Writer("report md", lambda p, o: ["report", f"{p}/trained", f"{p}/trained", "--out", f"{o}/r/t.md"]),
    Writer("report html", lambda p, o: ["report", f"{p}/trained", "--out", f"{o}/r/t.html"]),
    Writer("report trec", lambda p, o: ["report", f"{p}/trained", "--to", "trec", "--out", f"{o}/trec"]),
    Writer("compare", lambda p, o: ["compare", f"{p}/a", f"{p}/b", "--draws", "100", "--out", f"{o}/c"]),
    Writer("masks", lambda p, o: ["masks", f"{p}/red-across.mp4", "--frames=2", "--video-frames=3", f"--out={o}/k"]),
    Writer("data masks", lambda p, o: ["data", "masks", f"{p}/small.toml", "--out", f"{o}/d", "--jobs", "0"]),
    Writer("data check", lambda p, o: ["data", "check", f"{p}/list.csv", "--jobs=1", f"--ledger={o}/ledger.sqlite"]),
    Writer("data prepare", lambda p, o: ["data", "prepare", "msvd", "--root", f"{prepared(o)}", "--no-scan"]),
    Writer("weights convert", lambda p, o: converted(p, o)),
    Writer("run", lambda p, o: ["run", f"{p}/small.toml", "--out", f"{o}/run"]),
    Writer("eval", lambda p, o: ["eval", "--checkpoint", f"{p}/trained", "--out", f"{o}/e"]),
    Writer("frame store", lambda p, o: stored(p, o), survives=True),
    Writer("sweep", lambda p, o: ["sweep", f"{p}/small.toml", "--seeds", "1,", "--out", f"{o}/s"]),
    Writer("moving-shapes", lambda p, o: shapes(o)),
    Writer("bench rank", lambda p, o: benched(o)),
)  # fmt: skip


def prepared(out: Path) -> Path:
    """A folder of a data set with an archive to unpack."""
    root = out / "msvd"
    if not root.exists():
        root.mkdir(parents=True)
        with zipfile.ZipFile(root / "YouTubeClips.zip", "w") as archive:
            for number in range(3):
                archive.writestr(f"YouTubeClips/v{number}_1_2.avi", random.Random(number).randbytes(40_000))
    return root


def stored(place: Path, out: Path) -> list[str]:
    settings = (f"frame_store.folder={out}/store", "frame_store.limit_mb=50", "train.epochs=0")
    return ["run", f"{place}/small.toml", "--out", f"{out}/stored", *(f"--set={setting}" for setting in settings)]


def shapes(out: Path) -> list[str]:
    """Clips of the data set are rendered below the cache, which lies in `out`."""
    settings = ("dataset.clips=2", "dataset.frames=2", "train.epochs=0", "encoder.use=tiny", "loader.workers=0")
    return ["data", "masks", "quickstart", "--limit", "2", *(f"--set={setting}" for setting in settings)]


def converted(place: Path, out: Path) -> list[str]:
    return ["weights", "convert", f"{place}/clip.safetensors", "--out", f"{out}/c.safetensors"]


def benched(out: Path) -> list[str]:
    out.mkdir(exist_ok=True)
    return ["bench", "rank", "--captions", "20", "--videos", "10", "--width", "4", "--streamed", "0", "--rounds", "1",
            "--device", "cpu", "--out", f"{out}/b.json"]  # fmt: skip


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_aftermath(out: Path, former: Mapping[str, bytes], whole: Mapping[str, bytes]) -> None:
    """Every file is the former one, or as large as a whole one; nothing hidden is left."""
    for name, content in files_below(out).items():
        assert ".part" not in name, f"left behind: {name}"
        if Path(name).suffix in (".frames", ".frames-index", ".zip", ".sqlite", ".jsonl"):
            continue  # appended to: readers pass over half a record
        if content == former.get(name):
            continue
        assert content, f"an empty file is left: {name}"
        if name in whole and Path(name).suffix in (".csv", ".svg", ".npy", ".trec"):
            assert content == whole[name], f"half a file is left: {name}"
        if Path(name).suffix == ".json":
            json.loads(content)


def tried(writer: Writer, place: Path, out: Path, tell: Tell, *, size: int, whole: Mapping[str, bytes]) -> bool:
    """Run a writer in a room that is too small; whether it noticed."""
    former = {} if writer.name in ("run", "eval", "sweep", "frame store", "data check", "moving-shapes") else whole
    for name in former:
        if not name.startswith("msvd") and "/k/" not in f"/{name}":
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(FORMER)
    former = files_below(out)
    arguments = writer.arguments(place, out)
    with room(size):
        told = tell(*arguments)
    assert "Traceback" not in told.err
    assert told.code in ((0, 2) if writer.survives else (2,)) or not missing(out, whole), told.err
    if told.code == 2:
        lines = [line for line in told.err.splitlines() if "cannot be" in line or "could not be" in line]
        assert lines, told.err
    check_aftermath(out, former, whole)
    return told.code == 2


def missing(out: Path, whole: Mapping[str, bytes]) -> list[str]:
    here = files_below(out)
    return [name for name in whole if "store/" not in name and name not in here]


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "moments", [1, pytest.param(6, marks=pytest.mark.proof)], ids=["a moment each", "six moments each"]
)
@pytest.mark.parametrize("writer", WRITERS, ids=str)
def test_a_disk_that_fills_up_is_told_in_a_line(
    writer: Writer, moments: int, place: Path, tmp_path: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "whole" / "cache"))
    told = tell(*writer.arguments(place, tmp_path / "whole"))
    assert told.code == 0, told.err
    whole = files_below(tmp_path / "whole")
    assert whole
    sizes = sorted({len(content) for name, content in whole.items() if not name.endswith(".zip")})
    noticed = 0
    for moment in range(moments):
        draw = random.Random(f"{writer}{moment}")
        size = 0 if moment == 0 else draw.choice([draw.randrange(sizes[-1]), draw.choice(sizes) - 1])
        monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / f"out{moment}" / "cache"))
        noticed += tried(writer, place, tmp_path / f"out{moment}", tell, size=max(size, 0), whole=whole)
    assert noticed or writer.survives


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB of its own; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], capture_output=True)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if done.returncode:
        pytest.skip(f"no file system of its own: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # clips may still be mapped


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("writer", [writer for writer in WRITERS if writer.name != "data prepare"], ids=str)
@pytest.mark.proof
def test_a_true_disk_that_is_full_is_told_in_a_line(
    writer: Writer, place: Path, small_disk: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for filled in (1 << 16, (1 << 16) - 8192, (1 << 16) - 24_576):
        for path in small_disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (small_disk / "ballast").write_bytes(bytes(filled))
        monkeypatch.setenv("FDAKIT_CACHE", str(small_disk / "out" / "cache"))
        told = tell(*writer.arguments(place, small_disk / "out"))
        assert "Traceback" not in told.err
        assert told.code in (0, 2), told.err
        assert filled < (1 << 16) or told.code == 2 or writer.survives
        check_aftermath(small_disk / "out", {}, {})
