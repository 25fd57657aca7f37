"""`fdakit report`."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli_output import Tell
from helpers.finished_runs import finished_run
from PIL import Image

from fdakit.analysis.saved_run import SavedRun
from fdakit.cli.printing import print_report
from fdakit.ranking.ranks import rank_captions
from fdakit.ranking.trec import rank_run, read_qrels, read_run
from fdakit.report.report_tables import report_markdown

MORE: dict[str, Any] = {
    "ci95": {"t2v": {"R@1": [20.0, 80.0]}, "v2t": {"R@1": [20.0, 80.0]}},
    "ties": {"t2v": 0, "v2t": 0},
    "rescored": {},
    "captions": {"counted": 4, "distinct": 4, "cut": 0},
    "masks": {"mean_coverage": 0.1, "empty_share": 0.0, "full_share": 0.0},
}
CLIPS = ("red-across", "blue-down", "pink-down")
MATRIX = np.array([[0.9, 0.1, 0.2], [0.5, 0.6, 0.4], [0.8, 0.3, 0.1], [0.1, 0.2, 0.7]])
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make("name", swing=0.1)`: a run folder with a control; `swing` moves its scores, `missing` is told."""
    root = tmp_path_factory.mktemp("runs")

    def made(name: str, *, at: str = "", swing: float = 0.0, missing: int = 0, **more: Any) -> Path:
        folder = root / (at or name)
        if folder.exists():
            return folder
        matrix = MATRIX + swing * np.roll(MATRIX, 1, axis=1)
        videos = [clips / f"{clip}.mp4" for clip in CLIPS]
        finished_run(folder, matrix, videos=videos, owners=[0, 1, 1, 2], name=name, **more)
        path = folder / "report.json"
        report = {**json.loads(path.read_text()), **MORE}
        report["protocol"] |= {"mask": "frame-difference", "mask_control": "none"}
        report["videos"] |= {"counted": 3, "missing": missing}
        report["controls"] = {"rolled": {way: report[way] for way in ("t2v", "v2t")}}
        path.write_text(json.dumps(report))
        return folder

    return made


@pytest.fixture
def run(make: Make) -> Path:
    return make("small", missing=2)


@pytest.fixture
def sweep(make: Make) -> Path:
    for seed in (1, 2):
        folder = make("swept", at=f"swept/seed-{seed}", swing=0.8 * (seed - 1), seed=seed)
    return folder.parent


def test_one_run_is_told_as_it_was_told_when_it_ended(tell: Tell, run: Path, capsys: Any) -> None:
    told = tell("report", str(run))
    print_report(SavedRun(run).report, run)
    assert (told.code, told.out) == (0, capsys.readouterr().out)
    assert f"fdakit report {run} --to html --out page.html" in told.out


def test_several_runs_stand_in_one_table_with_controls_apart(tell: Tell, run: Path, sweep: Path) -> None:
    told = tell("report", str(run), str(sweep))
    assert told.code == 0
    titles = [line.rstrip() for line in told.out.splitlines() if line[:1].strip(" ─")]
    assert titles[:2] == ["text to video", "video to text"]
    above, below = told.out.split("Controls: same weights, another mask (text to video)")
    assert "swept, mean ± sd of 2 seeds" in above
    assert "small, same weights, rolled mask" in below
    assert below.index("small: 2 absent videos left out") < below.index("made test, multi-caption")


def test_each_form_goes_to_stdout_or_by_its_ending_to_a_file(
    tell: Tell, run: Path, sweep: Path, tmp_path: Path
) -> None:
    for form, ending, start in (
        ("md", ".md", "Text to video (t2v)"),
        ("latex", ".tex", "% needs \\usepackage{booktabs}"),
        ("csv", ".csv", "run,protocol,kind,label,seeds,t2v R@1"),
        ("json", ".json", "[\n"),
    ):
        printed = tell("report", str(run), str(sweep), "--to", form)
        assert printed.code == 0
        assert printed.out.startswith(start)
        path = tmp_path / "new" / f"table{ending}"
        told = tell("report", str(run), str(sweep), "--out", str(path))
        assert (told.code, told.out.strip()) == (0, f"written: {path}")
        assert path.read_text(encoding="utf-8") == printed.out
        assert [file.name for file in path.parent.glob(".*")] == []


