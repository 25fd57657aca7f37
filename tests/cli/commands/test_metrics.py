"""`fdakit metrics`: the same object as a report, tie rules, rescoring, and a clear word for each fault."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from helpers.finished_runs import finished_run

from fdakit.cli.main import execute

pytestmark = pytest.mark.integration

SIMS = np.array([[0.75, 0.5, 0.25], [0.5, 0.5, 0.5], [0.0, 0.25, 0.5]], np.float32)


@pytest.fixture
def sims(tmp_path: Path) -> Path:
    np.save(tmp_path / "sims.npy", SIMS)
    return tmp_path / "sims.npy"


def measured(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert execute(["metrics", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert execute(["metrics", *map(str, arguments)]) == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("ties", "first", "mean"),
    [
        ("expected", 77.7778, 1.3333),
        ("optimistic", 100, 1),
        ("pessimistic", 66.6667, 1.6667),
        ("average", 66.6667, 1.3333),
    ],
)
def test_every_tie_rule(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ties: str, first: float, mean: float
) -> None:
    matrix = np.eye(3, dtype=np.float32)
    matrix[1] = 0.5
    np.save(tmp_path / "sims.npy", matrix)
    found = measured(capsys, tmp_path / "sims.npy", "--ties", ties)
    assert found["t2v"]["R@1"] == pytest.approx(first, abs=1e-4)
    assert found["t2v"]["MnR"] == pytest.approx(mean, abs=1e-4)
    assert found["v2t"]["R@1"] == 100.0
    assert found["ties"] == {"t2v": 1, "v2t": 0}
    assert list(found["t2v"]) == ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "MRR", "RSum"]


def test_rescored_scores_stand_apart(capsys: pytest.CaptureFixture[str], sims: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", SIMS[::-1])
    given = measured(capsys, sims)
    rescore = ["--rescore", "dsl", "--rescore", "dsl temperature=1", "--rescore", "qb-norm"]
    found = measured(capsys, sims, *rescore, "--bank", tmp_path / "bank.npy")
    assert {way: found[way] for way in ("t2v", "v2t")} == {way: given[way] for way in ("t2v", "v2t")}
    assert list(found["rescored"]) == ["dsl", "dsl 2", "qb-norm"]
    assert found["rescored"]["dsl 2"]["options"]["temperature"] == 1.0
    assert found["rescored"]["dsl"]["needs_all_queries"]
    assert not found["rescored"]["qb-norm"]["needs_all_queries"]
    assert "v2t" not in found["rescored"]["qb-norm"]
    execute(["metrics", str(sims), "--rescore", "dsl"])
    printed = capsys.readouterr().out
    assert "dsl needs all queries at once" in printed


@pytest.mark.parametrize("ending", ["npy", "json", "txt"])
def test_several_captions_a_video_in_every_form_of_truth(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str
) -> None:
    np.save(tmp_path / "sims.npy", np.array([[0.9, 0.75], [0.2, 0.8], [0.3, 0.7]]))
    truth = tmp_path / f"truth.{ending}"
    if ending == "npy":
        np.save(truth, np.array([0, 0, 1]))
    else:
        truth.write_text("[0, 0, 1]" if ending == "json" else "0\n0\n1\n")
    grouped = measured(capsys, tmp_path / "sims.npy", "--truth", truth)
    assert grouped["t2v"]["R@1"] == pytest.approx(66.6667, abs=1e-4)
    assert (grouped["v2t"]["R@1"], grouped["v2t"]["MnR"]) == (50.0, 1.5)
    single = measured(capsys, tmp_path / "sims.npy", "--truth", truth, "--video-to-text", "per-caption")
    assert single["v2t"]["MnR"] == 2.0
    assert single["pool"] == {"t2v": 2, "v2t": 3}


def test_several_right_videos_give_ndcg(capsys: pytest.CaptureFixture[str], sims: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "gains.npy", np.array([[2, 1, 0], [0, 1, 0], [0, 0, 1]]))
    found = measured(capsys, sims, "--truth", tmp_path / "gains.npy")
    assert found["t2v"]["nDCG"] == pytest.approx((1 + (1 + 1 / np.log2(3) + 0.5) / 3 + 1) / 3)
    assert found["v2t"]["R@1"] == pytest.approx(100 * (1 + 1 + 0.5) / 3)


def test_vectors_give_the_numbers_of_their_matrix(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts, videos = rng.integers(-3, 4, (12, 4)).astype(np.float32), rng.integers(-3, 4, (6, 4)).astype(np.float32)
    owners = rng.integers(0, 6, 12)
    for name, values in (("t", texts), ("v", videos), ("truth", owners), ("sims", texts @ videos.T)):
        np.save(tmp_path / f"{name}.npy", values)
    truth = ["--truth", tmp_path / "truth.npy"]
    streamed = measured(
        capsys, "--texts", tmp_path / "t.npy", "--videos", tmp_path / "v.npy", *truth, "--device", "cpu"
    )
    whole = measured(capsys, tmp_path / "sims.npy", *truth)
    assert streamed["remarks"] == ["the vectors are not of length one, so scores are their products and no cosines"]
    assert {**streamed, "source": "", "remarks": []} == {**whole, "source": ""}


def test_a_run_is_measured_by_the_rules_of_its_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files, owners = [tmp_path / f"v{place}.mp4" for place in range(2)], [0, 0, 1]
    matrix = [[0.75, 0.75], [0.5, 0.75], [0.5, 0.5]]
    rules = {"ties": "pessimistic", "video_to_text": "per-caption"}
    run = finished_run(tmp_path / "run", matrix, videos=files, owners=owners, **rules)
    found = measured(capsys, run)
    assert found["protocol"] == rules
    assert found["t2v"]["R@1"] == 0
    assert found["pool"]["v2t"] == 3
    asked = measured(capsys, run, "--ties", "optimistic")
    assert asked["protocol"] == {**rules, "ties": "optimistic"}
    assert asked["t2v"]["MnR"] == pytest.approx(4 / 3)
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps({**report, "videos": {}}))
    assert "report.json: does not state which videos were unreadable" in refused(capsys, run)
    (run / "report.json").write_text(json.dumps({**report, "protocol": {}}))
    assert "not the report of a run of this fdakit: protocol" in refused(capsys, run)


def test_a_run_that_left_vectors_gives_the_numbers_of_its_matrix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    texts, videos = rng.integers(-3, 4, (9, 4)).astype(np.float32), rng.integers(-3, 4, (5, 4)).astype(np.float32)
    files, owners = [tmp_path / f"v{place}.mp4" for place in range(5)], [0, 0, 1, 2, 3, 3, 3, 4, 1]
    whole = finished_run(tmp_path / "whole", texts @ videos.T, videos=files, owners=owners, lost=[2])
    left = finished_run(tmp_path / "left", texts @ videos.T, videos=files, owners=owners, lost=[2], similarity=False)
    np.save(left / "text_vectors.npy", texts)
    np.save(left / "video_vectors.npy", videos)
    found, wanted = measured(capsys, left), measured(capsys, whole)
    assert {**found, "source": "", "remarks": []} == {**wanted, "source": ""}
    np.save(left / "video_vectors.npy", videos[:3])
    assert "wanted texts (q, d)" in refused(capsys, left)


def test_counting_as_clip4clip_does_stands_apart(capsys: pytest.CaptureFixture[str], sims: Path) -> None:
    found = measured(capsys, sims, "--compat", "--ties", "optimistic")
    assert found["t2v"]["R@1"] == 100.0
    assert found["compat"]["clip4clip"]["t2v"]["entries"] == 5
    assert found["compat"]["clip4clip"]["t2v"]["R@1"] == 60.0


def test_ranks_of_every_query_are_kept(capsys: pytest.CaptureFixture[str], sims: Path, tmp_path: Path) -> None:
    found = measured(capsys, sims, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == found
    rows = (tmp_path / "out" / "ranks_t2v.csv").read_text().splitlines()
    assert rows[2] == "1,1,2.0,0,2"


def kept_targets(folder: Path, way: str) -> list[tuple[str, str]]:
    with (folder / f"ranks_{way}.csv").open(newline="") as file:
        return [(row["query"], row["target"]) for row in csv.DictReader(file)]


def test_the_ranks_that_are_kept_name_the_right_answers(
    capsys: pytest.CaptureFixture[str], sims: Path, tmp_path: Path
) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth.npy"
    np.save(truth, np.array([2, 0, 2]))
    measured(capsys, sims, "--truth", truth, "--out", out)
    assert kept_targets(out, "t2v") == [("0", "2"), ("1", "0"), ("2", "2")]
    assert kept_targets(out, "v2t") == [("0", "0"), ("2", "2")]
    np.save(truth, np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]]))
    measured(capsys, sims, "--truth", truth, "--out", out)
    assert kept_targets(out, "t2v") == [("0", "0 1"), ("1", "1"), ("2", "1")]
    assert kept_targets(out, "v2t") == [("0", "0"), ("1", "0 1 2")]
    (tmp_path / "run").write_text("qa Q0 x 1 0.5 t\n")
    (tmp_path / "qrels").write_text("qa 0 x 1\nqa 0 y 0\nqb 0 y 1\nqb 0 z 2\n")
    measured(capsys, tmp_path / "run", "--truth", tmp_path / "qrels", "--out", out)
    assert kept_targets(out, "t2v") == [("qa", "x"), ("qb", "y z")]


def test_a_trec_run_is_measured_both_ways(capsys: pytest.CaptureFixture[str], data_dir: Path) -> None:
    folder = data_dir / "oracles" / "trec_eval"
    found = measured(capsys, folder / "results.test", "--truth", folder / "qrels.test")
    assert found["trec"]["map"] == pytest.approx(0.1785, abs=5e-5)
    assert found["t2v"]["R@1"] == pytest.approx(33.3333, abs=1e-4)
    assert found["t2v"]["nDCG"] == pytest.approx(0.4021, abs=5e-5)
    assert "v2t" not in found


@pytest.mark.parametrize("name", ["video", "titles"])
@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "average", "expected"])
def test_the_real_matrices_give_the_expected_values(
    capsys: pytest.CaptureFixture[str], data_dir: Path, name: str, ties: str
) -> None:
    folder = data_dir / "oracles" / "cap4video"
    wanted = json.loads((folder / "expected_metrics.json").read_text())["results"][name]
    rule = {"average": "mean", "expected": "random_order"}.get(ties, ties)
    matrix = folder / f"msrvtt_{name}_matrix.npy"
    found = measured(capsys, matrix, "--ties", ties, "--rescore", "dsl", "--bootstrap", 0)
    for way in ("t2v", "v2t"):
        for expected, got in ((wanted["raw"], found), (wanted["dsl"], found["rescored"]["dsl"])):
            values = expected[way][rule]
            assert {key: got[way][key] for key in values} == pytest.approx(values, abs=1e-4)


def test_faults_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, sims: Path) -> None:
    broken = SIMS.copy()
    broken[1, 2] = np.nan
    arrays = {
        "nan": broken,
        "flat": SIMS[0],
        "tall": SIMS[:, :2],
        "words": np.array(["a"]),
        "short": np.array([0, 1]),
    }
    paths = {name: tmp_path / f"{name}.npy" for name in arrays}
    for name, values in arrays.items():
        np.save(paths[name], values)
    assert "not finite for 1 of 3 queries (rows [1]) and 1 of 3 videos (columns [2])" in refused(capsys, paths["nan"])
    assert "float32(3,); wanted numbers in 2 dimensions" in refused(capsys, paths["flat"])
    assert "<U1(1,); wanted numbers" in refused(capsys, paths["words"])
    assert "3 captions and 2 videos, so the truth is no diagonal" in refused(capsys, paths["tall"])
    assert "2 rows of truth for 3 captions" in refused(capsys, sims, "--truth", paths["short"])
    assert "cannot be read" in refused(capsys, tmp_path / "absent.npy")
    assert "no such file" in refused(capsys, tmp_path)
    assert "needs its judgements" in refused(capsys, Path(__file__))
    (tmp_path / "truth.txt").write_text("0\n-1\n2\n")
    assert "1 captions are without truth: row 1 names column -1" in refused(
        capsys, sims, "--truth", tmp_path / "truth.txt"
    )
    (tmp_path / "truth.txt").write_text("0\nb\n2\n")
    assert "not one column number for each row" in refused(capsys, sims, "--truth", tmp_path / "truth.txt")
    (tmp_path / "empty.npy").write_bytes(b"")
    assert "not readable as .npy" in refused(capsys, tmp_path / "empty.npy")
    (tmp_path / "run").write_text("q0 Q0 a 1 0.5 t\nq0 Q0 a 2 0.5 t\n")
    (tmp_path / "qrels").write_text("q0 0 a 1\n")
    assert "line 2: query 'q0' names document 'a' a second time" in refused(
        capsys, tmp_path / "run", "--truth", tmp_path / "qrels"
    )
    assert "bank none" in refused(capsys, sims, "--rescore", "qb-norm")
    assert "did you mean 'dsl'" in refused(capsys, sims, "--rescore", "dls")
    assert "give SIMS.npy, a run, or both" in refused(capsys)


@pytest.mark.parametrize(
    "values", [[0, 1, 2.5], [True, False, True], [0, 1, 2**64 - 1], [0, 1, 1e300], [0, 1, np.nan]]
)
def test_truth_of_anything_but_whole_numbers_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sims: Path, values: Any
) -> None:
    np.save(tmp_path / "truth.npy", np.array(values))
    (tmp_path / "truth.json").write_text(json.dumps(values))
    (tmp_path / "truth.txt").write_text("\n".join(map(str, values)))
    for ending in ("npy", "json", "txt"):
        said = refused(capsys, sims, "--truth", tmp_path / f"truth.{ending}")
        assert "not one column number for each row: found" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"0": 0, "1": 1, "2": 2}', "holds a dict; wanted a list, one column for each row"),
        ('"012"', "holds a str; wanted a list"),
        ("[[0], [1], [2]]", "found '[0]' in row 0"),
        ('[0, "1_0", 2]', "found '1_0' in row 1"),
        ("[" * 100_000, "not readable as JSON"),
    ],
)
def test_json_that_is_no_list_of_columns_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sims: Path, text: str, words: str
) -> None:
    (tmp_path / "truth.json").write_text(text)
    assert words in refused(capsys, sims, "--truth", tmp_path / "truth.json")


def test_whole_numbers_may_be_written_with_a_point(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sims: Path
) -> None:
    np.savetxt(tmp_path / "truth.txt", np.array([2, 1, 0]))
    np.save(tmp_path / "truth.npy", np.array([2.0, 1.0, 0.0]))
    texts, arrays = (measured(capsys, sims, "--truth", tmp_path / f"truth.{e}") for e in ("txt", "npy"))
    assert texts == arrays
    assert texts["t2v"]["MnR"] == pytest.approx(8 / 3)


def test_files_that_are_no_arrays_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, sims: Path) -> None:
    with ZipFile(tmp_path / "words.npz", "w") as archive:
        archive.writestr("a.txt", "words")
    assert "holds no array" in refused(capsys, tmp_path / "words.npz")
    np.savez_compressed(tmp_path / "torn.npz", sims=np.random.default_rng(0).random((40, 40)))
    torn = bytearray((tmp_path / "torn.npz").read_bytes())
    torn[60:90] = bytes(30)
    (tmp_path / "torn.npz").write_bytes(torn)
    assert "not readable as .npz" in refused(capsys, tmp_path / "torn.npz")
    whole = sims.read_bytes()
    (tmp_path / "open.npy").write_bytes(whole.replace(b"(3, 3)", b"(3, 3 "))
    assert "not readable as .npy" in refused(capsys, tmp_path / "open.npy")
    assert "cannot be read" in refused(capsys, tmp_path / ("long" * 100))
    assert "cannot be read (No such file" in refused(capsys, tmp_path / "absent")
    assert "found no value for 'temperature'; write NAME KEY=VALUE" in refused(
        capsys, sims, "--rescore", "dsl temperature"
    )


def test_a_matrix_too_large_for_memory_is_said_to_be_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, sims: Path
) -> None:
    def full(*given: object, **also: object) -> None:
        raise MemoryError("unable to allocate 40 GiB")

    monkeypatch.setattr(np, "load", full)
    assert "does not fit in memory (unable to allocate 40 GiB); give the vectors" in refused(capsys, sims)
