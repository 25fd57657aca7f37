"""The catalog finds what is installed, keeps each broken plugin with its reason, and goes on with the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.sample_plugins import component, distribution, document, mask_plugin, offering, plugin

from fdakit import PluginError, RecipeError, catalog as catalog_module
from fdakit.catalog import KINDS, Catalog, load_catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.mask_calls import clip_batch
from fdakit.plugin import BuildContext, Clip, Component, Needs, VideoRef
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.validation import validate

FINE = offering("mask", component("fine"), module="fine")


def outside(catalog: Catalog) -> list[str]:
    """What others than fdakit offer, as `provider:name`."""
    return [f"{o.provider.name}:{o.component.name}" for o in catalog.offers if o.provider.name != "fdakit"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, which may all load; `main` is the entry of one without a name."""
    monkeypatch.syspath_prepend(tmp_path)
    names = ("one", "two", "drift", "broken", "sound", "torn")
    monkeypatch.setenv("FDAKIT_PLUGINS", ",".join(["main", *(f"fdakit-{name}" for name in names)]))
    return tmp_path


def test_fdakit_offers_its_own_parts_in_the_order_of_the_road() -> None:
    catalog = load_catalog()
    assert catalog.broken == ()
    assert {offer.provider.name for offer in catalog.offers} == {"fdakit"}
    kinds = [offer.kind for offer in catalog.offers]
    assert kinds == sorted(kinds, key=KINDS.index)
    assert catalog.find("mask", "frame-difference") is catalog.find("mask", "fdakit:frame-difference")


def test_the_same_plugins_in_another_order_give_the_same_catalog() -> None:
    other = offering("mask", component("fine"), component("also"), module="other")
    assert load_catalog([FINE, other]) == load_catalog([other, FINE])


def late() -> Iterator[Component[Any, Any]]:
    """A generator hook, which fails only when it is drained."""
    yield component("early")
    raise ValueError("too late")


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"fdakit_masks": late}, "fdakit_masks: ValueError: too late"),
        ({"fdakit_maskz": lambda: [component()]}, "unknown hook 'fdakit_maskz'"),
        ({"fdakit_masks": lambda catalog: [component()]}, "Argument(s) {'catalog'} are declared in the hookimpl"),
        (
            {"fdakit_masks": lambda: {"mine": 1}},
            "fdakit_masks offered 'mine'; each item must be a fdakit.plugin.Component",
        ),
        ({"fdakit_masks": lambda: "mine"}, "fdakit_masks offered 'm'; each item"),
        ({"fdakit_masks": lambda: None}, "fdakit_masks: TypeError: 'NoneType' object is not iterable"),
        ({"fdakit_masks": lambda: dict}, "fdakit_masks: TypeError: 'type' object is not iterable"),
        ({"fdakit_masks": lambda: component()}, "fdakit_masks: TypeError: 'Component' object is not iterable"),
        ({"fdakit_masks": lambda: [Component]}, "fdakit_masks offered <class 'fdakit.plugin.component.Component'>"),
        ({"fdakit_masks": lambda: [component("Bad Name")]}, "component 'Bad Name': not a usable name"),
    ],
)
def test_a_broken_hook_is_kept_with_its_reason_and_the_rest_works(hooks: dict[str, Any], reason: str) -> None:
    catalog = load_catalog([plugin("stranger", **hooks), FINE])
    (broken, *more) = catalog.broken
    assert (str(broken.provider), broken.entry) == ("stranger local", "stranger")
    assert reason in broken.reason
    assert all("each item" in fault.reason for fault in more)
    assert "\n" not in broken.reason
    assert outside(catalog) == ["fine:fine"]
    assert catalog.find("mask", "whole-frame").provider.name == "fdakit"


def unmarked(module: str, **functions: Callable[..., object]) -> ModuleType:
    """A module whose functions bear no mark."""
    made = ModuleType(module)
    for name, function in functions.items():
        setattr(made, name, function)
    return made


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("fdakit_masks",), "defines fdakit_masks but does not mark it; write @fdakit.plugin.hookimpl above it"),
        (("fdakit_mask",), "defines fdakit_mask, which is no hook and bears no mark; did you mean 'fdakit_masks'?"),
        (
            ("build", "fdakit_version"),
            "defines no hook; write one, as fdakit_masks(), and @fdakit.plugin.hookimpl above it",
        ),
        ((), "defines no hook"),
    ],
)
def test_a_module_that_would_never_be_asked_is_broken(names: tuple[str, ...], reason: str) -> None:
    catalog = load_catalog([unmarked("stranger", **dict.fromkeys(names, lambda: [component()])), FINE])
    (broken,) = catalog.broken
    assert (str(broken.provider), broken.entry) == ("stranger local", "stranger")
    assert broken.reason.startswith(reason)
    assert outside(catalog) == ["fine:fine"]


