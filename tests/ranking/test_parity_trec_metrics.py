"""Parity with trec_eval's metrics: its own test run and judgements give its official output."""

from __future__ import annotations

import pytest

from fdakit.ranking.metrics import metrics
from fdakit.ranking.trec import rank_run, read_qrels, read_run
from fdakit.ranking.trec_measures import trec_measures, trec_measures_of_queries

CASES = [  # run, qrels and trec_eval's output for all judged queries
    ("results.test", "qrels.test", "out.test"),
    ("results.test", "qrels.test", "out.test.a"),
    ("results.test", "qrels.test", "out.test.aq"),
    ("results.trunc", "qrels.test", "out.test.aqc"),
]


def official(path):
    """(measure, query) -> printed value, numbers alone."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        name, query, value = line.split()
        if name not in ("runid", "relstring"):
            found[name, query] = float(value)
    return found


@pytest.mark.parametrize(("run", "qrels", "output"), CASES)
def test_parity_trec_metrics_equal_the_official_output(data_dir, run, qrels, output):
    folder = data_dir / "oracles" / "trec_eval"
    run, qrels = read_run(folder / run), read_qrels(folder / qrels)
    wanted = official(folder / output)
    every = trec_measures_of_queries(run, qrels)
    found = {("all", name): value for name, value in trec_measures(run, qrels).items()}
    found |= {(query, name): value for query, values in every.items() for name, value in values.items()}
    shared = [(name, query) for name, query in wanted if (query, name) in found]
    assert len(shared) >= 29  # all that trec_eval prints by default
    if output == "out.test":
        assert len(shared) == len(wanted)
    else:  # with all measures, so that none of ours is left without a value to hold it to
        assert {name for _, name in found} <= {name for name, _ in wanted}
    for name, query in shared:
        assert found[query, name] == pytest.approx(wanted[name, query], abs=5.1e-5), (name, query)


def test_parity_trec_metrics_of_the_best_right_document(data_dir):
    folder = data_dir / "oracles" / "trec_eval"
    ranking = rank_run(read_run(folder / "results.test"), read_qrels(folder / "qrels.test"))
    found = metrics(ranking)
    assert found["R@1"] == pytest.approx(33.3333, abs=1e-4)
    assert found["MRR"] == pytest.approx(0.4064, abs=5e-5)