def test_markdown_of_one_run_is_its_own_page(tell: Tell, run: Path) -> None:
    assert tell("report", str(run), "--to", "md").out == report_markdown(SavedRun(run).report)


def test_json_is_the_report_itself_and_of_seeds_their_mean(tell: Tell, run: Path, sweep: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    assert tell("report", str(run), "--json").json == report
    first, swept = tell("report", str(run), str(sweep), "--json").json
    assert first == report
    values = [each["t2v"]["R@1"] for each in swept["reports"]]
    assert len(set(values)) == 2
    assert swept["seeds"] == [1, 2]
    assert swept["t2v"]["R@1"] == pytest.approx({"mean": np.mean(values), "sd": np.std(values, ddof=1)})
    rows = list(csv.DictReader(io.StringIO(tell("report", str(sweep), "--to", "csv").out)))
    assert float(rows[0]["t2v R@1"]) == swept["t2v"]["R@1"]["mean"]


def test_runs_of_one_name_are_told_apart_by_their_folders(tell: Tell, run: Path, make: Make) -> None:
    other = make("small", at="other")
    rows = list(csv.DictReader(io.StringIO(tell("report", str(run), str(other), "--to", "csv").out)))
    assert [row["run"] for row in rows[:2]] == [f"small ({run})", f"small ({other})"]


def test_the_page_shows_the_run_and_its_queries_as_pictures(tell: Tell, run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = tell("report", str(run), "--to", "html", "--out", str(page), "--worst", "1")
    assert (told.code, told.out.strip()) == (0, f"written: {page}")
    assert told.err.splitlines() == ["making thumbnails: 0/3", "making thumbnails: 3/3"]
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Result",
        "Controls, text to video",
        "Controls, video to text",
        "Ranks of the targets, text to video",
        "Ranks of the targets, video to text",
        "Worst queries, text to video",
        "Best queries, text to video",
    ]
    first = text.index("2 videos are absent")
    assert text.index("<h1>") < first < text.index("made test: 4 captions") < text.index("<table>")
    assert text.index("<h3>caption 2</h3>") < text.index("Best queries")
    pictures = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pictures) == 3
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.size == (64, 48)


def test_nothing_half_is_left_where_the_page_is_stopped(
    tell: Tell, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("fdakit.analysis.query_gallery.uniform_frames", stop)
    told = tell("report", str(run), "--out", str(tmp_path / "page.html"))
    assert told.code == 130
    assert list(tmp_path.iterdir()) == []


def test_trec_files_give_the_ranks_again(tell: Tell, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "trec"
    told = tell("report", str(run), "--to", "trec", "--out", str(out))
    names = ["run_t2v.trec", "qrels_t2v.txt", "run_v2t.trec", "qrels_v2t.txt"]
    assert told.out.splitlines() == [f"written: {out / name}" for name in names]
    saved = SavedRun(run)
    found = rank_run(read_run(out / "run_t2v.trec"), read_qrels(out / "qrels_t2v.txt"))
    np.testing.assert_array_equal(found.better, rank_captions(saved.scores()).better)
    assert set(read_qrels(out / "qrels_v2t.txt")["blue-down"]) == {"q1", "q2"}
    assert list(read_run(out / "run_v2t.trec")) == list(CLIPS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "latx"], "--to 'latx': no such form; did you mean 'latex'?"),
        (["--to", "html"], "--to html: written to files only; add --out page.html"),
        (["--to", "trec"], "--to trec: written to files only; add --out FOLDER"),
        (["--out", "runs.txt"], "--out 'runs.txt': its ending names no form; add --to with md, latex"),
        (["--json", "--to", "csv"], "--json prints on stdout"),
        (["--worst", "3"], "--worst and --best choose the queries of the page; add --to html"),
    ],
)
def test_what_is_asked_wrongly_is_said(tell: Tell, run: Path, arguments: list[str], words: str) -> None:
    told = tell("report", str(run), *arguments)
    assert told.code == 2
    assert words in told.err


