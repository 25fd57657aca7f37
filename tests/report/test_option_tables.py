"""Options in words: every type, bound and default that a model can declare."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from fdakit.catalog import load_catalog
from fdakit.plugin import Options
from fdakit.recipe.tables import SETTINGS
from fdakit.report.option_tables import OptionRow, option_rows


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Everything(Options):
    count: int
    share: float = Field(0.5, ge=0, le=1, description="a share")
    rate: float = Field(1e-6, gt=0, lt=1)
    even: int = Field(2, multiple_of=2)
    flag: bool = False
    flagged: bool = True
    word: str = "mean"
    one_of: Literal["a", "b"] = "a"
    only: Literal["a"] = "a"
    colour: Colour = Colour.RED
    maybe: int | None = None
    either: int | str = 3
    many: tuple[str, ...] = ("x",)
    pair: tuple[float, float] | None = None
    bounded: tuple[Annotated[float, Field(ge=0)], ...] = ()
    file: Path = Path("data")
    needed_file: Path | None = Field(..., description="must be said, if only as null")


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("count", "whole number", "required"),
        ("share", "number from 0 to 1", "0.5"),
        ("rate", "number above 0 below 1", "1e-06"),
        ("even", "whole number multiple of 2", "2"),
        ("flag", "true or false", "false"),
        ("flagged", "true or false", "true"),
        ("word", "text", '"mean"'),
        ("one_of", "a | b", '"a"'),
        ("only", "a", '"a"'),
        ("colour", "red | blue", '"red"'),
        ("maybe", "whole number", "left out"),
        ("either", "whole number or text", "3"),
        ("many", "list of text", "['x']"),
        ("pair", "2 of number", "left out"),
        ("bounded", "list of number from 0", "[]"),
        ("file", "path", '"data"'),
        ("needed_file", "path", "required"),
    ],
)
def test_an_option_is_worded_from_its_declaration(name: str, kind: str, default: str) -> None:
    row = next(row for row in option_rows(Everything) if row.name == name)
    assert (row.type, row.default) == (kind, default)


def test_options_stand_in_the_order_of_their_declaration_with_their_help() -> None:
    rows = option_rows(Everything)
    assert [row.name for row in rows] == list(Everything.model_fields)
    assert rows[1] == OptionRow("share", "number from 0 to 1", "0.5", "a share")
    assert rows[0].help == ""


def test_a_part_without_options_has_no_rows() -> None:
    assert option_rows(Options) == []


MODELS = {str(offer): offer.component.options for offer in load_catalog().offers} | SETTINGS


@pytest.mark.parametrize("owner", MODELS)
def test_every_option_of_fdakit_is_worded_in_full(owner: str) -> None:
    for row in option_rows(MODELS[owner]):
        assert row.type
        assert "anything" not in row.type
        assert row.default
        assert row.help or row.name == "file", f"{owner}: {row.name} has no description"
