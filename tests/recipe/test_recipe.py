"""A recipe is checked whole: every fault of every table at once, each worded, with the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import component, document, lines, offering
from helpers.shipped import catalog_for
from hypothesis import given, strategies as st
from pydantic import BaseModel

from fdakit import RecipeError
from fdakit.catalog import KINDS, Catalog, load_catalog
from fdakit.plugin import Options
from fdakit.recipe.document import dump_document, read_document, shipped_recipes
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.tables import SETTINGS, SINGLE
from fdakit.recipe.validation import read_recipe, validate

CATALOG = load_catalog()


def check(catalog: Catalog = CATALOG, **tables: Any) -> Recipe:
    return validate(document(**tables), where="x.toml", catalog=catalog)


def faults(catalog: Catalog = CATALOG, **tables: Any) -> dict[str, str]:
    """Faults of a recipe as `table.key` -> text."""
    with pytest.raises(RecipeError) as caught:
        check(catalog, **tables)
    return dict(lines(caught.value.faults, "x.toml"))


def test_all_faults_of_all_tables_come_at_once_each_with_its_key() -> None:
    found = faults(
        name=5,
        seed="24",
        trian={"epochs": 1},
        dataset={"use": "msvdd"},
        sampler={"use": "uniform", "train_frames": 0, "by": "tme"},
        mask={"use": "frame-difference", "thresold": 20, "control": "rolld"},
        encoder={"use": "tiny", "image_size": 64.5},
        objective=[{"use": "symmetric-contrastive", "weight": 0}],
        observer=[{"use": "consol"}],
        view={"flip": 2},
        loader={"worker": 2},
        frame_store={"enabled": 1},
        train={"epochs": "5", "learning_rate": float("nan")},
        eval={"ties": "random", "rescoring": [{"use": "softmax-of-dreams"}]},
    )
    assert found.keys() == {
        "name",
        "seed",
        "trian",
        "dataset.use",
        "sampler.train_frames",
        "sampler.by",
        "mask.thresold",
        "mask.control",
        "encoder.image_size",
        "objective.0.weight",
        "observer.0.use",
        "view.flip",
        "loader.worker",
        "frame_store.enabled",
        "train.epochs",
        "train.learning_rate",
        "eval.ties",
        "eval.rescoring.0.use",
    }
    assert found["trian"] == "unknown table or key; did you mean 'train'?"
    assert found["dataset.use"].startswith("unknown dataset 'msvdd'; did you mean 'msvd'?")
    assert found["loader.worker"] == "unknown option of [loader] of fdakit; did you mean 'workers'?"


def test_an_unknown_option_names_the_part_its_provider_and_the_nearest_option() -> None:
    version = CATALOG.find("mask", "frame-difference").provider.version
    assert faults(mask={"use": "frame-difference", "thresold": 20}) == {
        "mask.thresold": f"unknown option of 'frame-difference' (fdakit {version}); did you mean 'threshold'?"
    }


def test_a_misspelt_key_of_fdakits_own_is_recognised_beside_a_parts_options() -> None:
    assert "did you mean 'control'?" in faults(mask={"use": "whole-frame", "contrl": "rolled"})["mask.contrl"]
    assert "did you mean 'allow_missing'?" in faults(dataset={"use": "msvd", "allow_mising": True})[
        "dataset.allow_mising"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "key", "words"),
    [
        ({"mask": "frame-difference"}, "mask", "found 'frame-difference'; wanted a table, as [mask]"),
        ({"train": 5}, "train", "found 5; wanted a table, as [train]"),
        ({"eval": [1]}, "eval", "found [1]; wanted a table, as [eval]"),
        ({"objective": {"use": "mean"}}, "objective", "wanted a list of tables, as [[objective]]"),
        ({"objective": [5]}, "objective.0", "found 5; wanted a table"),
        ({"objective": []}, "objective", "found none; training needs an [[objective]], or train.epochs = 0"),
        ({"eval": {"rescoring": {"use": "x"}}}, "eval.rescoring", "wanted a list of tables, as [[eval.rescoring]]"),
        ({"mask": {"threshold": 20}}, "mask.use", "missing; name one mask of: compensated-difference,"),
        ({"mask": {"use": 5}}, "mask.use", "found 5; name one mask of:"),
        ({"seed": True}, "seed", "found True; wanted a whole number"),
        ({"seed": 1.0}, "seed", "found 1.0; wanted a whole number"),
        ({"name": ["a"]}, "name", "found ['a']; wanted a string"),
        ({"name": "../up"}, "name", "found '../up'; wanted a name that a folder can have"),
        ({"name": ""}, "name", "found ''; wanted a name"),
        ({"train": {"epochs": True}}, "train.epochs", "found True; [train] of fdakit wants a valid integer"),
        ({"train": {"epochs": -1}}, "train.epochs", "found -1; [train] of fdakit wants greater than or equal to 0"),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate", "found inf"),
        ({"view": {"mean": [0.5, 0.5]}}, "view.mean", "found [0.5, 0.5]; [view] of fdakit wants 3 values"),
        ({"view": {"std": [0.5, 0.5, "x"]}}, "view.std.2", "found 'x'; [view] of fdakit wants a valid number"),
        ({"view": {"crop_scale": [0.9, 0.5]}}, "view", "crop_scale must rise from above 0"),
        ({"eval": {"controls": ["rolled", "none "]}}, "eval.controls.1", "found 'none '"),
        ({"encoder": {"use": "open-clip", "visual_checkpoint": 5}}, "encoder.visual_checkpoint", "found 5"),
    ],
)
def test_what_was_found_is_told_with_what_is_wanted(tables: dict[str, Any], key: str, words: str) -> None:
    assert words in faults(**tables)[key]


def test_a_dataset_and_an_encoder_must_be_named() -> None:
    with pytest.raises(RecipeError) as caught:
        validate({}, where="x.toml", catalog=CATALOG)
    found = lines(caught.value.faults, "x.toml")
    assert set(found) == {"dataset.use", "encoder.use"}
    assert "msvd" in found["dataset.use"]
    assert "open-clip, tiny" in found["encoder.use"]


def test_a_required_option_that_is_missing_is_named() -> None:
    class Needy(Options):
        path: Path

    catalog = load_catalog([offering("mask", component("needy", options=Needy))])
    assert faults(catalog, mask={"use": "needy"}) == {
        "mask.path": "missing; 'needy' (stranger local) needs it and has no default"
    }


def test_what_is_left_out_gets_its_default() -> None:
    recipe = check()
    assert recipe.name == "x"
    assert recipe.seed == 24
    assert recipe.control == "none"
    assert not recipe.allow_missing
    assert {table: part.name for table, part in recipe.parts.items()} == {
        "dataset": "msvd",
        "sampler": "uniform",
        "reader": "pyav",
        "mask": "frame-difference",
        "encoder": "tiny",
        "fusion": "alpha-conv",
        "aggregator": "mean",
        "matcher": "cosine",
        "batcher": "distinct-videos",
        "optimiser": "adamw",
    }
    assert [(part.name, weight) for part, weight in recipe.objectives] == [("symmetric-contrastive", 1.0)]
    assert [part.name for part in recipe.observers] == ["console", "jsonl"]
    assert recipe.rescoring == ()


def test_lists_may_hold_any_number_of_parts_each_with_its_own_options() -> None:
    one = {"use": "symmetric-contrastive", "label_smoothing": 0.1, "weight": 0.5}
    recipe = check(objective=[one, {"use": "symmetric-contrastive"}], observer=[])
    assert [(part.options.label_smoothing, weight) for part, weight in recipe.objectives] == [(0.1, 0.5), (0.0, 1.0)]  # type: ignore[attr-defined]
    assert recipe.observers == ()


@pytest.mark.parametrize(
    ("key", "size"), [("train.batch_size", 10**12), ("view.size", 10**7), ("encoder.image_size", 10**7)]
)
def test_a_size_that_no_machine_can_hold_is_refused(key: str, size: int) -> None:
    table, option = key.split(".")
    base = {"use": "tiny"} if table == "encoder" else {}
    tables: dict[str, Any] = {table: {**base, option: size}}
    (found,) = faults(**tables).items()
    assert found[0] == key
    assert found[1].startswith(f"found {size}; ")
    assert "wants less than or equal to " in found[1]


def test_every_whole_number_but_a_seed_has_an_upper_bound() -> None:
    models: dict[str, type[BaseModel]] = dict(SETTINGS)
    for kind in KINDS:
        models |= {f"{kind} {offer.component.name}": offer.component.options for offer in CATALOG.of_kind(kind)}
    unbounded = [
        f"{name}: {key}"
        for name, model in models.items()
        for key, field in model.model_json_schema().get("properties", {}).items()
        for one in field.get("anyOf", [field])
        if one.get("type") == "integer" and not {"maximum", "enum", "const"} & one.keys() and key != "seed"
    ]
    assert unbounded == []


def test_evaluation_alone_needs_no_objective() -> None:
    assert check(objective=[], train={"epochs": 0}).objectives == ()


def test_all_parts_are_listed_once_in_the_order_of_the_road() -> None:
    names = [part.offer.kind for part in check().all_parts()]
    assert names == [*SINGLE, "objective", "observer", "observer"]


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_passes(name: str) -> None:
    recipe = read_recipe(name, catalog=catalog_for(name))
    assert recipe.name.replace("-", "_") == name.rpartition("/")[2]


def test_the_recipes_that_ship_are_these() -> None:
    controls = {f"controls/quickstart_{name}" for name in ("no_alpha", "rolled", "whole_frame")}
    assert {"fda_msvd", "quickstart", "manifest_zero_shot", *controls} <= set(shipped_recipes())


def round_trip(recipe: Recipe, folder: Path, *, catalog: Catalog = CATALOG) -> Recipe:
    """The recipe that comes back from its resolved document, written to a file and read."""
    file = folder / "recipe.toml"
    file.write_text(dump_document(recipe.document(), comments=recipe.providers()), encoding="utf-8")
    return validate(read_document(file), where=recipe.where, catalog=catalog)


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_resolved_recipe_is_the_same_recipe_again_also_as_a_file(name: str, tmp_path: Path) -> None:
    catalog = catalog_for(name)
    recipe = read_recipe(name, catalog=catalog)
    assert validate(recipe.document(), where=recipe.where, catalog=catalog) == recipe
    assert round_trip(recipe, tmp_path, catalog=catalog) == recipe


def test_a_resolved_recipe_writes_out_every_option_and_provider() -> None:
    resolved = check(eval={"controls": ["rolled"]}, mask={"use": "whole-frame", "control": "zero"}).document()
    assert resolved["mask"] == {"use": "fdakit:whole-frame", "control": "zero"}
    assert resolved["sampler"]["use"] == "fdakit:uniform"
    assert resolved["sampler"]["eval_frames"] == 12
    assert resolved["eval"]["controls"] == ["rolled"]
    assert resolved["eval"]["rescoring"] == []
    for table, model in SETTINGS.items():
        assert set(model.model_fields) <= set(resolved[table])


@given(
    rate=st.floats(0, 1e300, exclude_min=True, allow_subnormal=False),
    frames=st.integers(1, 10**4),
    word=st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    weight=st.floats(1e-300, 1e300),
    steps=st.none() | st.integers(1, 10**9),
)
def test_any_value_survives_the_way_through_a_file(
    tmp_path_factory: pytest.TempPathFactory, rate: float, frames: int, word: str, weight: float, steps: int | None
) -> None:
    recipe = check(
        sampler={"use": "uniform", "eval_frames": frames},
        encoder={"use": "open-clip", "model": word},
        objective=[{"use": "symmetric-contrastive", "weight": weight}],
        train={"learning_rate": rate} | ({} if steps is None else {"max_steps": steps}),
    )
    assert round_trip(recipe, tmp_path_factory.getbasetemp()) == recipe


def test_a_seed_from_the_command_line_wins() -> None:
    assert read_recipe("fda_msvd", catalog=CATALOG).seed == 24
    assert read_recipe("fda_msvd", catalog=CATALOG, seed=7, settings=["seed=5"]).seed == 7


def test_faults_name_the_file_they_are_in() -> None:
    with pytest.raises(RecipeError, match=r"^x\.toml: mask\.thresold: unknown option"):
        validate(document(mask={"use": "frame-difference", "thresold": 1}), where="x.toml", catalog=CATALOG)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("mask.thresold=1", "mask.thresold: unknown option of 'frame-difference'"),
        ("trian.epochs=3", "trian: unknown table or key; did you mean 'train'?"),
        ("train.epochs=many", "train.epochs: found 'many'"),
        ("train.epochs=1.5", "train.epochs: found 1.5"),
        ("dataset.use=manifest", "dataset.path: missing; 'manifest'"),
        ("seed=x", "seed: found 'x'; wanted a whole number"),
        ("mask=whole-frame", "mask: found 'whole-frame'; wanted a table, as [mask]; write mask.use=whole-frame"),
        ("train=5", "train: found 5; wanted a table, as [train]; write train.KEY=VALUE"),
        ("objective=mine", "objective: found 'mine'; wanted a list of tables, as [[objective]]; write objective.0"),
        ("eval.rescoring=dsl", "eval.rescoring: found 'dsl'; wanted a list of tables, as [[eval.rescoring]]; write"),
        ("eval.rescoring.use=dsl", "eval.rescoring: found one table; wanted a list of tables, as [[eval.rescoring]]"),
        ("view.mean=0.5, 0.5,0.5", "view.mean: found '0.5, 0.5,0.5'; [view] of fdakit wants 3 values; write "
         "'view.mean=[0.5,0.5,0.5]'"),
        ("view.crop_scale=0.5", "view.crop_scale: found 0.5; [view] of fdakit wants 2 values; write "
         "'view.crop_scale=[0.5,0.5]'"),
        ("view.crop_scale=[0.5]", "view.crop_scale: found [0.5]; [view] of fdakit wants 2 values; write "
         "'view.crop_scale=[0.5,0.5]'"),
        ("eval.controls=[rolled]", "eval.controls: found '[rolled]'; [eval] of fdakit wants an array; write "
         "'eval.controls=[\"rolled\"]'"),
        ("train.freeze=stem", "train.freeze: found 'stem'; [train] of fdakit wants an array; write 'train.freeze=["),
        ("train.rates=1e-4", "train.rates: found 0.0001; [train] of fdakit wants a table; write train.rates.KEY=VA"),
        ("frame_store.enabled=True", "frame_store.enabled: found 'True'; [frame_store] of fdakit wants a valid "
         "boolean; write frame_store.enabled=true"),
        ("train.max_steps=None", "train.max_steps: found 'None'; [train] of fdakit wants a valid integer; for the "
         "default write train.max_steps= with"),
    ],
)  # fmt: skip
def test_a_fault_that_a_setting_made_is_blamed_on_it_with_what_to_write(setting: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe("quickstart", catalog=CATALOG, settings=["train.batch_size=8", setting])
    (fault,) = caught.value.faults
    assert fault.startswith(f"--set {setting}: {told}")


def test_a_fault_of_the_file_stays_the_files_beside_settings(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[dataset]\nuse = "msvd"\n[encoder]\nuse = "tiny"\nwidht = 64\n')
    with pytest.raises(RecipeError) as caught:
        read_recipe(tmp_path / "mine.toml", catalog=CATALOG, settings=["encoder.layers=2", "mask.x=1"])
    first, second = sorted(caught.value.faults)
    assert first.startswith("--set mask.x=1: mask.x: unknown option")
    assert second.startswith(f"{tmp_path}/mine.toml: encoder.widht: unknown option")


@pytest.mark.parametrize(
    "written", ["mask.threshold=9", "objective.0.scale=3", "observer.0.use=jsonl", "observer.2.use=jsonl",
                "eval.rescoring.0.use=dsl",
                "view.mean=[0.5,0.5,0.5]", 'eval.controls=["rolled"]', "mask.use=whole-frame", "train.max_steps=",
                "train.rates.stem=1e-4", 'objective=[{use="symmetric-contrastive"}]'],
)  # fmt: skip
def test_what_the_faults_tell_to_write_is_understood(written: str) -> None:
    read_recipe("quickstart", catalog=CATALOG, settings=[written])


def test_a_setting_changes_a_default_that_the_file_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[dataset]\nuse = "msvd"\n[encoder]\nuse = "tiny"\n')
    settings = ["mask.threshold=40", "sampler.eval_frames=5", "objective.0.weight=2", "observer.0.use=jsonl"]
    recipe = read_recipe(tmp_path / "mine.toml", catalog=CATALOG, settings=settings)
    assert recipe.parts["mask"].options.model_dump()["threshold"] == 40
    assert recipe.parts["sampler"].options.model_dump()["eval_frames"] == 5
    assert [weight for _, weight in recipe.objectives] == [2]
    assert [part.name for part in recipe.observers] == ["jsonl", "jsonl"]
