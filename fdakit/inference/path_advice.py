"""What a path given as a run or a checkpoint contains instead, and which command helps, in words."""

from __future__ import annotations

import shlex
from pathlib import Path

from .run_files import CHECKPOINTS, ENVIRONMENT, RECIPE, REPORT


def missing_checkpoint(path: Path) -> str:
    """Return why there is no checkpoint at a path, and what to do next."""
    where = path.absolute()
    if path.is_file():
        return f"{where}: weights without a recipe beside them; {with_recipe(path)}"
    run = run_around(path)
    if run is not None:
        if any((run / CHECKPOINTS).glob("*best*")) and path != run:
            return f"{where}: no checkpoint; `fdakit eval {_quoted(run)}` evaluates the best one of this run"
        last = run / CHECKPOINTS / "last"
        resume = f"go on with {_resume(run)}"
        if last.is_dir() and path != last:
            also = f", or evaluate what it saved last: `fdakit eval {_quoted(last)}`"
            return f"{where}: no best checkpoint yet, as this run is not finished; {resume}{also}"
        return f"{where}: this run has saved no checkpoint yet; {resume}"
    if not path.exists():
        return f"{where}: no such checkpoint; give a run folder or a checkpoint folder{newest_run(path)}"
    if not path.is_dir():
        return f"{where}: neither a folder nor a regular file; name a run folder or a checkpoint folder"
    weights = sorted(
        found.name for found in path.iterdir() if found.suffix in (".safetensors", ".pt", ".pth", ".bin")
    )
    if weights:
        return f"{where}: holds {weights[0]} but no checkpoint of a run; {with_recipe(path / weights[0])}"
    return f"{where}: neither a run folder nor a checkpoint folder; name one of those{newest_run(path)}"


def with_recipe(weights: Path) -> str:
    """Return how to evaluate a weights file."""
    return f"name the recipe they belong to: `fdakit eval {_quoted(weights)} --recipe RECIPE`"


def missing_run(path: Path) -> str:
    """Return why a folder holds no run to resume, and what to do next; "" if it holds one."""
    where, run = path.absolute(), run_around(path)
    if run is not None:
        if run != path:
            return f"{where}: part of a run; resume the run itself: {_resume(run)}"
        # A run that only evaluates has no last one. After a kill it lies next to its place.
        if not any(True for name in ("last", "previous", "best") for _ in (run / CHECKPOINTS).glob(f"*{name}*")):
            again = f"start again with `fdakit run {_quoted(run / RECIPE)}`"
            return f"{where}: stopped before its first checkpoint, so there is nothing to resume; {again}"
        return ""
    if path.is_file() or not path.exists():
        found = "a file" if path.is_file() else "no such folder"
        told = "--resume takes the folder of a stopped run; a new one begins with `fdakit run RECIPE`"
        return f"{where}: {found}; {told}{newest_run(path)}"
    if (path / RECIPE).is_file():
        again = f"start a new one: `fdakit run {_quoted(path / RECIPE)}`"
        return f"{where}: a checkpoint or report without its run; {again}"
    return f"{where}: no run folder, as it holds no {RECIPE}; start one with `fdakit run RECIPE`{newest_run(path)}"


def unfinished(path: Path) -> str:
    """Return a remark if an unfinished run's best checkpoint is evaluated; "" if the run is finished."""
    if run_around(path) != path or (path / REPORT).is_file():
        return ""
    told = "this run is not finished; its best checkpoint so far is evaluated"
    return f"{path.absolute()}: {told}; {_resume(path)} goes on"


def run_around(path: Path) -> Path | None:
    """Return the run folder that a path is, or is in: one with recipe.toml and environment.json."""
    for folder in (path, path.parent, path.parent.parent):
        if (folder / RECIPE).is_file() and (folder / ENVIRONMENT).is_file():
            return folder
    return None


def newest_run(path: Path) -> str:
    """Return `; the newest run there is ...`, searched below a folder, else below runs/; "" if there is none."""
    for folder in (path, Path("runs")):
        found = [one.parent for depth in ("*", "*/*") for one in folder.glob(f"{depth}/{ENVIRONMENT}")]
        if found:
            return f"; the newest run there is {max(found, key=lambda run: run.stat().st_mtime)}"
    return ""


def _resume(run: Path) -> str:
    return f"`fdakit run --resume {_quoted(run)}`"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