def test_a_page_is_of_one_run(tell: Tell, sweep: Path, run: Path, tmp_path: Path) -> None:
    page = str(tmp_path / "page.html")
    told = tell("report", str(sweep), "--out", page)
    assert told.code == 2
    assert f"name a single run folder; its seeds are {sweep / 'seed-1'}" in told.err
    assert "name a single run folder" in tell("report", str(run), str(run), "--out", page).err


@pytest.mark.parametrize("form", ["html", "trec"])
def test_a_run_without_similarities_has_neither_page_nor_trec_files(
    tell: Tell, make: Make, tmp_path: Path, form: str
) -> None:
    bare = make("bare", similarity=False)
    told = tell("report", str(bare), "--to", form, "--out", str(tmp_path / "out"))
    assert told.code == 2
    assert f"{bare}/similarity.npy: no such file" in told.err
    assert not (tmp_path / "out").exists()
    assert tell("report", str(bare)).code == 0


def test_what_is_no_run_is_named(tell: Tell, run: Path, tmp_path: Path) -> None:
    told = tell("report", str(tmp_path))
    assert told.code == 2
    assert f"{tmp_path}: holds neither report.json nor seed-*/" in told.err
    assert "report.json: no such file" in tell("report", str(tmp_path / "absent")).err
    copy = shutil.copytree(run, tmp_path / "copy")
    report = json.loads((copy / "report.json").read_text())
    del report["masks"]
    (copy / "report.json").write_text(json.dumps(report))
    told = tell("report", str(copy))
    assert told.code == 2
    assert "not the whole report of a run (without 'masks'); make it again with `fdakit eval" in told.err


def test_a_place_that_cannot_be_written_is_named(tell: Tell, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (["--to", "csv", "--out", str(tmp_path)], ["--out", str(tmp_path / "file" / "a.csv")]):
        told = tell("report", str(run), *arguments)
        assert told.code == 2
        assert "cannot be written" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def shown(page: Path) -> list[tuple[int, int]]:
    """Sizes of the pictures on a page, in px."""
    sizes = []
    for picture in re.findall(r'href="data:image/jpeg;base64,([^"]+)"', page.read_text(encoding="utf-8")):
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            sizes.append(image.size)
    return sizes


def test_the_page_shows_several_frames_and_what_the_runs_mask_marks(tell: Tell, run: Path, tmp_path: Path) -> None:
    plain, masked = tmp_path / "plain.html", tmp_path / "masked.html"
    assert tell("report", str(run), "--out", str(plain), "--frames", "3").code == 0
    assert set(shown(plain)) == {(3 * 64 + 2 * 2, 48)}
    told = tell("report", str(run), "--out", str(masked), "--frames", "2", "--masks")
    assert told.code == 0, told.err
    assert set(shown(masked)) == {(2 * 112 + 2, 2 * 112)}
    refused = tell("report", str(run), "--masks")
    assert (refused.code, refused.out) == (2, "")
    assert "--frames and --masks choose the pictures of the page; add --to html" in refused.err


def test_a_run_whose_recipe_is_gone_has_no_masks_to_show(tell: Tell, run: Path, tmp_path: Path) -> None:
    (run / "recipe.toml").unlink()
    told = tell("report", str(run), "--out", str(tmp_path / "page.html"), "--masks")
    assert (told.code, told.out) == (2, "")
    assert "recipe.toml" in told.err and "Traceback" not in told.err
    assert list(tmp_path.glob("page*")) == []
