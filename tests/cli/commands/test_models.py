"""`fdakit models`: what has a name, whether it is here, and how to get it; instant and without any network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import huggingface_hub
import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import document
from helpers.small_clip import snapshot

from fdakit.catalog import load_catalog
from fdakit.model.zoo import ZOO
from fdakit.recipe.validation import validate

NAME = "alpha-clip-b16-grit20m"
FILE = "clip_b16_grit20m_fultune_2xe.pth"


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights; no cache and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "get_session", None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("FDAKIT_WEIGHTS", str(folder))
    return folder


def row(out: str, name: str) -> str:
    (found,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
    return found.rstrip()


def test_the_table_names_every_model_and_says_what_is_here(tell: Tell, weights: Path, tmp_path: Path) -> None:
    told = tell("models")
    assert told.code == 0
    for model in ZOO:
        assert row(told.out, model.name).endswith(" no")
    assert str(weights) in told.out
    shown = row(told.out, NAME)
    for words in ("ViT-B-16", "GRIT-20M", "research only", FILE):
        assert words in shown
    (weights / FILE).touch()
    assert row(tell("models").out, NAME).endswith("alpha only")
    (snapshot(tmp_path / "hub", "timm/vit_base_patch16_clip_224.openai") / "open_clip_model.safetensors").touch()
    out = tell("models").out
    assert row(out, NAME).endswith(" yes")
    assert row(out, "clip-b16").endswith(" yes")
    assert row(out, "alpha-clip-b16-grit1m").endswith("clip only")


def test_json_holds_the_same_and_all_places(tell: Tell, weights: Path) -> None:
    (weights / FILE).touch()
    found = {model["name"]: model for model in tell("models", "--json").json}
    assert list(found) == [model.name for model in ZOO]
    clip, alpha = found[NAME]["files"]
    assert (clip["here"], alpha["here"], alpha["found"]) == (False, True, str(weights / FILE))
    assert str(weights / "ViT-B-16.pt") in clip["places"]
    assert found[NAME]["research_only"] is True
    assert "CC BY-NC 4.0" in found[NAME]["licence"]


def test_one_model_is_told_in_full(tell: Tell, weights: Path) -> None:
    told = tell("models", NAME)
    assert told.code == 0
    assert str(weights / FILE) in told.out
    assert "github.com/SunzeY/AlphaCLIP" in told.out
    assert "sha256  not known: none is published" in told.out
    assert "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f  (of ViT-B-16.pt)" in told.out
    recipe = tomllib.loads(told.out[told.out.index("[encoder]") :])
    assert recipe["encoder"]["visual_checkpoint"] == str(weights / FILE)
    validate(document(**recipe), where="told", catalog=load_catalog())


def test_a_model_of_two_names_tells_both(tell: Tell, weights: Path) -> None:
    out = tell("models", "alpha-clip-l14-336-grit20m").out
    for name in ("clip_l14_336_grit_20m_4xe.pth", "clip_l14@336_grit20m_fultune_4xe.pth"):
        assert out.count(str(weights / name)) >= 2  # where it was looked for, and where to put it


def test_checksums_are_computed_and_compared(tell: Tell, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, tower = weights / "ViT-B-16.pt", weights / FILE
    archive.write_bytes(b"not OpenAI's")
    tower.write_bytes(b"a tower")
    clip, alpha = tell("models", NAME, "--json").json["files"]
    assert clip["sha256"] == hashlib.sha256(b"not OpenAI's").hexdigest()
    assert (clip["matches"], clip["known_sha256"][:8]) == (False, "5806e77c")
    assert alpha["sha256"] == hashlib.sha256(b"a tower").hexdigest()
    assert (alpha["matches"], alpha["known_sha256"]) == (None, None)
    told = tell("models", NAME)
    assert "DIFFERS from the published 5806e77c" in told.out
    assert "none is published to compare with" in told.out
    recipe = tomllib.loads(told.out[told.out.index("[encoder]") :])["encoder"]
    assert (recipe["pretrained"], recipe["quick_gelu"]) == (str(archive), True)
    monkeypatch.setattr("fdakit.model.zoo.archive_sha256", lambda model: clip["sha256"])
    assert "(as published)" in tell("models", NAME).out
    assert tell("models", NAME, "--json").json["files"][0]["matches"] is True


def test_an_unknown_name_is_an_error_in_words(tell: Tell) -> None:
    told = tell("models", "alpha-clip-b16-grit2m")
    assert (told.code, told.out) == (2, "")
    assert "not in the zoo; did you mean 'alpha-clip-b16-grit" in told.err


@pytest.mark.integration
@pytest.mark.parametrize("arguments", [["models"], ["models", "--help"], ["models", "--json"]])
def test_the_listing_needs_no_torch(arguments: list[str]) -> None:
    script = (
        "import sys; from fdakit.cli.main import execute; code = execute(sys.argv[1:]);"
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'open_clip', 'timm')))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
