"""`fdakit metrics --moments`: a submission in QVHighlights' form, and a clear word for each fault."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from fdakit.cli.main import execute

TRUE = (
    {"qid": 1, "query": "a", "vid": "x", "duration": 150, "relevant_windows": [[0, 10], [20, 60]]},
    {"qid": 2, "query": "b", "vid": "y", "duration": 150, "relevant_windows": [[30, 50]]},
)
PREDICTED = (
    {"qid": 1, "query": "a", "vid": "x", "pred_relevant_windows": [[0, 10, 0.9], [20, 60, 0.8]]},
    {"qid": 2, "pred_relevant_windows": [[100, 120, 0.7], [40, 50, 0.6]], "pred_saliency_scores": [0.1]},
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "pred.jsonl", *PREDICTED), write(tmp_path / "true.jsonl", *TRUE)


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def measured(capsys: pytest.CaptureFixture[str], predicted: Path, true: Path, *arguments: object) -> Any:
    options = ["--moments", str(predicted), "--annotations", str(true), *map(str, arguments)]
    assert execute(["metrics", *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert execute(["metrics", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_all_and_each_length_are_measured(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, *files)
    assert found["queries"] == {"all": 2, "short": 1, "middle": 1, "long": 1}
    every = found["moments"]["all"]
    assert (every["R1@0.7"], every["R5@0.5"], every["mAP@0.5"], every["mAP@0.75"], every["mIoU"]) == (
        50,
        100,
        75,
        50,
        50,
    )
    assert every["mAP"] == pytest.approx((100 + 50 / 10) / 2)
    lengths = {name: found["moments"][name]["mAP@0.5"] for name in ("short", "middle", "long")}
    assert lengths == {"short": 100, "middle": 50, "long": 50}  # of the long one the second window is right
    assert found["remarks"] == []
    assert found["ci95"]["all"]["R1@0.7"] == [0, 100]
    assert measured(capsys, *files, "--bootstrap", 0)["ci95"] == {}


def test_a_list_in_json_is_read_too(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    listed = files[0].with_suffix(".json")
    listed.write_text(json.dumps(PREDICTED))
    first, second = measured(capsys, *files), measured(capsys, listed, files[1])
    assert {**first, "source": ""} == {**second, "source": ""}


def test_what_is_to_be_read_with_the_numbers_is_said(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    windows = [[5, 5, 0.1], [9, 2, 0.2], [0, 10, 0.9]]
    write(files[0], {"qid": "1", "pred_relevant_windows": windows}, {"qid": 3, "pred_relevant_windows": []})
    write(files[1], *TRUE, {**TRUE[0], "qid": 3, "relevant_windows": [[4, 4]]}, {"qid": 4, "query": "", "vid": "z"})
    found = measured(capsys, *files)
    assert found["moments"]["all"]["R1@0.7"] == 50
    assert found["remarks"] == [
        "true.jsonl: 1 of 4 moments do not end after they start, left out",
        "queries without true moments, left out: 2",
        "queries without windows in pred.jsonl, counted as missed: 1 of 2",
        "queries whose windows are not in the order of their scores: 1; here the score decides, but QVHighlights' "
        "script takes the first window of the file for R1 and the first 10 for mAP",
        "predicted windows that do not end after they start, which overlap nothing: 2",
    ]


def test_a_table_and_files_hold_the_same(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["metrics", "--moments", str(files[0]), "--annotations", str(files[1]), "--out", str(out)]
    assert execute(arguments) == 0
    printed = capsys.readouterr().out
    row = next(line.split() for line in printed.splitlines() if line.strip().startswith("mAP@0.5"))
    assert [float(cell) for cell in row[1:] if cell != "to"] == [75, 50, 100, 100, 50, 50]
    assert "queries with true moments: all: 2, up to 10 s: 1, 10 to 30 s: 1, over 30 s: 1" in printed
    assert json.loads((out / "metrics.json").read_text()) == measured(capsys, *files)
    with (out / "moments.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["qid"], float(row["mAP@0.5"]), float(row["mIoU"])) for row in rows] == [
        ("1", 100, 100),
        ("2", 50, 0),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            {"qid": 1, "pred_relevant_windows": [[0, 10]]},
            "line 3: the window [0, 10] of qid 1 is none; wanted [start",
        ),
        ({"qid": 1, "pred_relevant_windows": [[0, 1, float("nan")]]}, "line 3: the window [0, 1, nan]"),
        ({"qid": 1, "pred_relevant_windows": "x"}, "line 3: found"),
        ({"qid": None, "pred_relevant_windows": []}, "line 3: found"),
        ({"qid": 1}, "line 3: no column 'pred_relevant_windows'"),
        ({"qid": 2, "pred_relevant_windows": []}, "line 3: qid 2 is repeated"),
        ({"qid": 9, "pred_relevant_windows": []}, "1 of 3 queries are not in true.jsonl (9); give the annotations"),
        (7, "line 3: '7' is no object"),
    ],
)
def test_a_faulty_submission_is_refused(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], line: Any, said: str
) -> None:
    write(files[0], *PREDICTED, line)
    told = refusal(capsys, "--moments", files[0], "--annotations", files[1])
    assert f"{files[0]}: {said}" in " ".join(told.split())


def test_what_does_not_go_together_is_refused(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    wanted = "give --moments with --annotations"
    assert wanted in refusal(capsys, "--moments", files[0])
    assert wanted in refusal(capsys, "--annotations", files[1])
    for more in (["sims.npy"], ["--ties", "expected"], ["--compat"], ["--rescore", "dsl"]):
        assert wanted in refusal(capsys, "--moments", files[0], "--annotations", files[1], *more)


def test_annotations_without_moments_are_refused(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write(files[1], *({key: value for key, value in line.items() if key != "relevant_windows"} for line in TRUE))
    told = refusal(capsys, "--moments", files[0], "--annotations", files[1])
    assert "no query has relevant_windows; give annotations with the true moments" in " ".join(told.split())
