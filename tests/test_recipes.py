"""The recipes of the field's data sets: settings as sourced, and variants that differ in what they are for."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fdakit.catalog import load_catalog
from fdakit.errors import FdakitError
from fdakit.experiment.run import run_recipe
from fdakit.recipe.document import Document, find_recipe, read_document, shipped_recipes
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe
from fdakit.training.optimisation.parameter_groups import training_rows

CATALOG = load_catalog()
PAGE = (Path(__file__).parents[1] / "docs" / "guides" / "recipes.md").read_text(encoding="utf-8")

SHORT, PARAGRAPHS = ("msvd", "msrvtt", "lsmdc"), ("didemo", "activitynet")
SETS = (*SHORT, *PARAGRAPHS)
OTHER_SYSTEMS = (
    "clip4clip_{}",
    "clip4clip_{}_seqtransf",
    "fda_clip4clip_{}",
    "prompt_switch_{}",
    "fda_prompt_switch_{}",
)
TRAINED = {  # C1 to C6 of the method: the mask that stands in for the clip's own
    "c1_zero_alpha": "zero",
    "c2_whole_frame": "whole-frame",
    "c3_rolled": "rolled",
    "c4_centre": "centre",
    "c5_other_video": "other-video",
    "c6_inverse": "inverse",
}
ALPHA_CLIP = "weights/clip_b16_grit20m_fultune_2xe.pth"


def written(name: str) -> Document:
    """A shipped recipe's tables, and its name as the file has to say it."""
    document = read_document(find_recipe(name))
    assert document.pop("name") == name.rpartition("/")[2].replace("_", "-")
    return document


def read(name: str, *settings: str) -> Recipe:
    return read_recipe(name, catalog=CATALOG, settings=settings)


def variant(name: str, **tables: Any) -> Document:
    """A main recipe's tables with keys changed; a key set to None is taken out, and so is a table left empty."""
    document = deepcopy(written(name))
    for table, keys in tables.items():
        merged = {**document.get(table, {}), **keys}
        document[table] = {key: value for key, value in merged.items() if value is not None}
    return {key: value for key, value in document.items() if value != {}}


@pytest.mark.parametrize("name", SETS)
def test_a_main_recipe_has_the_settings_of_the_paper_and_of_clip4clip_where_it_is_silent(name: str) -> None:
    recipe = read(f"fda_{name}")
    options: dict[str, Any] = {table: part.options for table, part in recipe.parts.items()}
    frames = (6, 12) if name in SHORT else (64, 64)
    assert (options["sampler"].train_frames, options["sampler"].eval_frames) == frames
    assert options["encoder"].max_tokens == (32 if name in SHORT else 64)
    assert (options["encoder"].model, options["encoder"].pretrained) == ("ViT-B-16", "openai")
    assert options["encoder"].visual_checkpoint == Path(ALPHA_CLIP).absolute()
    assert (options["mask"].threshold, options["mask"].closing, options["mask"].opening) == (25, 2, 1)
    assert options["mask"].min_area == 64
    assert options["optimiser"].weight_decay == 0.2
    assert (recipe.train.learning_rate, recipe.train.epochs, recipe.train.warmup) == (1e-6, 5, 0.1)
    assert (recipe.train.freeze, recipe.train.rates, recipe.train.schedule) == ((), {}, "cosine")
    assert recipe.control == "none"
    assert {"whole-frame", "rolled", "centre"} <= set(recipe.eval.controls)
    assert options["dataset"].root == Path("data", name).absolute()


def test_msrvtt_says_which_of_its_protocols_it_is() -> None:
    for name in ("fda_msrvtt", "msrvtt_zero_shot"):
        assert written(name)["dataset"]["protocol"] == "1k-A-9k"


def test_kept_draws_are_as_many_as_epochs_so_that_no_epoch_sees_those_of_another() -> None:
    draws = {name: read(f"fda_{name}").frame_store.draws for name in SETS}
    assert draws == {"msvd": 5, "msrvtt": 5, "lsmdc": 0, "didemo": 0, "activitynet": 0}
    assert all(read(f"fda_{name}").train.epochs == count for name, count in draws.items() if count)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("suffix", TRAINED)
def test_a_trained_control_differs_from_its_main_recipe_in_the_control_alone(name: str, suffix: str) -> None:
    main, control = f"fda_{name}", f"controls/fda_{name}_{suffix}"
    assert written(control) == variant(main, mask={"control": TRAINED[suffix]}, eval={"controls": ["none"]})
    assert read(control).control == TRAINED[suffix]


@pytest.mark.parametrize("name", SETS)
def test_the_control_without_a_mask_is_the_plain_encoder_at_the_same_budget(name: str) -> None:
    expected = variant(
        f"fda_{name}",
        mask={"use": "whole-frame", "threshold": None, "closing": None, "opening": None, "min_area": None},
        encoder={"visual_checkpoint": None},
        fusion={"use": "none"},
        eval={"controls": None},
    )
    assert written(f"controls/fda_{name}_c0_no_mask") == expected


@pytest.mark.parametrize("name", SETS)
def test_zero_shot_evaluates_the_plain_encoder_of_the_main_recipe_on_the_same_frames(name: str) -> None:
    zero_shot, plain = written(f"{name}_zero_shot"), written(f"controls/fda_{name}_c0_no_mask")
    assert zero_shot["train"] == {"epochs": 0}
    assert zero_shot.keys() == plain.keys() - {"objective", "optimiser", "frame_store"}
    for table in zero_shot.keys() - {"sampler", "train"}:
        assert zero_shot[table] == plain[table], table
    assert zero_shot["sampler"].items() <= plain["sampler"].items()


