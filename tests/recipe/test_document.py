"""Recipes as text: found by file or name, changed by `--set`, written so that they read back the same."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit import RecipeError
from fdakit.recipe.document import (
    apply_settings,
    cause_of,
    dump_document,
    find_recipe,
    read_document,
    setting_causes,
    shipped_recipes,
)

RECIPE = {
    "seed": 24,
    "mask": {"use": "frame-difference", "threshold": 25, "control": "rolled"},
    "objective": [{"use": "a", "weight": 1.0}, {"use": "b"}],
    "eval": {"rescoring": [{"use": "c"}]},
}


def changed(*settings: str) -> dict[str, Any]:
    return apply_settings(RECIPE, settings)


# Finding and reading


def test_a_recipe_is_found_as_a_file_in_a_run_folder_or_by_its_shipped_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "recipe.toml"
    file.write_text("seed = 1\n")
    assert find_recipe(file) == file
    assert find_recipe(tmp_path) == file
    shipped = shipped_recipes()
    for name in ("quickstart", "quickstart.toml", "recipes/quickstart.toml", Path("quickstart")):
        assert find_recipe(name) == shipped["quickstart"]
    assert find_recipe("controls/quickstart_rolled") == shipped["controls/quickstart_rolled"]


def test_a_file_comes_before_a_shipped_recipe_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("seed = 1\n")
    assert read_document(find_recipe("quickstart")) == {"seed": 1}


def test_a_recipe_that_is_nowhere_is_answered_with_its_full_path_and_the_nearest_name() -> None:
    with pytest.raises(RecipeError) as caught:
        find_recipe("quikstart")
    where = Path("quikstart").absolute()
    assert str(caught.value) == (
        f"{where}: no such recipe; give a file, or a shipped recipe: did you mean 'quickstart'?"
    )
    with pytest.raises(RecipeError, match="known: activitynet_zero_shot, ") as far:
        find_recipe("zzz")
    assert all(name in str(far.value) for name in shipped_recipes() if name.startswith("controls/"))
    assert str(far.value).index("quickstart_pan") < str(far.value).index("controls/")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seed = \n", "not valid TOML: Invalid value (at line 1, column 8)"),
        (b"[mask]\n[mask]\n", "not valid TOML"),
        (b"name = '\xff'\n", "line 1: not UTF-8; save the recipe as UTF-8"),
        (b"a = " + b"[" * 2000 + b"]" * 2000, "not valid TOML: nested too deep"),
        (b"a = " + b"9" * 5000, "not valid TOML: a number of thousands of digits"),
        (b"[train]\nsteps = 9223372036854775808", "train.steps: a whole number beyond 64 bits"),
        (b"x = [1, {y = '\\u0000'}]".replace(b"'", b'"'), "x.1.y: holds a NUL character"),
        (b"# head\na" + b".a" * 1500 + b" = 1", "more than 1,000 dots (at line 2)"),
        (b"#" * (1 << 17), "larger than 64 KiB, the most that is read"),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_the_reason(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_document(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"is a folder, where a regular file is read"):
        read_document(tmp_path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_document(tmp_path / "gone")
    with pytest.raises(RecipeError, match=r"cannot be read \(File name too long\)"):
        find_recipe("n" * 300)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("a.b=" + "[" * 2000, "--set a.b: nested too deep"),
        ("seed=" + "9" * 5000, "--set seed: a number of thousands of digits"),
        ("seed=" + "9" * 20, "a whole number beyond 64 bits"),
    ],
)
def test_an_odd_setting_is_no_traceback(setting: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        apply_settings({}, [setting])
    assert words in str(caught.value)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xef\xbb\xbfseed = 1\r\n")
    assert read_document(file) == {"seed": 1}


# --set


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        ("1e-6", 1e-6),
        ("true", True),
        ('"20"', "20"),
        ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}),
        (" 20 ", 20),
        ("cuda:1", "cuda:1"),
        ("ViT-B-32", "ViT-B-32"),
        ("True", "True"),
        ("clips#1.tsv", "clips#1.tsv"),
        ("a=b", "a=b"),
        ('""', ""),
    ],
)
def test_a_value_is_toml_and_what_does_not_parse_is_a_string(text: str, value: object) -> None:
    found = changed(f"mask.threshold={text}")["mask"]["threshold"]
    assert found == value
    assert type(found) is type(value)


def test_the_document_itself_stays_as_it_was() -> None:
    before = repr(RECIPE)
    changed("mask.threshold=1", "objective.0.weight=2", "mask.use=other", "train.epochs=1")
    assert repr(RECIPE) == before


def test_keys_may_be_new_deep_or_at_the_top() -> None:
    assert changed("seed=7")["seed"] == 7
    assert changed("train.epochs=1")["train"] == {"epochs": 1}
    assert changed(" mask.threshold =1")["mask"]["threshold"] == 1


def test_a_changed_use_drops_the_other_keys_of_its_table_alone() -> None:
    assert changed("mask.use=whole-frame")["mask"] == {"use": "whole-frame"}
    assert changed("mask.use=whole-frame")["objective"] == RECIPE["objective"]
    assert changed("objective.0.use=other")["objective"] == [{"use": "other"}, {"use": "b"}]


@pytest.mark.parametrize("order", [1, -1])
def test_keys_that_are_set_beside_a_changed_use_stay_in_any_order(order: int) -> None:
    settings = ["mask.use=whole-frame", "mask.threshold=1"][::order]
    assert changed(*settings)["mask"] == {"use": "whole-frame", "threshold": 1}


def test_the_same_use_again_drops_nothing() -> None:
    assert changed("mask.use=frame-difference") == RECIPE


def test_a_setting_with_nothing_behind_it_takes_the_key_out() -> None:
    assert changed("mask.threshold=")["mask"] == {"use": "frame-difference", "control": "rolled"}
    assert changed("objective.0.weight= ")["objective"][0] == {"use": "a"}
    assert "mask" not in changed("mask=")
    assert changed("train.epochs=")["mask"] == RECIPE["mask"]


def test_of_two_settings_of_one_key_the_later_wins() -> None:
    assert changed("mask.threshold=1", "mask.threshold=2")["mask"]["threshold"] == 2
    assert changed("mask.use=a", "mask.use=b")["mask"] == {"use": "b"}


def test_tables_in_a_list_are_numbered_from_0() -> None:
    assert changed("objective.1.weight=2")["objective"][1] == {"use": "b", "weight": 2}
    assert changed("eval.rescoring.0.temperature=2")["eval"]["rescoring"] == [{"use": "c", "temperature": 2}]
    assert changed("objective=[]")["objective"] == []
    assert changed("objective.2.weight=3", "objective.2.use=c")["objective"][2] == {"use": "c", "weight": 3}
    assert changed("observer.0.use=jsonl")["observer"] == [{"use": "jsonl"}]


def test_settings_account_for_the_keys_and_tables_that_they_make() -> None:
    settings = [
        "mask.threshold=40",
        "new.table.key=1",
        "objective.1.weight=2",
        "dataset.use=other",
        "mask.threshold=41",
    ]
    causes = setting_causes(RECIPE, settings)
    found = {key: cause_of(key, causes) for key in ("mask.threshold", "mask.use", "mask", "new", "new.table.key.deep",
             "objective.1.weight", "objective.1.use", "objective.0.weight", "dataset.path", "seed")}  # fmt: skip
    assert found == {
        "mask.threshold": "--set mask.threshold=41",
        "mask.use": "",
        "mask": "",
        "new": "--set new.table.key=1",
        "new.table.key.deep": "--set new.table.key=1",
        "objective.1.weight": "--set objective.1.weight=2",
        "objective.1.use": "",
        "objective.0.weight": "",
        "dataset.path": "--set dataset.use=other",
        "seed": "",
    }


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("mask.threshold", "--set mask.threshold: found no value; write table.key=value"),
        ("=5", "--set =5: found no value"),
        ("mask..threshold=5", "write table.key=value"),
        (
            "objective.weight=2",
            "--set objective.weight: [[objective]] is a list, numbered 0 to 1; write objective.0.weight",
        ),
        (
            "objective.2.weight=2",
            "--set objective.2.weight: [[objective]] is a list, numbered 0 to 1; write objective.0.w",
        ),
        (
            "objective.3.use=mine",
            "numbered 0 to 1; write objective.0.use, objective.2.use=NAME to add one, or all of it as",
        ),
        ("objective.first.weight=2", "or all of it as 'objective=[{use=\"NAME\"}]'"),
        ("seed.value=2", "--set seed.value: seed is the value 24; only tables have keys"),
        ("mask.threshold.high=2", "mask.threshold is the value 25; only tables have keys"),
    ],
)
def test_a_setting_that_cannot_be_is_told_with_what_to_write(setting: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        changed(setting)
    assert words in str(caught.value)


# Writing

PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)
TABLES = st.recursive(
    st.dictionaries(st.text(st.characters(codec="utf-8")), PLAIN),
    lambda inner: st.dictionaries(st.text("abc-_. ", min_size=1), inner | st.lists(inner | PLAIN, max_size=3)),
    max_leaves=8,
)


@given(TABLES, st.lists(st.text("abc #=", max_size=9)))
def test_what_is_written_reads_back_the_same_whatever_the_comments(
    written: dict[str, Any], comments: list[str]
) -> None:
    assert tomllib.loads(dump_document(written, comments=comments)) == written


def test_none_is_left_out_wherever_it_stands_and_comments_come_first() -> None:
    text = dump_document({"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None}]}, comments=["made by fdakit 0.1"])
    assert tomllib.loads(text) == {"b": {"d": 1}, "e": [{}]}
    assert text.startswith("# made by fdakit 0.1\n\n")
