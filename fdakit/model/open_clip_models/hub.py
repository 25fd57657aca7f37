"""Files of the Hugging Face hub for `open-clip`: from the cache without network requests, else downloaded once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from fdakit.errors import CheckpointError

_FORBIDDING = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_YES = ("1", "ON", "YES", "TRUE")


COPY = "copy that folder here from a machine that has it"


def hub_file(repo: str, names: Sequence[str], *, what: str, instead: str = COPY) -> Path:
    """Return the first of the files `names` that the cache, or else the hub, has of `repo`.

    Raises `CheckpointError`, starting with `what`, if neither has one or the hub cannot be used; `instead` is what to
    do without a connection.
    """
    try:
        kept = [huggingface_hub.try_to_load_from_cache(repo, name) for name in names]
    except ValueError as error:
        raise CheckpointError(f"{what}: {repo!r} is not the name of a repository; write ORG/REPO") from error
    for path in kept:
        if isinstance(path, str):
            return Path(path)
    wanted = " or ".join(names)
    check_connection(f"{what}: {wanted} of {repo} is not in {cache_of(repo)}", instead=instead)
    for name in names:
        try:
            return Path(huggingface_hub.hf_hub_download(repo, name))
        except (
            LocalEntryNotFoundError
        ) as error:  # is an EntryNotFoundError too, but means that the hub did not answer
            raise CheckpointError(f"{what}: {repo} could not be fetched ({first_line(error)}); try again") from error
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise CheckpointError(
                f"{what}: {repo} could not be fetched ({first_line(error)}); check its name and your access"
            ) from error
    raise CheckpointError(f"{what}: {repo} on the hub holds no {wanted}; choose a repository made for open_clip")


def check_connection(missing: str, *, instead: str = COPY) -> None:
    """Raise `CheckpointError`, starting with `missing`, if the hub is disabled or does not answer.

    One request: the hub's own client tries each file six times over half a minute.
    """
    forbidding = next((name for name in _FORBIDDING if os.environ.get(name, "").upper() in _YES), None)
    if forbidding:
        raise CheckpointError(
            f"{missing}, and {forbidding} forbids fetching it; unset {forbidding} once, or {instead}"
        )
    try:
        huggingface_hub.get_session().head(constants.ENDPOINT, timeout=10)
    except Exception as error:  # httpx's or requests' own, depending on the client's version
        raise CheckpointError(
            f"{missing}, and {constants.ENDPOINT} does not answer ({first_line(error)}); connect once so that it is "
            f"fetched and kept, or {instead}"
        ) from error


def cache_of(repo: str) -> Path:
    """Return the cache folder of a repository in the hub's client."""
    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
