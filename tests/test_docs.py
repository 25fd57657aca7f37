"""The documentation is held to the code: examples run, recipes pass, headings and pages equal what they describe."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.shipped import catalog_for

from fdakit.catalog import KINDS, load_catalog
from fdakit.plugin import hookspecs
from fdakit.recipe.document import shipped_recipes
from fdakit.recipe.validation import read_recipe, validate

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]
ENOUGH = {"dataset": {"use": "moving-shapes"}, "encoder": {"use": "tiny"}}


def blocks(language: str) -> list[tuple[str, str]]:
    """(place, text) of every fenced block of a language, in every page."""
    found = []
    for page in PAGES:
        for number, match in enumerate(re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)):
            found.append((f"{page.relative_to(ROOT)}-{number}", match.group(1)))
    return found


def plugin_beside(place: str, monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    """The plugin that a page in `plugins/` is about; none for other pages."""
    if not place.startswith("plugins/"):
        return []
    folder = ROOT / Path(place).parent
    monkeypatch.syspath_prepend(folder)
    return [importlib.import_module(folder.name.replace("-", "_"))]


def hook_examples() -> list[tuple[str, str]]:
    return [(place, text) for place, text in blocks("python") if "def fdakit_" in text]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages assume it: two clips and a run folder."""
    import av

    folder = tmp_path_factory.mktemp("workshop")
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for level in range(8):
                picture = np.full((64, 64, 3), 20 * level + ord(name[0]) % 16, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    (folder / "clips.csv").write_text("path,caption\na.mp4,a red circle\nb.mp4,a dog\n")
    from fdakit.experiment.run import run_recipe

    settings = ["dataset.use=manifest", f"dataset.path={folder / 'clips.csv'}", "train.epochs=0", "observer=[]"]
    recipe = read_recipe("quickstart", catalog=load_catalog(), settings=settings)
    run_recipe(recipe, out=folder / "my-run")
    return folder


@pytest.mark.integration
@pytest.mark.parametrize(("place", "text"), blocks("python"), ids=[place for place, _ in blocks("python")])
def test_every_python_block_runs(place: str, text: str, workshop: Path) -> None:
    example = ROOT / "plugins" / "fdakit-example"  # which the tutorial has installed by the time it is tested
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(example)]))
    done = subprocess.run(
        [sys.executable, "-"],
        input=text,
        text=True,
        cwd=workshop,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("place", "text"), blocks("toml"), ids=[place for place, _ in blocks("toml")])
def test_every_toml_block_passes_check(place: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tomllib.loads(text)
    if "project" in document:
        assert document["project"]["entry-points"]["fdakit"] == {"example": "fdakit_example"}
    else:
        validate({**ENOUGH, **document}, where=place, catalog=load_catalog(extra=plugin_beside(place, monkeypatch)))


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_passes_check(name: str) -> None:
    assert read_recipe(name, catalog=catalog_for(name)).name


def test_every_hook_has_one_heading_equal_to_its_signature() -> None:
    page = (ROOT / "docs" / "plugins" / "hooks.md").read_text()
    headings = re.findall(r"^### `(fdakit_.*)`$", page, re.M)
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("fdakit_")}
    assert headings == [f"{name}{inspect.signature(hook)}".replace("'", "") for name, hook in hooks.items()]
    assert [name.removeprefix("fdakit_") for name in hooks] == [f"{kind}s" for kind in KINDS] or {
        name.removeprefix("fdakit_") for name in hooks
    } == {f"{kind}s" for kind in KINDS}


@pytest.mark.parametrize(("place", "text"), hook_examples(), ids=[place for place, _ in hook_examples()])
def test_every_hook_example_offers_a_part_that_can_be_built(place: str, text: str) -> None:
    module = ModuleType(f"example_{re.sub(chr(92) + 'W', '_', place)}")
    exec(text, module.__dict__)  # the text is our own documentation
    catalog = load_catalog(extra=[module])
    offers = [offer for offer in catalog.offers if offer.provider.version == "local"]
    assert len(offers) == 1, catalog.broken
    assert f"def fdakit_{offers[0].kind}s" in text


def test_every_hook_has_an_example() -> None:
    shown = set(re.findall(r"def (fdakit_\w+)\(", (ROOT / "docs" / "plugins" / "hooks.md").read_text()))
    assert shown == {f"fdakit_{kind}s" for kind in KINDS}


def test_the_tutorial_shows_the_example_plugin_as_it_is() -> None:
    page = (ROOT / "docs" / "plugins" / "first_plugin.md").read_text()
    shown = re.search(r"<!-- file: (\S+) -->\n```python\n(.*?)```", page, re.S)
    assert shown is not None
    assert shown.group(2) == (ROOT / shown.group(1)).read_text()


def test_the_reference_page_equals_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.cli.main import execute

    monkeypatch.setenv("FDAKIT_PLUGINS", "")
    assert execute(["show", "--markdown"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "reference" / "reference.md").read_text()


def prose(text: str) -> str:
    """A page without its fenced blocks and code spans, in which links do not count."""
    return re.sub(r"`[^`\n]*`", "code", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and site generators make them: lower case, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page whose file or anchor does not exist."""
    faults = []
    for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)", prose(text)):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(text if file == page else file.read_text())):
            faults.append(f"{page.name}: {target}#{anchor}")
    return faults


def test_every_link_and_anchor_leads_somewhere() -> None:
    pages = [*PAGES, ROOT / "CHANGELOG.md"]
    assert [fault for page in pages for fault in broken_links(page, page.read_text())] == []


def test_a_link_and_an_anchor_that_lead_nowhere_are_found() -> None:
    text = (
        "# Masks of a clip\n[a](#masks-of-a-clip) [b](#none) [c](docs/none.md) [d](docs/index.md#none) [e](https://x)"
    )
    found = broken_links(ROOT / "README.md", text)
    assert found == ["README.md: #none", "README.md: docs/none.md#", "README.md: docs/index.md#none"]


def test_every_test_file_named_in_a_command_exists() -> None:
    named = {
        path for page in PAGES for path in re.findall(r"`python -m pytest [^`]*?(tests/\S+\.py)", page.read_text())
    }
    assert len(named) > 10
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_the_site_has_every_page_in_its_navigation() -> None:
    settings = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text())
    listed = re.findall(r"[\w/]+\.md", str(settings["project"]["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_ci_runs_the_readmes_test_command_to_the_letter() -> None:
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.M)
    assert len(commands) == 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_changelog_speaks_to_users_and_plugin_authors() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    assert "### For plugin authors" in text
