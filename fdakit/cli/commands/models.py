"""`fdakit models`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.model.zoo import ZooFile, ZooModel


@click.command("models")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List named models, or describe one in full.

    Licence, files, checksums and recipe.
    Searches for files in weights/, or the folder in FDAKIT_WEIGHTS, and in the caches of the Hugging Face hub and of
    openai/CLIP. Does not use the network.
    """
    from fdakit.model.zoo import ZOO, find_model, weights_folder, zoo_files

    if name is not None:
        model = find_model(name)
        found = _detail(model, zoo_files(model))
        if as_json:
            print_json(found)
        else:
            _tell(found)
        return
    listed = [(model, zoo_files(model)) for model in ZOO]
    if as_json:
        print_json([{**_facts(model), "files": [_file(f) for f in files]} for model, files in listed])
        return
    rows = [
        [model.name, model.model, model.alpha, _short(model.licence), _expected(model, files), _here(files)]
        for model, files in listed
    ]
    print_table(
        f"models; files are expected in {weights_folder().absolute()}",
        ["name", "backbone", "alpha checkpoint", "licence", "expected", "here"],
        rows,
    )
    say("fdakit models NAME tells how to get one and gives its recipe")


def _facts(model: ZooModel) -> dict[str, Any]:
    return {**asdict(model), "research_only": model.research_only}


def _file(file: ZooFile) -> dict[str, Any]:
    places = [str(path.absolute()) for path in file.places]
    return {"part": file.part, "here": file.found is not None, "found": file.found, "places": places}


def _short(licence: str) -> str:
    return licence.partition(";")[0].partition(" (")[0]


def _expected(model: ZooModel, files: tuple[ZooFile, ...]) -> str:
    if len(files) > 1:
        return files[1].places[0].name
    return f"hub, or {model.archive}" if model.archive else "hub"


def _here(files: tuple[ZooFile, ...]) -> str:
    here = [file.part for file in files if file.found is not None]
    return "yes" if len(here) == len(files) else f"{here[0]} only" if here else "no"


def _detail(model: ZooModel, files: tuple[ZooFile, ...]) -> dict[str, Any]:
    import tomli_w

    from fdakit.model.zoo import archive_address, encoder_table, known_sha256
    from fdakit.system.digests import file_sha256

    shown = []
    for file in files:
        own = file_sha256(file.found) if file.found is not None else None
        known = known_sha256(model, file)
        same = own == known if own and known else None
        shown.append({**_file(file), "sha256": own, "known_sha256": known, "matches": same})
    return {
        **_facts(model),
        "here": _here(files) == "yes",
        "files": shown,
        "fetch": _fetching(model, archive_address(model), files),
        "recipe": tomli_w.dumps({"encoder": encoder_table(model, files)}),
    }


def _fetching(model: ZooModel, address: str | None, files: tuple[ZooFile, ...]) -> list[str]:
    steps = [f"CLIP: fetched from huggingface.co/{model.hub} and kept, when it is first used"]
    if address:
        steps.append(f"or without the hub: put {address} at {files[0].places[0]}")
    if len(files) > 1:
        steps.append(
            "alpha: follow the Google Drive link in model-zoo.md of github.com/SunzeY/AlphaCLIP, and put the file at "
            + " or ".join(map(str, files[1].places))
        )
    return steps


def _tell(found: dict[str, Any]) -> None:
    for key in ("name", "model", "pretrained", "alpha", "licence", "note"):
        say(f"{key + ':':12}{found[key]}")
    for file in found["files"]:
        say(f"\n{file['part']}: {'here, ' + str(file['found']) if file['here'] else 'not here; looked for at'}")
        for place in () if file["here"] else file["places"]:
            say(f"  {place}")
        if file["sha256"]:
            say(f"  sha256  {file['sha256']}  {_verdict(file)}")
        elif file["known_sha256"]:
            say(f"  sha256  {file['known_sha256']}  (of {Path(file['places'][0]).name})")
        else:
            say("  sha256  not known: none is published")
    say("\n" + "\n".join(found["fetch"]))
    say(f"\n{found['recipe']}", nl=False)


def _verdict(file: dict[str, Any]) -> str:
    if file["matches"] is None:
        return "(not known: none is published to compare with)"
    return "(as published)" if file["matches"] else f"(DIFFERS from the published {file['known_sha256']})"
