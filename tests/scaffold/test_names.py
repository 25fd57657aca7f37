"""The names of a new part, and the names that cannot be one."""

from __future__ import annotations

import pytest

from fdakit.catalog import KINDS
from fdakit.errors import PluginError
from fdakit.scaffold import kinds
from fdakit.scaffold.names import PartNames


def test_all_names_are_made_of_one() -> None:
    names = PartNames.of("mask", "soft-light-2")
    assert (names.class_name, names.constant) == ("SoftLight2", "SOFT_LIGHT_2")
    assert (names.distribution, names.module, names.hook) == (
        "fdakit-soft-light-2",
        "fdakit_soft_light_2",
        "fdakit_masks",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Soft", "component 'Soft': not a usable name; use lower-case words joined by hyphens"),
        ("soft_light", "not a usable name"),
        ("soft light", "not a usable name"),
        ("soft-", "not a usable name"),
        ("", "not a usable name"),
        ("../soft", "not a usable name"),
        ("weiß", "not a usable name"),
        ("3d", "begins with a digit"),
        ("class", "is a keyword of Python; choose another name"),
        ("none", "is a keyword of Python; choose another name"),
        ("a" * 41, "41 characters; choose at most 40"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(name: str, words: str) -> None:
    with pytest.raises(PluginError, match=words):
        PartNames.of("mask", name)


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("glow", "Glow"),
        ("clip", "ClipMask"),  # imported by the module
        ("exception", "ExceptionMask"),  # Python's own
        ("x", "XMask"),  # the constant
    ],
)
def test_a_class_that_would_hide_another_gets_the_kind_behind_its_name(name: str, class_name: str) -> None:
    source = "from fdakit.plugin import Clip, Component\nimport numpy as np\n"
    assert PartNames.of("mask", name).beside(source).class_name == class_name


def test_a_kind_of_two_words_is_two_words_of_a_class() -> None:
    assert (
        PartNames.of("vector_store", "clip").beside("from fdakit.plugin import Clip\n").class_name
        == "ClipVectorStore"
    )
    assert PartNames.of("vector_store", "clip").noun == "vector store"


def test_a_class_of_the_second_module_hides_nothing_and_is_not_in_its_own_way() -> None:
    names = PartNames.of("encoder", "glow")
    assert names.beside("from _fdakit_glow import Glow\n", "from torch import nn\n").class_name == "Glow"
    assert names.beside("from _fdakit_glow import Glow\n", "from torch import Glow\n").class_name == "GlowEncoder"


def test_an_options_class_hides_nothing_either() -> None:
    assert PartNames.of("mask", "glow").beside("from x import GlowOptions\n").class_name == "GlowMask"


def test_there_are_templates_for_every_kind() -> None:
    assert set(kinds()) == set(KINDS)
