"""DiDeMo's files: their names, and the three formats of its sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fdakit.dataset_files import name_ids, read_id_list, read_json, read_table_rows, row_error
from fdakit.plugin import DatasetError, SourceFile

_ORIGIN = "github.com/LisaAnne/LocalizingMoments, folder data"
_LISTS = (
    "github.com/albanie/collaborative-experts, misc/datasets/didemo, as CLIP4Clip uses them; the same at "
    "github.com/OpenGVLab/InternVideo, commit 0e781fe, Downstream/Video-Text-Retrieval/data/DiDeMo"
)
_KNOWN = {
    "val_data.json": "b0364cc256553332feb19d46bcc4cd2b09774949fe6c0b25e7ed0ff3c6aefebb",
    "test_data.json": "1891c04ec48b3d364c739594b2b6413806b74bd9027c092d896e7ebb930ff1cd",
    "train_list.txt": "ed8fb2e66ef4ff73caec80167836dc7965d5b1dc8982990952f47bb28f68e507",
    "val_list.txt": "992923d0c9d0fcea8eb9b3ed5ba16a2f41b8c422872c92be824f1cd0a371b93e",
    "test_list.txt": "371f608f2c4984caa794ccfa40276069e209c2a0ea26a78acdad0613f4f61a2c",
}


def _file(path: str, what: str, origin: str, split: str, *others: str) -> SourceFile:
    return SourceFile(path, what, origin, others, (_KNOWN[path],) if path in _KNOWN else (), (split,))


_SPLITS = ("train", "val", "test")
ANNOTATIONS = {
    split: _file(
        *(f"{split}_data.json", f"the sentences of the {split} videos", _ORIGIN, split),
        *(f"didemo_ret_{split}.json", f"didemo_{split}_label.csv"),
    )
    for split in _SPLITS
}
LISTS = {
    split: _file(f"{split}_list.txt", f"the names of the {split} videos used for retrieval", _LISTS, split)
    for split in _SPLITS
}
VIDEOS = SourceFile(
    "videos",
    "the videos, in any container",
    "github.com/LisaAnne/LocalizingMoments, whose README says how to fetch them (download_videos_AWS.py)",
    others=("all_videos", "didemo_videos", "DiDeMo_Videos"),
)


def read_sentences(path: Path) -> dict[str, tuple[str, ...]]:
    """Return sentences by file name as the annotations write it, both in the file's order.

    A JSON list of `{video, description}`, an entry a sentence, or of `{video, caption}`, an entry a video; or a CSV
    table with `video_path` and `text`. Raises `DatasetError` naming entry or line if it is none of them.
    """
    told: dict[str, list[str]] = {}
    for name, sentence in _table(path) if path.suffix.lower() == ".csv" else _objects(path):
        told.setdefault(name, []).append(sentence)
    return {name: tuple(sentences) for name, sentences in told.items()}


def sentences_of_all(told: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return sentences by id, the name without its suffix: some videos have two names in the annotations."""
    whole: dict[str, tuple[str, ...]] = {}
    for name, sentences in told.items():
        whole[video_id(name)] = (*whole.get(video_id(name), ()), *sentences)
    return whole


def listed_videos(path: Path) -> dict[str, str]:
    """Return file names of a list by id. Raises `DatasetError` if a video is repeated."""
    listed = read_id_list(path)
    names = {video_id(name): name for name in listed}
    twice = [name for name in listed if names[video_id(name)] != name]
    if twice:
        raise DatasetError(
            f"{path.absolute()}: names that differ only in their suffixes: {name_ids(twice, shown=3)}; keep one each"
        )
    return names


def _table(path: Path) -> Iterator[tuple[str, str]]:
    for row in read_table_rows(path, ("video_path", "text"), names=["video_path"]):
        name = row.fields["video_path"].replace("\\", "/").rpartition("/")[2].strip()
        if not name:
            raise row_error(path.absolute(), row.line, "video_path names no file; give a path as all_videos/x.mov")
        yield name, row.fields["text"]


def _objects(path: Path) -> Iterator[tuple[str, str]]:
    found = read_json(path, "sentences")
    if not isinstance(found, list) or not found:
        raise DatasetError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted a list of objects, one a sentence")
    for place, entry in enumerate(found, 1):
        fields = entry if isinstance(entry, dict) else {}
        name, told = fields.get("video"), fields.get("description", fields.get("caption"))
        sentences = [told] if isinstance(told, str) else told
        if not (isinstance(name, str) and isinstance(sentences, list) and all(isinstance(s, str) for s in sentences)):
            raise DatasetError(
                f"{path.absolute()}: entry {place}: found {str(entry)[:80]!r}; wanted an object with video and "
                "description (or caption), both text"
            )
        yield from ((name, sentence) for sentence in sentences or [""])


def video_id(name: str) -> str:
    """Return a file name without its suffix, which may be a bare dot: ids contain no dot."""
    return name.rpartition(".")[0] or name
