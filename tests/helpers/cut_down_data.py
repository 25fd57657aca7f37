"""MSVD, MSR-VTT and LSMDC cut down to a few videos: the official files and folders, made of the shared data.

Lists and sentences are those of the real annotation files, and every id is an official one. The videos are the
natural clips under these ids, so what one shows is not what its sentences say, but for the few of MSR-VTT that are
among them. Training sentences of MSVD and training rows of LSMDC are not at hand: in their place stand the natural
clips' own captions, and rows of LSMDC's 10,053 test clips outside the 1,000 that are tested.
"""

from __future__ import annotations

import csv
import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

NATURAL = Path("videos", "natural")
SHORTEST = 160  # px of a frame's shorter side

Counts = Mapping[str, int]
"""How many videos of each split."""
LayOut = Callable[[Path, Path, Counts], Mapping[str, Path]]


def lay_out(root: Path, name: str, data: Path, *, videos: Counts, seconds: float) -> Path:
    """Write a data set, its videos cut to their first `seconds`, into the new folder `root`, which is given back."""
    root.mkdir(parents=True)
    wanted = SETS[name](root, data / "annotations" / name, data, videos)
    clips = sorted(path for path in (data / NATURAL).iterdir() if path.suffix != ".tsv")
    own = {clip.stem: clip for clip in clips if clip.stem in wanted}
    others = (clip for clip in clips if clip.stem not in own)
    for video, path in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        cut(own.get(video) or next(others), path, seconds=seconds)
    return root


def _msvd(root: Path, annotations: Path, data: Path, counts: Counts) -> Mapping[str, Path]:
    """Write lists, and captions as lists of words; give back where each video goes, as for each data set."""
    ids: dict[str, list[str]] = {}
    for split, count in counts.items():
        ids[split] = _lines(annotations / f"{split}_list.txt")[:count]
        (root / f"{split}_list.txt").write_text("\n".join(ids[split]), encoding="utf-8")
    told = json.loads((annotations / "captions_msvd.json").read_text(encoding="utf-8"))
    captions = {name: told[name] for split in ("val", "test") for name in ids[split]}
    captions |= {name: [text] for name, text in zip(ids["train"], _natural_captions(data), strict=False)}
    words = {name: [text.split() for text in texts] for name, texts in captions.items()}
    (root / "raw-captions.pkl").write_bytes(pickle.dumps(words))
    return {name: root / "YouTubeClips" / f"{name}.avi" for names in ids.values() for name in names}


def _msrvtt(root: Path, annotations: Path, data: Path, counts: Counts) -> Mapping[str, Path]:
    """1k-A: two csv files, and the JSON of all captions; test videos that are among the natural clips come first."""
    whole = json.loads((annotations / "MSRVTT_data.part.json").read_text(encoding="utf-8"))
    known = {video["video_id"] for video in whole["videos"]}
    natural = {path.stem for path in (data / NATURAL).iterdir()}
    train = [row for row in _rows(annotations / "MSRVTT_train.9k.csv") if row["video_id"] in known]
    test = sorted(_rows(annotations / "MSRVTT_JSFUSION_test.csv"), key=lambda row: row["video_id"] not in natural)
    kept = {"MSRVTT_train.9k.csv": train[: counts["train"]], "MSRVTT_JSFUSION_test.csv": test[: counts["test"]]}
    for name, rows in kept.items():
        with (root / name).open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    ids = [row["video_id"] for rows in kept.values() for row in rows]
    part = {key: [entry for entry in whole[key] if entry["video_id"] in ids] for key in ("videos", "sentences")}
    (root / "MSRVTT_data.json").write_text(json.dumps({"info": whole["info"], **part}), encoding="utf-8")
    return {name: root / "MSRVTT" / "videos" / "all" / f"{name}.mp4" for name in ids}


def _lsmdc(root: Path, annotations: Path, data: Path, counts: Counts) -> Mapping[str, Path]:
    """Three files of six fields, and a folder of clips for each film."""
    test = _lines(annotations / "LSMDC16_challenge_1000_publictect.csv")
    tested = {_clip(line) for line in test}
    train = [line for line in _lines(annotations / "LSMDC16_annos_test.csv") if _clip(line) not in tested]
    files = {
        "LSMDC16_annos_training.csv": train[: counts["train"]],
        "LSMDC16_annos_val.csv": _lines(annotations / "LSMDC16_annos_val.csv")[: counts["val"]],
        "LSMDC16_challenge_1000_publictect.csv": test[: counts["test"]],
    }
    for name, lines in files.items():
        (root / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    clips = [_clip(line) for lines in files.values() for line in lines]
    return {name: root / "videos" / name.rpartition("_")[0] / f"{name}.avi" for name in clips}


SETS: Mapping[str, LayOut] = {"msvd": _msvd, "msrvtt": _msrvtt, "lsmdc": _lsmdc}


def cut(source: Path, target: Path, *, seconds: float) -> None:
    """Write the first seconds of a video, 160 px on the shorter side, at 10 frames a second, as the suffix says."""
    pictures = list(_pictures(source, seconds))
    with av.open(str(target), "w") as file:
        stream = file.add_stream("mpeg4" if target.suffix == ".avi" else "libx264", rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def _pictures(source: Path, seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Yield a frame for each tenth of a second of the first seconds, in RGB."""
    with av.open(str(source)) as file:
        start, due = None, 0.0
        for frame in file.decode(video=0):
            start = frame.time if start is None else start
            if frame.time - start >= seconds:
                return
            if frame.time - start >= due:
                due += 0.1
                scale = SHORTEST / 2 / min(frame.width, frame.height)
                width, height = (2 * round(side * scale) for side in (frame.width, frame.height))
                yield frame.to_ndarray(width=width, height=height, format="rgb24")


def _natural_captions(data: Path) -> Sequence[str]:
    with (data / NATURAL / "captions.tsv").open(encoding="utf-8", newline="") as file:
        return [row["caption"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _clip(line: str) -> str:
    return line.partition("\t")[0]
