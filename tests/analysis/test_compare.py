"""Runs compared over the same queries: what is won and lost, over seeds too, and what cannot be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from helpers.finished_runs import finished_run

from fdakit.analysis.compare import Comparison, RankChange, WinLoss, _letters, compare
from fdakit.analysis.compare_files import comparison_document, write_comparison
from fdakit.analysis.recipe_diff import reading_differences
from fdakit.analysis.run_groups import RunGroup, read_run_group
from fdakit.errors import RecipeError, ScoreError
from fdakit.report.comparison_tables import comparison_lines, comparison_notes, comparison_tables
from fdakit.report.html_page import page_html

pytestmark = pytest.mark.integration

IDS = ("red-across", "green-across", "blue-down", "yellow-down", "pink-down")
OWNERS = (0, 0, 1, 2, 3, 4)  # the first video has two captions
GOOD = np.eye(5, dtype=np.float32)[list(OWNERS)]
MakeRun = Callable[..., Path]


def scores(*ranks: int) -> np.ndarray:
    """A matrix in which the target of each caption has that rank."""
    matrix = np.tile(np.float32([0.5, 0.4, 0.3, 0.2, 0.1]), (len(ranks), 1))
    for row, rank in enumerate(ranks):
        others = [place for place in range(5) if place != OWNERS[row]]
        order = [*others[: rank - 1], OWNERS[row], *others[rank - 1 :]]
        matrix[row, order] = [0.5, 0.4, 0.3, 0.2, 0.1]
    return matrix


@pytest.fixture
def make_run(tmp_path: Path, clips: Path) -> MakeRun:
    """`make_run("a", matrix, seed=1)` writes a run folder over five real clips and six captions."""

    def make(folder: str, matrix: Any, /, **options: Any) -> Path:
        options = {"videos": [clips / f"{video}.mp4" for video in IDS], "owners": OWNERS, **options}
        return finished_run(tmp_path / folder, matrix, **options)

    return make


def compared(*sides: Path | str, **options: Any) -> Comparison:
    return compare([read_run_group(str(side)) for side in sides], draws=200, **options)


def test_a_run_against_itself_differs_in_nothing(make_run: MakeRun) -> None:
    run = make_run("a", scores(1, 2, 3, 4, 5, 1))
    comparison = compared(run, run)
    (pair,) = comparison.pairs
    assert pair.differs == {}
    for found in pair.found.values():
        assert {(test.p, test.difference, test.interval) for test in found.tests.values()} == {(1.0, 0.0, (0.0, 0.0))}
        assert found.won == found.lost == ()
        assert found.by_rank == found.by_first == WinLoss(0, 0, found.queries)


def test_queries_won_and_lost_with_the_largest_changes_first(make_run: MakeRun) -> None:
    first = make_run("a", scores(1, 5, 4, 2, 1, 3))
    second = make_run("b", scores(2, 3, 1, 1, 3, 3))
    found = compared(first, second).pairs[0].found["t2v"]
    assert (found.queries, found.clusters) == (6, 5)
    assert found.by_rank == WinLoss(won=3, lost=2, equal=1)
    assert found.by_first == WinLoss(won=2, lost=2, equal=2)
    # What reaches or leaves the first place stands before a longer way elsewhere, and there the longest way first.
    assert found.won == (
        RankChange("caption 2", "green-across", (4.0, 1.0), (2, 2)),
        RankChange("caption 3", "blue-down", (2.0, 1.0), (3, 3)),
        RankChange("caption 1", "red-across", (5.0, 3.0), (1, 1)),
    )
    assert [(change.query, change.ranks) for change in found.lost] == [
        ("caption 4", (1.0, 3.0)),
        ("caption 0", (1.0, 2.0)),
    ]
    assert found.tests["R@1"].difference == 0.0
    assert found.tests["MnR"].first == pytest.approx(16 / 6)
    assert found.tests["MnR"].second == pytest.approx(13 / 6)
    assert [change.query for change in compared(first, second, show=1).pairs[0].found["t2v"].won] == ["caption 2"]


def test_captions_of_one_video_count_as_one_draw(make_run: MakeRun) -> None:
    together = compared(make_run("a", scores(5, 5, 1, 1, 1, 1)), make_run("b", scores(1, 1, 1, 1, 1, 1)))
    test = together.pairs[0].found["t2v"].tests["R@1"]
    assert test.difference == pytest.approx(100 / 3)
    assert test.p == 1.0  # the one video that changed may have been swapped or not


def test_several_seeds_are_averaged_and_each_is_told(make_run: MakeRun) -> None:
    ranks = {1: (1, 2, 3, 1, 1, 1), 10: (3, 2, 1, 1, 1, 1), 2: (2, 2, 5, 1, 1, 1)}
    for seed, its in ranks.items():
        make_run(f"swept/seed-{seed}", scores(*its), seed=seed)
    single = make_run("b", scores(2, 2, 3, 1, 1, 2), name="other", seed=7)
    comparison = compared(single.parent / "swept", single)
    assert comparison.sides[0].seeds == (1, 2, 10)
    measured = comparison.measured[0]["t2v"]
    assert measured["MnR"] == pytest.approx((9 / 6, 12 / 6, 9 / 6))
    found = comparison.pairs[0].found["t2v"]
    assert found.tests["MnR"].first == pytest.approx(10 / 6)
    assert found.by_rank == WinLoss(won=0, lost=1, equal=5)  # (1 + 3 + 2) / 3 is the other's 2
    assert found.by_first == WinLoss(won=0, lost=3, equal=3)
    assert found.lost == (RankChange("caption 5", "pink-down", (1.0, 2.0), (5, 5)),)
    side = comparison_document(comparison)["sides"][0]
    assert side["t2v"]["MnR"] == {"mean": pytest.approx(10 / 6), "sd": pytest.approx(stdev([1.5, 2.0, 1.5]))}
    assert [(run["seed"], run["t2v"]["MnR"]) for run in side["runs"]] == [(1, 1.5), (2, 2.0), (10, 1.5)]
    assert comparison_document(comparison)["sides"][1]["t2v"]["MnR"]["sd"] is None
    several = compared(",".join(str(single.parent / "swept" / f"seed-{seed}") for seed in (10, 1)), single)
    assert several.sides[0].seeds == (10, 1)


def test_a_change_names_its_row_in_the_first_run_of_each_side(make_run: MakeRun) -> None:
    captions, order = [f"caption {row}" for row in range(6)], [5, 3, 0, 1, 4, 2]
    moved = {"texts": [captions[row] for row in order], "owners": [OWNERS[row] for row in order]}
    first = make_run("a", scores(2, 1, 1, 1, 1, 1))
    others = [make_run("b1", GOOD[order], seed=1, **moved), make_run("b2", GOOD, seed=2)]
    for second, row in ((others, order.index(0)), (others[::-1], 0)):
        (change,) = compared(first, ",".join(map(str, second))).pairs[0].found["t2v"].won
        assert (change.query, change.rows) == ("caption 0", (0, row))
        (back,) = compared(",".join(map(str, second)), first).pairs[0].found["t2v"].lost
        assert (back.query, back.rows) == ("caption 0", (row, 0))


@pytest.mark.parametrize("seeds", [2, 3, 7])
@pytest.mark.parametrize("better", [True, False])
def test_one_rank_in_one_of_several_seeds_is_a_change(make_run: MakeRun, seeds: int, better: bool) -> None:
    before, after = (3, 2) if better else (3, 4)
    sides = [
        ",".join(
            str(make_run(f"{name}{seed}", scores(1, 1, rank if seed == 1 else 3, 1, 1, 1), seed=seed))
            for seed in range(seeds)
        )
        for name, rank in (("a", before), ("b", after))
    ]
    found = compared(*sides).pairs[0].found["t2v"]
    assert found.by_rank == (WinLoss(1, 0, 5) if better else WinLoss(0, 1, 5))
    assert found.by_first == WinLoss(0, 0, 6)
    ((change,), nothing) = (found.won, found.lost) if better else (found.lost, found.won)
    assert nothing == ()
    assert change.query == "caption 2"
    assert change.ranks == pytest.approx((3.0, 3.0 + (after - before) / seeds), abs=1e-12)
    assert found.tests["MnR"].difference == pytest.approx((after - before) / seeds / 6, abs=1e-12)


def test_the_order_of_seeds_decides_nothing(make_run: MakeRun, clips: Path) -> None:
    six = {"videos": [clips / f"{video}.mp4" for video in (*IDS, "white-across")], "owners": range(6)}
    runs = []
    for seed, tied in enumerate((1, 3, 3)):  # 1 + 1/3 + 1/3 is not 1/3 + 1/3 + 1 to the last bit
        matrix = np.eye(6)
        matrix[0, :tied] = 1
        runs.append(str(make_run(f"{seed}", matrix, seed=seed, **six)))
    found = compared(",".join(runs), ",".join(runs[::-1])).pairs[0].found["t2v"]
    assert found.by_rank == found.by_first == WinLoss(0, 0, 6)
    assert found.won == found.lost == ()
    assert {test.p for test in found.tests.values()} == {1.0}


def test_as_many_draws_are_made_as_asked_for(make_run: MakeRun) -> None:
    first, second = make_run("a", scores(2, 2, 2, 2, 2, 2)), make_run("b", GOOD)
    sides = [read_run_group(str(first)), read_run_group(str(second))]
    assert compare(sides).draws == 10_000
    for draws in (3, 70):
        comparison = compare(sides, draws=draws)
        assert comparison.draws == draws
        p = comparison.pairs[0].found["t2v"].tests["R@1"].p
        assert p * (1 + draws) == pytest.approx(round(p * (1 + draws)), abs=1e-9)


def test_more_than_two_are_compared_with_the_first(make_run: MakeRun) -> None:
    runs = [make_run(name, scores(*[rank] * 6)) for name, rank in (("a", 2), ("b", 1), ("c", 4))]
    comparison = compared(*runs, metrics=("R@1", "RSum", "R@1"))
    assert [pair.labels for pair in comparison.pairs] == [("A", "B"), ("A", "C")]
    differences = [pair.found["t2v"].tests["R@1"].difference for pair in comparison.pairs]
    assert differences == [100.0, 0.0]
    assert list(comparison.pairs[0].found["v2t"].tests) == ["R@1", "RSum"]


def test_sides_are_lettered_and_beyond_the_alphabet_numbered_too() -> None:
    assert [_letters(number) for number in (0, 1, 25, 26, 51, 52)] == ["A", "B", "Z", "A2", "Z2", "A3"]


def test_the_same_queries_in_another_order_are_matched(make_run: MakeRun, clips: Path, tmp_path: Path) -> None:
    captions = ["one", "two", "again", "again", "three", "four"]
    owners = (0, 0, 1, 1, 2, 3)  # a caption that stands twice ties with itself
    matrix = np.random.default_rng(0).permuted(np.tile(np.arange(5.0), (6, 1)), axis=1)
    matrix[3] = matrix[2]
    first = make_run("a", matrix, texts=captions, owners=owners)
    order, columns = np.array([4, 3, 5, 0, 2, 1]), np.array([2, 0, 4, 3, 1])
    moved = make_run(
        "b",
        matrix[order][:, columns],
        texts=[captions[row] for row in order],
        owners=[int(np.flatnonzero(columns == owners[row])[0]) for row in order],
        videos=[clips / f"{IDS[column]}.mp4" for column in columns],
    )
    (pair,) = compared(first, moved).pairs
    for found in pair.found.values():
        assert {test.p for test in found.tests.values()} == {1.0}
        assert found.by_rank.equal == found.queries
    texts, moved_owners = [captions[row] for row in order], [owners[row] for row in order]
    worse = compared(first, make_run("c", -matrix[order], texts=texts, owners=moved_owners))
    changes = worse.pairs[0].found["t2v"].won + worse.pairs[0].found["t2v"].lost
    write_comparison(worse, comparison_document(worse), tmp_path, progress=lambda *_: None)
    page = (tmp_path / "compare.html").read_text()
    for change in changes:
        row = change.rows[0]
        assert captions[row] == change.query == captions[order[change.rows[1]]]
        firsts = f"first in A: {IDS[matrix[row].argmax()]}", f"first in B: {IDS[matrix[row].argmin()]}"
        card = page[page.index(f"<h3>{change.query}</h3>") :].partition("</article>")[0]
        assert all(first in card for first in firsts)
    assert len(changes) > 1


def test_what_differs_between_the_recipes_is_listed(make_run: MakeRun) -> None:
    first = make_run("a", GOOD)
    second = make_run(
        "b", GOOD, name="other", seed=5, mask="flow", frames=8, train_frames=4, checkpoint_chosen_by="validation"
    )
    (pair,) = compared(first, second).pairs
    assert pair.differs == {
        "sampler.train_frames": (6, 4),
        "sampler.eval_frames": (12, 8),
        "mask.use": ("frame-difference", "flow"),
        "checkpoint chosen by": ("last epoch", "validation"),
    }
    document = comparison_document(compared(first, second))
    assert document["pairs"][0]["read_unlike"] == ["sampler.eval_frames"]
    assert (
        "B differs from A in sampler.train_frames 4 instead of 6; sampler.eval_frames 8 instead of 12; "
        "mask.use 'flow' instead of 'frame-difference'; "
        "checkpoint chosen by 'validation' instead of 'last epoch'"
    ) in comparison_lines(document)
    assert any("did not read the videos alike (sampler.eval_frames)" in note for note in comparison_notes(document))
    (first / "recipe.toml").unlink()
    assert list(compared(first, second).pairs[0].differs) == ["checkpoint chosen by"]
    (second / "recipe.toml").write_text("a = ")
    (first / "recipe.toml").write_text("a = 1")
    with pytest.raises(RecipeError, match="not valid TOML"):
        compared(first, second)


NEWER = """
[matcher]
use = "fdakit:{matcher}"