def test_a_module_that_marks_one_hook_of_two_offers_that_one() -> None:
    half = offering("mask", component("fine"), module="half")
    half.fdakit_samplers = lambda: [component("also")]  # type: ignore[attr-defined]
    catalog = load_catalog([half])
    assert [b.reason.partition(";")[0] for b in catalog.broken] == ["defines fdakit_samplers but does not mark it"]
    assert outside(catalog) == ["half:fine"]


def test_a_broken_hook_leaves_the_plugins_other_hooks_alone() -> None:
    half = plugin("half", fdakit_masks=late, fdakit_samplers=lambda: [component("fine")])
    assert outside(load_catalog([half])) == ["half:fine"]


def test_a_plugin_that_is_refused_leaves_nothing_behind() -> None:
    refused = plugin("refused", fdakit_masks=lambda: [component()], fdakit_wrong=lambda: [component()])
    catalog = load_catalog([refused, FINE, plugin("alike", fdakit_wrong=lambda: [component()])])
    assert [broken.entry for broken in catalog.broken] == ["refused", "alike"]
    assert outside(catalog) == ["fine:fine"]


def test_one_name_offered_twice_by_one_provider_is_its_fault_and_the_first_stays() -> None:
    catalog = load_catalog([offering("mask", component("twin"), component("twin"), component("other"))])
    assert outside(catalog) == ["stranger:other", "stranger:twin"]
    (broken,) = catalog.broken
    assert broken.reason == "fdakit_masks offered 'twin' twice; give each a name of its own"
    assert catalog.ambiguous() == ()


def test_one_name_may_stand_for_parts_of_two_kinds() -> None:
    catalog = load_catalog([offering("mask", component("twin")), offering("fusion", component("twin"), module="b")])
    assert catalog.ambiguous() == ()
    assert catalog.find("mask", "twin").kind == "mask"


def test_a_name_offered_by_two_is_an_error_only_for_a_recipe_that_uses_it_bare() -> None:
    catalog = load_catalog([offering("mask", component("whole-frame"))])
    assert catalog.ambiguous() == (("mask", "whole-frame"),)
    assert catalog.broken == ()
    with pytest.raises(
        PluginError, match="offered more than once; choose one: fdakit:whole-frame, stranger:whole-frame"
    ):
        catalog.find("mask", "whole-frame")
    for provider in ("fdakit", "stranger"):
        assert catalog.find("mask", f"{provider}:whole-frame").provider.name == provider
    with pytest.raises(RecipeError, match=r"x\.toml: mask\.use: mask 'whole-frame' is offered more than once"):
        validate(document(mask={"use": "whole-frame"}), where="x.toml", catalog=catalog)
    validate(document(mask={"use": "stranger:whole-frame"}), where="x.toml", catalog=catalog)
    validate(document(), where="x.toml", catalog=catalog)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_that_leaves_a_table_out_gets_fdakits_own_part_whatever_else_is_installed(kind: str) -> None:
    rivals = [component(offer.component.name) for offer in load_catalog().of_kind(kind)]
    catalog = load_catalog([offering(kind, *rivals)])
    tables = {"dataset": {"use": "fdakit:msvd"}, "encoder": {"use": "fdakit:tiny"}}
    recipe = validate(tables, where="x.toml", catalog=catalog)
    assert {part.offer.provider.name for part in recipe.all_parts()} == {"fdakit"}


@pytest.mark.parametrize("use", ["whole-fram", "nobody:whole-frame", ":", ""])
def test_an_unknown_name_is_answered_with_what_there_is(use: str) -> None:
    with pytest.raises(PluginError, match=rf"^unknown mask '{use}'; .*whole-frame"):
        load_catalog().find("mask", use)


def test_an_unknown_name_is_answered_with_the_nearest_and_with_the_broken_plugins_that_may_have_had_it() -> None:
    catalog = load_catalog([plugin("drift", fdakit_masks=late)])
    with pytest.raises(PluginError) as caught:
        catalog.find("mask", "whole-fram")
    assert "did you mean 'whole-frame'?" in str(caught.value)
    assert "plugins that could not be loaded: drift (fdakit_masks: ValueError: too late)" in str(caught.value)


