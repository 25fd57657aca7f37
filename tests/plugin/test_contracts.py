"""What crosses the plugin border is checked at the border: names, options, and what `build` is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.sample_plugins import NoOptions, component
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

from fdakit import PluginError
from fdakit.plugin import Component, Options


class Choice(Options):
    """An option of every plain type."""

    share: float = 0.5
    count: int = 3
    flag: bool = False
    word: str = "word"
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[str, ...] = ()
    file: Path | None = None


def read(**values: object) -> Choice:
    return Choice.model_validate_json(json.dumps(values))


@given(st.text(alphabet="abz019-AÄ_. "))
def test_a_component_name_is_lower_case_words_joined_by_hyphens(name: str) -> None:
    words = name.split("-")
    if all(re.fullmatch("[a-z0-9]+", word) for word in words):
        assert component(name).name == name
    else:
        with pytest.raises(PluginError, match="not a usable name"):
            component(name)


@pytest.mark.parametrize("name", ["", "a b", "A", "a_b", "-a", "a-", "a--b", "a:b", "a\n", "é", None, 5])
def test_other_names_are_refused_with_the_name(name: Any) -> None:
    with pytest.raises(PluginError, match=re.escape(f"component {name!r}: not a usable name")):
        component(name)


@pytest.mark.parametrize("options", [None, {}, dict, NoOptions(), Options | None])
def test_options_must_be_a_model(options: Any) -> None:
    with pytest.raises(
        PluginError, match=r"'mine': options is .*; give a class derived from fdakit\.plugin\.Options"
    ):
        Component("mine", "a part", options, print)


def test_any_pydantic_model_will_do() -> None:
    assert Component("mine", "a part", BaseModel, print).options is BaseModel


def test_summary_must_be_text_and_build_must_be_callable() -> None:
    with pytest.raises(PluginError, match="component 'mine': summary is None"):
        Component("mine", None, NoOptions, print)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=r"component 'mine': build is 5; give build\(options, shapes\)"):
        Component("mine", "a part", NoOptions, 5)  # type: ignore[arg-type]
    assert Component("mine", "a part", NoOptions, partial(print, "x")).name == "mine"


@pytest.mark.parametrize(
    "values",
    [
        {"shares": 0.5},
        {"share": "0.5"},
        {"share": True},
        {"share": float("nan")},
        {"share": float("inf")},
        {"count": 3.0},
        {"count": 3.5},
        {"count": True},
        {"count": "3"},
        {"count": None},
        {"flag": 1},
        {"flag": "true"},
        {"word": 5},
        {"pair": [0.0]},
        {"pair": [0.0, 1.0, 2.0]},
        {"pair": [0.0, float("nan")]},
        {"many": "abc"},
        {"file": 5},
    ],
)
def test_options_refuse_what_would_have_to_be_guessed(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**values)
    assert caught.value.errors()[0]["loc"][0] == next(iter(values))


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        ({"share": 1}, "share", 1.0),
        ({"pair": [0, 1.5]}, "pair", (0.0, 1.5)),
        ({"many": ["a", "b"]}, "many", ("a", "b")),
        ({"file": "weights/a.pth"}, "file", Path("weights/a.pth")),
        ({"file": None}, "file", None),
        ({"flag": True}, "flag", True),
    ],
)
def test_options_take_what_toml_writes(values: dict[str, object], name: str, found: object) -> None:
    value = getattr(read(**values), name)
    assert value == found
    assert type(value) is type(found)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        read(share="x", count=1.5, unknown=1)
    assert {fault["loc"][0] for fault in caught.value.errors()} == {"share", "count", "unknown"}


def test_options_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read().count = 4  # type: ignore[misc]


@given(st.builds(Choice, share=st.floats(allow_nan=False, allow_infinity=False), count=st.integers(), word=st.text()))
def test_options_come_back_from_json_as_they_were(options: Choice) -> None:
    assert Choice.model_validate_json(options.model_dump_json()) == options


def test_a_component_is_frozen() -> None:
    build: Callable[..., object] = component().build
    with pytest.raises(AttributeError):
        component().build = build  # type: ignore[misc]


class Preset(Options):
    """Options with presets."""

    presets = {"plain": {}, "bold": {"share": 0.9, "pair": (1.0, 2.0)}}  # noqa: RUF012

    preset: str = "plain"
    share: float = 0.5
    pair: tuple[float, float] = (0.0, 1.0)


def test_a_preset_stands_in_for_defaults_and_what_is_set_beside_it_wins() -> None:
    bold = Preset.model_validate_json('{"preset": "bold", "pair": [3, 4]}')
    assert (bold.share, bold.pair) == (0.9, (3, 4))
    assert Preset.model_validate_json('{"preset": "bold"}').pair == (1.0, 2.0)
    assert (Preset().share, Preset().pair) == (0.5, (0.0, 1.0))
    assert Preset(preset="bold", share=0.1).share == 0.1
    again = Preset.model_validate_json(bold.model_dump_json())
    assert again == bold
    with pytest.raises(ValidationError):
        bold.share = 0.2  # type: ignore[misc]


@pytest.mark.parametrize("declares", [None, [1], {"accepts": ["pixels"]}, {"uses": None}])
def test_odd_declarations_are_refused_when_the_component_is_made(declares: Any) -> None:
    with pytest.raises(PluginError, match=r"component 'mine': declares is .*; give members of the part by name"):
        Component("mine", "a part", Options, lambda options, shapes: None, declares=declares)