[batcher]
use = "fdakit:distinct-videos"

[train]
patience = {patience}
no_decay = []
captions = "all"
"""


def test_an_option_that_an_older_run_lacks_is_at_its_default(make_run: MakeRun) -> None:
    older, newer, other = make_run("a", GOOD), make_run("b", GOOD), make_run("c", GOOD)
    for run, values in ((newer, ("cosine", 0)), (other, ("dot", 3))):
        path = run / "recipe.toml"
        area = f"threshold = 25\nmin_area = {0 if run is other else 64}\n"
        text = path.read_text().replace("threshold = 25\n", area)
        path.write_text(text + NEWER.format(matcher=values[0], patience=values[1]))
    assert compared(older, newer).pairs[0].differs == compared(newer, older).pairs[0].differs == {}
    differs = {"matcher.use": ("cosine", "dot"), "train.patience": (0, 3), "mask.min_area": (64, 0)}
    assert compared(older, other).pairs[0].differs == differs
    assert "matcher.use 'dot' instead of 'cosine'" in " ".join(
        comparison_lines(comparison_document(compared(older, other)))
    )
    for run, use in ((older, "gone:mask"), (newer, "gone:mask")):  # of a plugin that is not installed any more
        path = run / "recipe.toml"
        path.write_text(path.read_text().replace("fdakit:frame-difference", use))
    assert compared(older, newer).pairs[0].differs == {"mask.min_area": (None, 64)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "val"}, "split 'val' instead of 'test'; .* --split test --out FOLDER"),
        ({"ties": "average"}, "ties 'average' instead of 'expected'; .* --split test --set eval.ties=expected --out"),
        ({"video_to_text": "per-caption"}, "--set eval.video_to_text=grouped"),
        ({"captions": "paragraph"}, "captions 'paragraph' instead of 'multi-caption'; .*over the same annotations"),
        ({"dataset": "else"}, "dataset 'else' instead of 'made'; .* --set dataset.use=made"),
        (
            {"texts": list("abcdef")},
            "6 queries instead of 6 .t2v., only here: 'a', 'b', 'c'; only there: 'caption 0', ",
        ),
        ({"owners": (0, 1, 1, 2, 3, 4)}, "6 queries instead of 6 .t2v., the same ones in other numbers"),
        (
            {"matrix": GOOD[:5, :4], "films": 4, "owners": OWNERS[:5]},
            "4 videos instead of 5, only there: 'pink-down'",
        ),
    ],
)
def test_runs_that_ranked_something_else_are_refused(
    make_run: MakeRun, clips: Path, options: dict[str, Any], words: str
) -> None:
    options = dict(options)
    matrix, films = options.pop("matrix", GOOD), options.pop("films", 5)
    videos = [clips / f"{video}.mp4" for video in IDS[:films]]
    first, other = make_run("a", GOOD), make_run("b", matrix, videos=videos, **options)
    with pytest.raises(ScoreError, match=words) as caught:
        compared(first, other)
    assert str(caught.value).startswith(f"{other}: not scored as {first} was: ")
    assert f"fdakit eval --checkpoint {other} --split test" in str(caught.value)


def test_what_is_no_side_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run, other = make_run("deep/a", GOOD), make_run("deep/b", GOOD, frames=8, seed=2)
    for given, words in (
        (tmp_path / "gone", "gone/report.json: no such file"),
        (run / "report.json", "report.json: found a file; name the folder of a finished run"),
        (tmp_path, f"holds neither report.json nor seed-.*finished runs below it: {run}, {other}"),
        (f"{run},{other}", "not another seed of .*differs in sampler.eval_frames; name them as two sides"),
        (f"{run},{run}", "seed 24 is there twice"),
        (f"{run},,{tmp_path / 'gone'}", "gone/report.json: no such file"),
        (",", ",/report.json: no such file"),
    ):
        with pytest.raises(ScoreError, match=words):
            compared(run, given)
    make_run("sweep/mine/seed-1", GOOD), make_run("sweep/mine/seed-2", GOOD, seed=2)
    with pytest.raises(ScoreError, match=f"finished runs below it: {tmp_path / 'sweep' / 'mine'}$"):
        compared(run, tmp_path / "sweep")
    for name in "hgfedc":
        make_run(f"many/{name}", GOOD)
    shown = ", ".join(str(tmp_path / "many" / name) for name in "cdef")
    with pytest.raises(ScoreError, match=f"finished runs below it: {shown}, and 2 more$"):
        compared(run, tmp_path / "many")
    (tmp_path / "seeds" / "seed-3").mkdir(parents=True)
    with pytest.raises(ScoreError, match=r"seed-3: this run is not finished; run the same `fdakit sweep` again"):
        compared(tmp_path / "seeds", run)
    with pytest.raises(ScoreError, match="found 1 run; name two or more"):
        compared(run)
    with pytest.raises(ScoreError, match=r"'R@one': no mean over queries"):
        compared(run, run, metrics=("R@one",))


@pytest.mark.parametrize(
    ("seeds", "words"),
    [(1, "one seed on a side: .* not estimated"), (2, "two seeds on a side"), (3, "± is the standard deviation")],
)
def test_the_notes_say_what_is_not_covered(make_run: MakeRun, seeds: int, words: str) -> None:
    sides = [
        ",".join(str(make_run(f"{side}{seed}", GOOD, seed=seed)) for seed in range(count))
        for side, count in (("a", seeds), ("b", 3))
    ]
    document = comparison_document(compared(*sides, metrics=("R@1",)))
    notes = "\n".join(document["notes"])
    assert re.search(words, notes)
    assert "not another training seed, not another data set, not how a checkpoint or an option was chosen" in notes
    assert "p is not corrected for the 2 rows" in notes
    assert "rest on 5 videos, which is few" in notes
    assert "B and A have one recipe" in comparison_lines(document)
    titles = [table.title for table in comparison_tables(document)]
    assert titles[0] == "B against A, text to video: 6 captions of 5 videos"
    assert ("Every seed as measured, text to video" in titles) == (seeds + 3 > 2)


def test_the_files_hold_the_same_for_machines_and_people(make_run: MakeRun, tmp_path: Path) -> None:
    first = make_run("a", scores(1, 5, 4, 2, 1, 3))
    second = make_run("b", scores(2, 3, 1, 1, 3, 3), name="better | <b>")
    comparison = compared(first, second)
    document, told = comparison_document(comparison), []
    out = tmp_path / "out"
    out.mkdir()
    written = write_comparison(comparison, document, out, progress=lambda *facts: told.append(facts))
    assert [path.name for path in written] == ["compare.json", "compare.md", "compare.html"]
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in written)
    assert json.loads((out / "compare.json").read_text()) == json.loads(json.dumps(document))
    markdown, page = (out / "compare.md").read_text(), (out / "compare.html").read_text()
    assert "| R@1 | 33.3 | 33.3 | +0.00 | " in markdown
    assert "| caption 2 | green-across | 4 | 1 |" in markdown
    for text in document["notes"]:
        assert text in markdown
    assert page.startswith("<!DOCTYPE html>")
    assert "better | &lt;b&gt; against small" in page
    assert page.count("<article>") == 5
    assert page.index("caption 2</h3>") < page.index("caption 3</h3>") < page.index("caption 1</h3>")
    card = page[page.index("caption 2</h3>") : page.index("caption 3</h3>")]
    assert [*re.findall(r"<p>(.*?)</p>", card)] == ["rank 4 in A", "rank 1 in B"]
    assert re.findall(r"aria-label=\"(.*?)\"", card) == [
        "sought: green-across",
        "first in A: red-across (wrong)",
        "first in B: green-across (right)",
    ]
    assert "no picture" not in page
    assert told[-1] == ("drawing videos", 4, 4)  # each once, and none that is not shown


def test_a_page_without_similarities_or_films_says_so(make_run: MakeRun, tmp_path: Path) -> None:
    gone = [tmp_path / f"{video}.mp4" for video in IDS]
    first = make_run("a", scores(1, 5, 4, 2, 1, 3), similarity=False)
    second = make_run("b", scores(2, 3, 1, 1, 3, 3), videos=gone)
    comparison = compared(first, second)
    write_comparison(comparison, comparison_document(comparison), tmp_path, progress=lambda *_: None)
    page = (tmp_path / "compare.html").read_text()
    assert "what A ranked first is not shown: no similarity.npy" in page
    assert "first in A" not in page
    assert "first in B: green-across (right)" in page
    assert "no picture" not in page  # the other run's films are there
    lone = compared(second, make_run("c", GOOD, videos=gone))
    with pytest.warns(UserWarning, match=r"(\d) of \1 images are missing on the page; first: .*mp4: no such file"):
        write_comparison(lone, comparison_document(lone), tmp_path, progress=lambda *_: None)
    assert "no picture" in (tmp_path / "compare.html").read_text()
    (second / "similarity.npy").write_bytes(b"torn")
    with pytest.raises(ScoreError, match=r"similarity\.npy: not readable"):
        write_comparison(comparison, comparison_document(comparison), tmp_path, progress=lambda *_: None)


def test_lost_videos_never_stand_first(make_run: MakeRun, tmp_path: Path) -> None:
    matrix = scores(1, 1, 1, 1, 1, 1)
    spoiled = matrix.copy()
    spoiled[:, 4] = np.nan
    first, second = make_run("a", matrix), make_run("b", spoiled, lost=[4])
    comparison = compared(first, second)
    assert comparison.pairs[0].differs == {"videos that could not be read": (0, 1)}
    (change,) = comparison.pairs[0].found["t2v"].lost
    assert (change.target, change.ranks) == ("pink-down", (1.0, 5.0))
    write_comparison(comparison, comparison_document(comparison), tmp_path, progress=lambda *_: None)
    assert "first in B: red-across (wrong)" in (tmp_path / "compare.html").read_text()


def test_the_page_needs_no_gallery_where_nothing_changed(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("a", GOOD)
    comparison = compared(run, run)
    document = comparison_document(comparison)
    write_comparison(comparison, document, tmp_path, progress=lambda *_: None)
    page = (tmp_path / "compare.html").read_text()
    assert "<article>" not in page
    assert page == page_html(
        "small against small",
        lines=[*comparison_lines(document), *comparison_notes(document)],
        tables=comparison_tables(document),
        galleries=[],
    )


def test_a_group_is_read_back_from_its_side_of_a_comparison(make_run: MakeRun) -> None:
    runs = [make_run(f"seed-{seed}", GOOD, seed=seed) for seed in (3, 1)]
    group = read_run_group(",".join(map(str, runs)))
    side = group.to_json()
    assert side == {
        "name": "small",
        "runs": [{"folder": str(run), "seed": seed} for run, seed in zip(runs, (3, 1), strict=True)],
        "remarks": [],
    }
    assert RunGroup.from_json(json.loads(json.dumps(side))) == group


def test_keys_of_training_alone_are_no_difference_in_reading() -> None:
    keys = ("view.flip", "view.crop_scale", "view.crop_aspect", "view.hue", "view.size", "sampler.train_frames")
    assert reading_differences(dict.fromkeys(keys, (1, 2))) == ("view.size",)