def test_a_package_that_is_not_installed_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FDAKIT_PLUGINS", raising=False)
    with pytest.raises(PluginError, match=r"no package 'fdakit_absent' is installed: pip install fdakit-absent$"):
        Catalog((), ()).find("mask", "fdakit_absent:fine")
    with pytest.raises(PluginError, match=r"'a b;c' is no name of a package; correct it$"):
        Catalog((), ()).find("mask", "a b;c:fine")
    folder = Path(catalog_module.__file__).parents[1] / "plugins" / "fdakit-xpool"
    monkeypatch.chdir(folder.parents[1])
    with pytest.raises(PluginError, match=r": pip install \./plugins/fdakit-xpool$"):
        Catalog((), ()).find("matcher", "fdakit-xpool:xpool")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError, match=rf": pip install {folder}$"):
        Catalog((), ()).find("matcher", "fdakit-xpool:xpool")
    monkeypatch.setenv("FDAKIT_PLUGINS", "")
    with pytest.raises(PluginError, match=r": pip install fdakit-absent, and add it to FDAKIT_PLUGINS$"):
        load_catalog().find("mask", "fdakit-absent:fine")


def test_an_installed_package_that_is_left_out_is_not_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(name="fine", dist=SimpleNamespace(name="fdakit-fine", version="1"))
    monkeypatch.setattr(catalog_module, "entry_points", lambda group: [entry])
    monkeypatch.setenv("FDAKIT_PLUGINS", "")
    with pytest.raises(
        PluginError, match=r"'fdakit-fine' is installed, and FDAKIT_PLUGINS leaves it out: add it there$"
    ):
        load_catalog().find("mask", "fdakit-fine:fine")


def test_a_name_that_no_package_has_is_answered_with_the_nearest() -> None:
    with pytest.raises(PluginError, match=r"unknown mask 'fine:finer'; did you mean 'fine'\?"):
        load_catalog([FINE]).find("mask", "fine:finer")


@pytest.mark.parametrize("use", ["my-fine.part:fine", "My_Fine-part:fine", "my_fine_part:fine"])
def test_a_package_is_known_by_any_way_to_write_its_name(use: str) -> None:
    catalog = load_catalog([offering("mask", component("fine"), module="my_fine_part")])
    assert catalog.find("mask", use).provider.name == "my_fine_part"


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(PluginError, match="kind 'masks': unknown; did you mean 'mask'"):
        load_catalog().of_kind("masks")


# Parts that fail


def choosing(build: Callable[[Any, BuildContext], Any]) -> Any:
    catalog = load_catalog([offering("mask", component("x", build), module="prov")])
    return validate(document(mask={"use": "x"}, name="x"), where="x.toml", catalog=catalog)


def test_a_part_that_fails_while_it_is_built_is_named() -> None:
    def build(options: Any, shapes: BuildContext) -> Any:
        raise ValueError("no such drift")

    with pytest.raises(
        PluginError, match=r"^mask 'x' \(prov local\) failed while it was built: ValueError: no such drift$"
    ) as caught:
        choosing(build).parts["mask"].build(BuildContext())
    assert isinstance(caught.value.__cause__, ValueError)


class Failing:
    """A mask whose call raises or, given a value, returns it."""

    needs = Needs()
    place = "worker"

    def __init__(self, value: object = None) -> None:
        self.value = value

    def __call__(self, clip: object) -> object:
        if self.value is None:
            raise ValueError("no motion")
        return self.value


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Failing(), r"ValueError: no motion"),
        (Failing(np.ones((1, 1, 1))), r"returned float64\(1, 1, 1\); wanted float32\(12, 224, 224\)"),
        (Failing(np.full((12, 224, 224), 2, np.float32)), r"values from 2\.0 to 2\.0; wanted 0 to 1"),
        (Failing("nothing"), r"returned 'nothing'; wanted float32"),
    ],
)
def test_a_part_that_fails_while_it_is_used_is_named_with_the_video(clips: Path, mask: Failing, words: str) -> None:
    with pytest.raises(PluginError, match=rf"^mask 'x' \(prov local\) failed on video 'vid12': {words}"):
        raise using(mask, clips)