@pytest.mark.parametrize("name", SETS)
def test_the_frozen_reading_differs_in_what_trains_and_starts_from_plain_clip(name: str) -> None:
    frozen = ["stem", "visual-trunk", "text-tower"]
    expected = variant(
        f"fda_{name}", encoder={"visual_checkpoint": None}, train={"freeze": frozen, "learning_rate": 1e-4}
    )
    assert written(f"fda_{name}_frozen") == expected


@pytest.mark.parametrize("name", SETS)
def test_in_the_frozen_reading_exactly_the_alpha_path_and_the_logit_scale_train(name: str) -> None:
    rows = training_rows(read(f"fda_{name}_frozen", "encoder.use=tiny"))
    trained = {row.name: row for row in rows if row.trains}
    assert {label.removesuffix(", no decay") for label in trained} == {"alpha-path", "logit-scale"}
    assert {row.rate for row in trained.values()} == {1e-4}
    assert {row.name for row in rows if not row.trains} >= {"stem", "visual-trunk", "text-tower"}


def test_the_variants_on_vit_b32_start_alpha_from_zero_at_a_rate_of_its_own() -> None:
    for name in ("msvd", "msrvtt"):
        expected = variant(
            f"fda_{name}",
            encoder={"model": "ViT-B-32", "visual_checkpoint": None},
            train={"rates": {"alpha-path": 1e-4}},
        )
        assert written(f"fda_{name}_b32") == expected


def test_the_variant_on_pe_core_is_a_model_and_tag_of_open_clip_and_reads_as_many_words() -> None:
    import open_clip

    encoder = {"model": "PE-Core-B-16", "pretrained": "meta", "visual_checkpoint": None}
    expected = variant("fda_msrvtt", encoder=encoder, train={"rates": {"alpha-path": 1e-4}})
    assert written("fda_pe_core_msrvtt") == expected
    assert "meta" in open_clip.list_pretrained_tags_by_model("PE-Core-B-16")
    config = open_clip.get_model_config("PE-Core-B-16")
    assert config is not None
    assert config["text_cfg"]["context_length"] == expected["encoder"]["max_tokens"]


@pytest.mark.parametrize("system", ["fda_{}", "fda_distilled_{}", "max_sim_{}", "xpool_{}", *OTHER_SYSTEMS])
def test_every_system_has_a_recipe_for_each_set_of_short_captions(system: str) -> None:
    assert {system.format(name) for name in SHORT} <= set(shipped_recipes())


@pytest.mark.parametrize("system", ["max_sim_{}", "xpool_{}"])
def test_recipes_of_a_system_differ_between_sets_in_what_belongs_to_the_set_alone(system: str) -> None:
    first, *others = (written(system.format(name)) for name in SHORT)
    for other in others:
        assert {table for table in first if first[table] != other.get(table)} <= {
            "dataset",
            "matcher",
            "train",
            "eval",
        }
        assert {**other["train"], "rates": {}} == {**first["train"], "rates": {}}
        assert other["matcher"].keys() == first["matcher"].keys()


@pytest.mark.parametrize("name", SHORT)
def test_a_distilled_recipe_differs_from_its_main_one_in_the_second_objective_alone(name: str) -> None:
    main, distilled = written(f"fda_{name}"), written(f"fda_distilled_{name}")
    taught = {"use": "fdakit-discovla:frame-token-distillation", "alignment": 0.3}
    assert distilled == {**main, "objective": [*main["objective"], taught]}


@pytest.mark.parametrize("name", SETS)
def test_a_run_without_data_and_weights_tells_both_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FdakitError) as caught:
        run_recipe(read(f"fda_{name}"))
    data, weights = str(caught.value).splitlines()
    root = tmp_path / "data" / name
    assert f"{root}: {name} is absent; `fdakit data prepare {name} --root {root}`" in data
    assert str(tmp_path / ALPHA_CLIP) in weights
    assert not any(tmp_path.iterdir())


def test_the_study_of_events_is_the_quickstart_on_longer_videos_with_as_many_frames_an_event() -> None:
    frames = {"train_frames": 16, "eval_frames": 16}
    expected = variant("quickstart", dataset={"events": 4}, sampler=frames)
    assert written("studies/events") == expected
    assert {key: count / 4 for key, count in frames.items()}.items() <= written("quickstart")["sampler"].items()


def test_every_recipe_of_a_set_fits_a_screen() -> None:
    for name, path in shipped_recipes().items():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 64, name


def test_the_page_of_recipes_names_each_of_them() -> None:
    told = set(re.findall(r"`(?:controls/|studies/)?([a-z0-9_]+)`", PAGE))
    for name in shipped_recipes():
        short = name.rpartition("/")[2]
        control = re.fullmatch(rf"fda_(?:{'|'.join(SETS)})_(c\d_\w+)", short)
        assert (control[1] if control else short) in told, name


def test_the_command_for_a_set_with_its_controls_names_recipes_that_ship() -> None:
    commands = re.findall(r"^fdakit sweep (fda_msvd) controls/fda_msvd_c\{(.*?)\}", PAGE, re.M)
    assert commands
    for main, suffixes in commands:
        names = [main, *(f"controls/fda_msvd_c{suffix}" for suffix in suffixes.split(","))]
        assert all(find_recipe(name).is_file() for name in names)
    assert {f"c{suffix}" for suffix in commands[0][1].split(",")} == {"c0_no_mask", *TRAINED}
