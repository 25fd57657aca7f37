"""TREC files: what is written is read back with the same ranks; what is wrong is named with its line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.errors import ScoreError
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.trec import rank_run, read_qrels, read_run, write_qrels, write_run
from fdakit.values import Scores

RUN = "q0 Q0 a 1 0.5 tag\nq0 Q0 b 2 0.25 tag\n"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), lost=st.booleans())
def test_a_written_run_has_the_ranks_of_its_matrix(tmp_path_factory, seed, lost):
    rng = np.random.default_rng(seed)
    owners = np.concatenate([np.arange(5), rng.integers(0, 5, 4)])
    scores = Scores(rng.integers(0, 4, (9, 5)).astype(np.float32) / 4, owners, np.arange(5) == (3 if lost else 9))
    folder = tmp_path_factory.mktemp("trec")
    captions, videos = [f"q{row}" for row in range(9)], [f"clip {column}%.mp4" for column in range(5)]
    names = {"t2v": (captions, videos), "v2t": (videos, captions)}
    rankings = {"t2v": rank_captions(scores), "v2t": rank_videos(scores, mode="per-caption")}
    for way, (queries, documents) in names.items():
        run, qrels = folder / f"{way}.trec", folder / f"{way}.qrels"
        write_run(run, scores, direction=way, queries=queries, documents=documents, tag="mine")
        write_qrels(qrels, scores, direction=way, queries=queries, documents=documents)
        found, wanted = rank_run(read_run(run), read_qrels(qrels)), rankings[way]
        np.testing.assert_array_equal(found.equal, wanted.equal)
        np.testing.assert_array_equal(found.better, wanted.better)
        assert found.pool == wanted.pool


def test_layout_depth_and_names_without_white_space(tmp_path):
    scores = Scores(np.array([[0.125, 0.5, 0.25]], np.float32), np.array([1]), np.zeros(3, np.bool_))
    write_run(
        tmp_path / "run",
        scores,
        direction="t2v",
        queries=["q 0"],
        documents=["a b", "c%", "d"],
        tag="my run",
        depth=2,
    )
    assert (tmp_path / "run").read_text() == "q%200 Q0 c%25 1 0.5 my%20run\nq%200 Q0 d 2 0.25 my%20run\n"
    write_qrels(tmp_path / "qrels", scores, direction="v2t", queries=["a b", "c%", "d"], documents=["q 0"])
    assert (tmp_path / "qrels").read_text() == "c%25 0 q%200 1\n"


def test_a_thousand_documents_are_written_unless_told_and_names_must_fit(tmp_path):
    scores = Scores(np.arange(1005, dtype=np.float32)[None], np.array([1]), np.zeros(1005, np.bool_))
    names = {"queries": ["q"], "documents": [f"d{place}" for place in range(1005)]}
    write_run(tmp_path / "run", scores, direction="t2v", **names, tag="t")
    lines = (tmp_path / "run").read_text().splitlines()
    assert len(lines) == 1000
    assert lines[-1] == "q Q0 d5 1000 5.0 t"
    for write in (write_run, write_qrels):
        also = {"tag": "t"} if write is write_run else {}
        with pytest.raises(ValueError, match=r"1005 queries and 1 documents beside scores \(1, 1005\)"):
            write(tmp_path / "no", scores, direction="t2v", queries=names["documents"], documents=["q"], **also)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_video_without_a_caption_is_a_document_and_no_query(tmp_path):
    scores = Scores(np.array([[0.125, 0.5]], np.float32), np.array([1]), np.zeros(2, np.bool_))
    write_run(tmp_path / "v", scores, direction="v2t", queries=["a", "b"], documents=["q0"], tag="t")
    assert (tmp_path / "v").read_text() == "b Q0 q0 1 0.5 t\n"
    write_run(tmp_path / "t", scores, direction="t2v", queries=["q0"], documents=["a", "b"], tag="t")
    assert (tmp_path / "t").read_text() == "q0 Q0 b 1 0.5 t\nq0 Q0 a 2 0.125 t\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("q0 Q0 a 1 0.5\n", "line 1: 5 fields; wanted 6: query Q0 document rank score tag"),
        (RUN + "q0 Q0 a 3 0.1 tag\n", "line 3: query 'q0' names document 'a' a second time"),
        (RUN + "q0 Q0 c 3 nan tag\n", "line 3: score 'nan'; wanted a finite number"),
        (RUN + "\nq0 Q0 c 3 high tag\n", "line 4: score 'high'; wanted a finite number"),
        ("\n", "holds no line"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, words):
    (tmp_path / "run").write_text(text)
    with pytest.raises(ScoreError, match=words):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("relevance", ["1.0", "yes", "9" * 30])
def test_a_judgement_is_a_whole_number(tmp_path, relevance):
    (tmp_path / "qrels").write_text(f"q0 0 a {relevance}\n")
    with pytest.raises(ScoreError, match=f"line 1: relevance '{relevance}'; wanted a whole number up to 2147483647"):
        read_qrels(tmp_path / "qrels")


def test_run_and_truth_must_fit(tmp_path):
    (tmp_path / "run").write_text(RUN)
    run = read_run(tmp_path / "run")
    with pytest.raises(ScoreError, match="1 of 1 queries of the run are without truth, such as 'q0'"):
        rank_run(run, {"q1": {"a": 1}})
    with pytest.raises(ScoreError, match="1 queries have no right document, such as 'q0'"):
        rank_run(run, {"q0": {"a": 0}})
    with pytest.raises(ScoreError, match="cannot be read"):
        read_qrels(tmp_path / "absent")


def test_a_query_that_the_run_lacks_counts_as_a_miss():
    found = rank_run({"q0": {"a": 0.5, "b": 0.25}}, {"q0": {"b": 1}, "q1": {"a": 1}, "q2": {"z": 1}})
    assert found.better.tolist() == [1, 2, 2]  # of a pool of a, b and z