def using(mask: object, clips: Path) -> Any:
    """What a mask of a plugin makes of a real clip of twelve frames: the item, or the error."""
    video = VideoRef("vid12", clips / "red-across.mp4")
    preprocess = Preprocess(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    recipe = choosing(lambda options, shapes: mask)
    source = ClipDataset(
        ClipSettings.of(recipe), [video], training=False, preprocess=preprocess, shapes=BuildContext()
    )
    return source[ClipRequest(0)]


class Moving(Failing):
    """A mask on the device: where a frame differs from the one decoded before it."""

    needs = Needs(neighbours=(-1,))
    place = "device"

    def __call__(self, clips: Any) -> object:
        assert clips.frames.shape == clips.neighbours[-1].shape == (1, 12, 3, 224, 224)
        return (clips.frames != clips.neighbours[-1]).any(2).float()


def test_a_mask_on_the_device_gets_its_neighbours_there_too(clips: Path) -> None:
    found = using(Moving(), clips)
    assert found.alphas == {}
    (alpha,) = Moving()(clip_batch(Clip(found.id, found.frames, found.times, neighbours=found.neighbours), "cpu"))
    coverage = alpha.mean((1, 2))
    assert coverage[0] == 0  # before the first frame stands the first itself
    assert all(coverage[1:] > 0)


# Plugins that are installed


def test_an_installed_plugin_is_found_under_its_distributions_name_and_version(site: Path) -> None:
    distribution(site, "fdakit-drift", mask_plugin("drift"), module="drift_of_outside")
    offer = load_catalog().find("mask", "fdakit-drift:drift")
    assert str(offer) == "mask 'drift' (fdakit-drift 0.1)"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("x = = 1", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_plugin_that_fails_on_import_is_kept_with_its_reason(site: Path, code: str, reason: str) -> None:
    distribution(site, "fdakit-broken", code, module="broken_on_import")
    distribution(site, "fdakit-sound", mask_plugin("sound"), module="sound_one")
    catalog = load_catalog()
    (broken,) = catalog.broken
    assert (str(broken.provider), broken.entry) == ("fdakit-broken 0.1", "main")
    assert broken.reason.startswith(reason)
    assert outside(catalog) == ["fdakit-sound:sound"]


def test_an_entry_point_that_names_nothing_is_kept_with_its_reason(site: Path) -> None:
    distribution(site, "fdakit-broken", "", module="there")
    (site / "fdakit_broken-0.1.dist-info" / "entry_points.txt").write_text("[fdakit]\nmain = elsewhere\n")
    (broken,) = load_catalog().broken
    assert broken.reason == "ModuleNotFoundError: No module named 'elsewhere'"


def test_two_distributions_with_the_same_entry_name_are_both_found(site: Path) -> None:
    distribution(site, "fdakit-one", mask_plugin("one"), module="module_one", entry="plugin")
    distribution(site, "fdakit-two", mask_plugin("two"), module="module_two", entry="plugin")
    catalog = load_catalog()
    assert catalog.broken == ()
    assert outside(catalog) == ["fdakit-one:one", "fdakit-two:two"]


def test_two_distributions_with_the_same_part_are_told_apart_by_their_names(site: Path) -> None:
    distribution(site, "fdakit-one", mask_plugin("drift"), module="drift_one")
    distribution(site, "fdakit-two", mask_plugin("drift"), module="drift_two")
    catalog = load_catalog()
    with pytest.raises(PluginError, match="choose one: fdakit-one:drift, fdakit-two:drift"):
        catalog.find("mask", "drift")
    assert catalog.find("mask", "fdakit-two:drift").provider.name == "fdakit-two"


def test_a_damaged_installation_goes_by_its_entry_name_and_does_not_stop_the_others(site: Path) -> None:
    distribution(site, "fdakit-torn", mask_plugin("torn"), module="torn")
    (site / "fdakit_torn-0.1.dist-info" / "METADATA").unlink()
    distribution(site, "fdakit-sound", mask_plugin("sound"), module="sound_two")
    assert outside(load_catalog()) == ["fdakit-sound:sound", "main:torn"]


@pytest.mark.parametrize(
    ("allowed", "found"),
    [
        ("", []),
        ("fdakit-two", ["fdakit-two:two"]),
        (" fdakit-one , fdakit-two ", ["fdakit-one:one", "fdakit-two:two"]),
        ("fdakit-absent", []),
    ],
)
def test_the_environment_limits_which_plugins_load(
    site: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, found: list[str]
) -> None:
    distribution(site, "fdakit-one", mask_plugin("one"), module="allowed_one")
    distribution(site, "fdakit-two", mask_plugin("two"), module="allowed_two")
    monkeypatch.setenv("FDAKIT_PLUGINS", allowed)
    assert outside(load_catalog()) == found
    monkeypatch.delenv("FDAKIT_PLUGINS")
    assert {"fdakit-one:one", "fdakit-two:two"} <= set(outside(load_catalog()))


def test_a_plugin_that_is_not_allowed_is_not_even_imported(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(site, "fdakit-broken", "raise SystemExit", module="never_imported")
    monkeypatch.setenv("FDAKIT_PLUGINS", "")
    assert load_catalog().broken == ()


def test_one_module_may_not_be_two_plugins() -> None:
    twice: ModuleType = offering("mask", component("fine"), module="twice")
    catalog = load_catalog([twice, twice])
    assert outside(catalog) == ["twice:fine"]
    assert len(catalog.broken) == 1
