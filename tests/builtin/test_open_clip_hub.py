"""The encoder `open-clip` and the hub: what is kept is used without asking; what may not be asked is said at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from helpers.small_clip import PICTURES, WEIGHTS, name_model, save_weights, snapshot, write_folder
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from fdakit import CheckpointError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model import ClipEncoder
from fdakit.testing.building import build_part

pytestmark = pytest.mark.integration

REPO = "someone/small"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class Hub:
    """Stands for the network: counts who asks whether it is there, and serves files."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.asked: list[str] = []
        self.answers = True
        self.serve: Callable[[str, str], str] = self._nothing

    def _nothing(self, repo: str, name: str) -> str:
        raise AssertionError(f"{name} of {repo} was asked of the network")

    def head(self, url: str, timeout: float) -> None:
        self.asked.append(url)
        if not self.answers:
            raise ConnectionError("name or service not known\nand a long story")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty cache and no network."""
    found = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(found.cache))
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: found)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: found.serve(repo, name))
    for variable in OFFLINE:
        monkeypatch.delenv(variable, raising=False)
    return found


def build(model: str = f"hf-hub:{REPO}", **options: Any) -> ClipEncoder:
    found: ClipEncoder = build_part(OPEN_CLIP, model=model, **options)
    return found


@pytest.mark.parametrize("name", [WEIGHTS, "open_clip_pytorch_model.bin"])
@pytest.mark.parametrize("variable", [*OFFLINE, "NEITHER"])
def test_what_the_cache_holds_is_used_without_asking(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    state = write_folder(snapshot(hub.cache, REPO), weights=name)
    encoder = build()
    assert all(torch.equal(value, state[key]) for key, value in encoder.clip.state_dict().items())
    assert list(encoder.preprocess.mean) == PICTURES["mean"]
    assert hub.asked == []


@pytest.mark.parametrize("variable", OFFLINE)
def test_offline_names_the_variable_and_the_file_at_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    kept = hub.cache / "models--someone--small"
    with pytest.raises(CheckpointError) as caught:
        build()
    assert f"open_clip_config.json of {REPO} is not in {kept}, and {variable} forbids fetching it" in str(
        caught.value
    )
    write_folder(snapshot(hub.cache, REPO), weights=None)
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS} or open_clip_pytorch_model\.bin of .*, and {variable}"):
        build()
    assert hub.asked == []


def test_a_network_that_does_not_answer_is_asked_once(hub: Hub) -> None:
    hub.answers = False
    with pytest.raises(CheckpointError, match=r"does not answer \(name or service not known\); connect once so that"):
        build()
    assert len(hub.asked) == 1


def test_what_is_not_kept_is_fetched(hub: Hub, tmp_path: Path) -> None:
    state = write_folder(tmp_path / "there", weights="open_clip_pytorch_model.bin")

    def serve(repo: str, name: str) -> str:
        if not (tmp_path / "there" / name).exists():
            raise EntryNotFoundError(f"404 {name}")
        return str(shutil.copy(tmp_path / "there" / name, snapshot(hub.cache, repo)))

    hub.serve = serve
    assert torch.equal(build().clip.visual.proj, state["visual.proj"])
    hub.serve = hub._nothing
    build()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EntryNotFoundError("404"), r"someone/small on the hub holds no open_clip_config\.json"),
        (LocalEntryNotFoundError("lost\nmore"), r"could not be fetched \(lost\); try again"),
        (OSError("disk full"), r"could not be fetched \(disk full\)"),
    ],
)
def test_a_hub_that_has_not_got_it_is_told(hub: Hub, error: Exception, words: str) -> None:
    def serve(repo: str, name: str) -> str:
        raise error

    hub.serve = serve
    with pytest.raises(CheckpointError, match=words):
        build()


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:small", "hf-hub:a/b/c", "hf-hub:a/b c"])
def test_what_names_no_repository_is_told(hub: Hub, name: str) -> None:
    with pytest.raises(CheckpointError, match="names no repository; write hf-hub:ORG/REPO"):
        build(name)
    assert hub.asked == []


@pytest.fixture
def tagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small model of open_clip's with a tag whose file lies on the hub."""
    name = name_model(tmp_path, "small-with-tag")
    tag = {"url": "", "hf_hub": f"{REPO}/", "quick_gelu": True, **PICTURES}
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED, name, {"mine": tag, "file": {**tag, "hf_hub": f"{REPO}/w.pt"}}
    )
    return name


@pytest.mark.parametrize(("tag", "file"), [("mine", WEIGHTS), ("file", "w.pt")])
def test_a_tag_is_read_from_the_cache_with_its_preprocessing_and_activation(
    hub: Hub, tagged: str, tmp_path: Path, tag: str, file: str
) -> None:
    state = write_folder(tmp_path / "small", weights=None)
    save_weights(snapshot(hub.cache, REPO) / file, state)
    encoder = build(tagged, pretrained=tag)
    assert torch.equal(encoder.clip.visual.proj, state["visual.proj"])
    assert type(encoder.clip.visual.transformer.resblocks[0].mlp.gelu).__name__ == "LeanQuickGELU"
    assert (list(encoder.preprocess.mean), encoder.preprocess.resize) == (PICTURES["mean"], "squash")
    assert hub.asked == []


def test_a_tag_that_is_not_kept_says_what_else_may_be_done(
    hub: Hub, tagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match=r"with pretrained 'mine': .*; unset HF_HUB_OFFLINE once, or give enc"):
        build(tagged, pretrained="mine")


def test_a_damaged_file_in_the_cache_is_named(hub: Hub, tagged: str) -> None:
    path = snapshot(hub.cache, REPO) / WEIGHTS
    path.write_bytes(b"half of it")
    with pytest.raises(CheckpointError, match=r"could not be used \(.*\); delete it, so that it is fetched again"):
        build(tagged, pretrained="mine")
