"""The source of an `open-clip` model: open_clip's own list, a folder (`local-dir:`) or the hub (`hf-hub:`)."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip

from fdakit.errors import CheckpointError

from .hub import check_connection, first_line, hub_file

CONFIG = "open_clip_config.json"
LOCAL, HUB = "local-dir:", "hf-hub:"
_ON_HUB = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_IN_FOLDER = (  # open_clip's order of preference
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_FILE = "give encoder.pretrained the path of a weights file"
_WEIGHTS = (".safetensors", ".bin", ".pth", ".pt")


@dataclass(frozen=True)
class Source:
    """One model. `name` is its name in open_clip, `config` its sizes; `folder` and `repo` its location.

    `pictures` is the preprocessing in a folder's configuration, with open_clip's keys.
    """

    name: str
    asked: str
    config: Mapping[str, Any]
    folder: Path | None = None
    repo: str | None = None
    pictures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        """Whether everything, including the vocabulary, is in a folder of the user's."""
        return self.folder is not None and self.repo is None

    @property
    def text(self) -> Mapping[str, Any]:
        """The text tower's part of the configuration."""
        found: Mapping[str, Any] = self.config["text_cfg"]
        return found

    def own_weights(self) -> Path:
        """Return the weights of a folder or a hub repository. Raises `CheckpointError` if it has none."""
        assert self.folder is not None
        if self.repo is not None:
            return hub_file(self.repo, _ON_HUB, what=f"encoder.model {self.asked!r}")
        return _weights_in(self.folder)


def find_source(asked: str) -> Source:
    """Return the source of `encoder.model`.

    Raises `CheckpointError` if there is no such model, folder or repository.
    """
    if asked.startswith(LOCAL):
        folder = Path(asked.removeprefix(LOCAL)).expanduser()
        if not asked.removeprefix(LOCAL) or not folder.is_dir():
            raise CheckpointError(
                f"encoder.model {asked!r}: {folder.absolute()} is no folder; name one that holds {CONFIG} and weights"
            )
        sizes, pictures = _read_config(folder / CONFIG)
        return Source(f"{LOCAL}{folder}", asked, sizes, folder, pictures=pictures)
    if asked.startswith(HUB):
        repo = asked.removeprefix(HUB)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo, re.ASCII):
            raise CheckpointError(f"encoder.model {asked!r}: names no repository; write hf-hub:ORG/REPO")
        config = hub_file(repo, (CONFIG,), what=f"encoder.model {asked!r}")
        sizes, pictures = _read_config(config)
        return Source(f"{LOCAL}{config.parent}", asked, sizes, config.parent, repo, pictures)
    name = asked.replace("/", "-")
    _check_name(name)
    return Source(name, asked, open_clip.get_model_config(name))


def _check_name(name: str) -> None:
    known = open_clip.list_models()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise CheckpointError(
            f"encoder.model: open_clip knows no model {name!r}; near it: {', '.join(close) or known}; a folder is "
            f"named {LOCAL}FOLDER, a repository {HUB}ORG/REPO"
        )


def _read_config(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the sizes of a model, and its image preprocessing."""
    where = path.absolute()
    if not path.is_file():
        raise CheckpointError(f"{where}: absent; a folder for {LOCAL} holds {CONFIG} and weights")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # invalid UTF-8 and invalid JSON are ValueErrors
        raise CheckpointError(f"{where}: not readable as JSON ({first_line(error)}); put it there again") from error
    config = found.get("model_cfg") if isinstance(found, dict) else None
    kinds = {"embed_dim": int, "vision_cfg": dict, "text_cfg": dict}
    lacking = ["model_cfg"]
    if isinstance(config, dict):
        lacking = [key for key, kind in kinds.items() if not isinstance(config.get(key), kind)]
    if not isinstance(config, dict) or lacking:
        raise CheckpointError(
            f"{where}: lacks {', '.join(lacking)}; open_clip's layout is a model_cfg of embed_dim, vision_cfg and "
            "text_cfg, and a preprocess_cfg"
        )
    pictures = found.get("preprocess_cfg")
    return config, pictures if isinstance(pictures, dict) else {}


def _weights_in(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if path.suffix in _WEIGHTS)
    named = {path.name: path for path in found}
    for name in _IN_FOLDER:
        if name in named:
            return named[name]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(
            f"{folder.absolute()}: holds several weights files ({', '.join(named)}); name one of them "
            f"{_IN_FOLDER[0]}, or give its path as encoder.pretrained"
        )
    raise CheckpointError(
        f"{folder.absolute()}: holds no weights; put {_IN_FOLDER[0]} there, or give encoder.pretrained the path of a "
        "weights file"
    )


def tag_file(tag: Mapping[str, Any], *, what: str) -> Path:
    """Return the weights file of one of open_clip's tags, cached or downloaded. Raises `CheckpointError`."""
    if not tag.get("hf_hub"):
        return _url_file(str(tag.get("url", "")), what=what)
    repo, filename = os.path.split(tag["hf_hub"])
    if not filename:
        return hub_file(repo, _ON_HUB, what=what, instead=_FILE)
    safe = (f"{filename[:-4]}.safetensors",) if filename.endswith((".bin", ".pth")) else ()
    return hub_file(repo, (*safe, filename), what=what, instead=_FILE)


def _url_file(url: str, *, what: str) -> Path:
    from open_clip.pretrained import download_pretrained_from_url

    kept = Path.home() / ".cache" / "clip" / url.rpartition("/")[2]
    if not kept.is_file():
        check_connection(f"{what}: {kept} is absent", instead=_FILE)
    try:
        return Path(download_pretrained_from_url(url))
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{what}: {url} could not be fetched ({first_line(error)}); try again") from error
