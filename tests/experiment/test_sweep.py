"""Several recipes over several seeds: one table, and nothing is run twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from fdakit import RecipeError
from fdakit.experiment import sweep_members as module
from fdakit.experiment.sweep import sweep
from fdakit.experiment.training_run import Interrupted
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Report
from fdakit.report.sweep_tables import METRICS, SweepSummary, sweep_markdown, sweep_rows, sweep_summary

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
TRAIN: dict[str, Any] = {"epochs": 1}


@pytest.fixture
def recipes(make_recipe: MakeRecipe) -> list[Recipe]:
    """With and without masks, one of them with a control."""
    return [
        make_recipe(name="masked", train=TRAIN, eval={"controls": ["zero"]}),
        make_recipe(name="plain", train=TRAIN, fusion={"use": "none"}),
    ]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweeps") / "sweep"


@pytest.fixture
def summary(recipes: list[Recipe], out: Path) -> Any:
    """The sweep over two seeds; made once, read after."""
    return sweep(recipes, [1, 2], out=out, tell=lambda line: None).to_json()


def reports(out: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads((out / name / f"seed-{seed}" / "report.json").read_text()) for seed in (1, 2)]


def test_the_summary_is_mean_and_deviation_over_seeds(summary: Any, out: Path) -> None:
    assert summary["seeds"] == [1, 2]
    assert [(row["recipe"], row["control"]) for row in summary["rows"]] == [
        ("masked", None),
        ("masked", "zero"),
        ("plain", None),
    ]
    masked, zero, plain = summary["rows"]
    for way in ("t2v", "v2t"):
        for metric in METRICS:
            for row, found in (
                (masked, [report[way][metric] for report in reports(out, "masked")]),
                (zero, [report["controls"]["zero"][way][metric] for report in reports(out, "masked")]),
                (plain, [report[way][metric] for report in reports(out, "plain")]),
            ):
                assert row[way][metric] == {"mean": pytest.approx(mean(found)), "sd": pytest.approx(stdev(found))}
    assert [report["provenance"]["seed"] for report in reports(out, "plain")] == [1, 2]
    assert reports(out, "plain")[0]["t2v"] != reports(out, "plain")[1]["t2v"]


def test_the_summary_is_written_for_machines_and_people(summary: Any, out: Path) -> None:
    assert json.loads((out / "sweep.json").read_text()) == summary
    text = (out / "sweep.md").read_text()
    told = SweepSummary.from_json(summary)
    for row in sweep_rows(told, "t2v") + sweep_rows(told, "v2t"):
        assert f"| {' | '.join(row)} |" in text
    cell = summary["rows"][0]["t2v"]["MnR"]
    assert sweep_rows(told, "t2v")[0][-1] == f"{cell['mean']:.1f} ± {cell['sd']:.1f}"
    assert sweep_rows(told, "t2v")[1][0] == "masked, same weights, zero mask"
    assert "\n## Video to text, manifest test (single-caption, grouped, ties expected)\n" in text


def test_runs_that_have_learnt_nothing_are_named(summary: Any, out: Path) -> None:
    first, second = (Report.from_json({**report, "finding": ""}) for report in reports(out, "plain"))
    finding = "after epoch 1 this training has learnt nothing"
    told = sweep_summary({"plain": [first, second.model_copy(update={"finding": finding})]}, [1, 2], {})
    assert told.to_json()["unlearnt"] == [{"recipe": "plain", "seed": 2, "finding": finding}]
    text = sweep_markdown(told)
    assert text.endswith(f"| recipe | seed | finding |\n|---|---|---|\n| plain | 2 | {finding} |\n")
    assert text.index("## Runs that have learnt nothing") > text.index("## Video to text")
    assert SweepSummary.from_json(told.to_json()) == told
    assert "unlearnt" not in sweep_summary({"plain": [first]}, [1], {}).to_json()


def test_a_second_call_runs_nothing(
    summary: Any, recipes: list[Recipe], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "run_recipe", lambda *_, **__: pytest.fail("a run was repeated"))
    told: list[str] = []
    assert sweep(recipes, [1, 2], out=out, tell=told.append).to_json() == summary
    assert len(told) == 4


NEWER_PARTS = {"matcher": "cosine", "batcher": "distinct-videos"}


def test_runs_that_an_older_fdakit_made_are_of_the_recipe_if_what_they_lack_has_its_default(
    summary: Any, make_recipe: MakeRecipe, recipes: list[Recipe], out: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(out, tmp_path / "older"))
    for path in older.glob("*/*/recipe.toml"):
        text = path.read_text()
        tables = [f'[{key}]\nuse = "fdakit:{name}"\n' for key, name in NEWER_PARTS.items()]
        for newer in (*tables, "metric = []\n", 'captions = "all"\n', "patience = 0\n", "hue = 0.0\n"):
            assert f"\n{newer}" in text
            text = text.replace(f"\n{newer}", "\n")
        path.write_text(text)
    assert sweep(recipes, [1, 2], out=older, tell=lambda line: None).to_json() == summary
    other = make_recipe(name="plain", train=TRAIN, fusion={"use": "none"}, matcher={"use": "dot"})
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        sweep([other], [1], out=older, tell=lambda line: None)


def test_one_seed_has_no_deviation(summary: Any, recipes: list[Recipe], out: Path) -> None:
    single = sweep(recipes[1:], [2], out=out, tell=lambda line: None)
    assert single.rows[0].t2v["MnR"].sd is None
    assert "±" not in sweep_rows(single, "t2v")[0][1]


def test_a_stopped_run_is_taken_up(
    make_recipe: MakeRecipe, recipes: list[Recipe], summary: Any, tmp_path: Path
) -> None:
    pressing = make_recipe(
        name="plain", train=TRAIN, fusion={"use": "none"}, observer=[{"use": "watching", "step": 2}]
    )
    with pytest.raises(Interrupted):
        sweep([pressing], [1], out=tmp_path, tell=lambda line: None)
    path = tmp_path / "plain" / "seed-1" / "recipe.toml"
    path.write_text(module.recipe_text(recipes[1]).replace("seed = 3", "seed = 1"))  # without the pressing
    again = sweep(recipes[1:], [1], out=tmp_path, tell=lambda line: None).to_json()
    assert again["rows"][0]["t2v"]["MnR"]["mean"] == reports_of(tmp_path / "plain" / "seed-1")["t2v"]["MnR"]
    state = json.loads((tmp_path / "plain" / "seed-1" / "checkpoints" / "last" / "checkpoint.json").read_text())
    assert state["step"] == 3


@pytest.mark.parametrize("left", [(), (".lock",), ("checkpoints/.last.new/model.safetensors", "metrics.jsonl")])
def test_a_run_killed_before_its_first_checkpoint_is_made_again(
    recipes: list[Recipe], summary: Any, out: Path, tmp_path: Path, left: tuple[str, ...]
) -> None:
    folder = tmp_path / "plain" / "seed-1"
    folder.mkdir(parents=True)
    for name in ("recipe.toml", "environment.json"):
        (folder / name).write_bytes((out / "plain" / "seed-1" / name).read_bytes())
    for name in left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"half")
    sweep(recipes[1:], [1], out=tmp_path, tell=lambda line: None)
    assert reports_of(folder)["t2v"] == reports_of(out / "plain" / "seed-1")["t2v"]


def test_a_sweep_of_an_older_fdakit_goes_on_though_it_kept_relative_paths(
    recipes: list[Recipe], summary: Any, out: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(out / "plain" / "seed-1", tmp_path / "plain" / "seed-1"))
    manifest = str(recipes[1].parts["dataset"].options.model_dump()["path"])
    text = (folder / "recipe.toml").read_text()
    assert manifest in text
    (folder / "recipe.toml").write_text(text.replace(manifest, "/".join(manifest.rsplit("/", 2)[1:])))
    again = sweep(recipes[1:], [1], out=tmp_path, tell=lambda line: None).to_json()
    assert again["rows"][0]["t2v"]["MnR"]["mean"] == reports_of(folder)["t2v"]["MnR"]


def reports_of(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def test_results_of_another_recipe_are_never_taken_for_this_ones(
    summary: Any, make_recipe: MakeRecipe, out: Path
) -> None:
    changed = make_recipe(name="plain", train=TRAIN, fusion={"use": "none"}, mask={"threshold": 12})
    with pytest.raises(RecipeError, match="seed-1: holds a run of another recipe; name another folder"):
        sweep([changed], [1], out=out, tell=lambda line: None)


def test_recipes_that_share_a_name_are_refused(recipes: list[Recipe], tmp_path: Path) -> None:
    other = replace(recipes[1], where="other.toml")
    for pair, said in (
        ([recipes[1]] * 2, r"sweep: 'plain' is asked for 2 times, from small\.toml; ask for it once"),
        (
            [recipes[1], other],
            r"sweep: small\.toml, other\.toml are all called 'plain'; give each a `name` of its own",
        ),
        ([replace(other, name="x" * 256)], r"sweep: no folder can be called 'x+', it is too long"),
    ):
        with pytest.raises(RecipeError, match=said):
            sweep(pair, [1], out=tmp_path, tell=lambda line: None)
    assert list(tmp_path.iterdir()) == []
