"""The runs of a sweep, each a recipe with a seed in a folder: checked first, then made, resumed or read."""

from __future__ import annotations

import tomllib
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fdakit.analysis.recipe_diff import same_recipe
from fdakit.errors import FdakitError, PartError, RecipeError
from fdakit.inference.checkpoint_files import LAST, PREVIOUS, STATE, current_checkpoint
from fdakit.inference.run_files import CHECKPOINTS, CURVES, ENVIRONMENT, LOG, RECIPE, REPORT
from fdakit.recipe.default_options import default_options
from fdakit.recipe.document import read_document
from fdakit.recipe.recipe import Recipe
from fdakit.system.atomic_files import remove
from fdakit.system.process_pool import Failure

from .run import run_recipe
from .run_folder import LOCK, RunFolder, recipe_text


@dataclass(frozen=True, eq=False)
class Member:
    """One run of a sweep; `log` is where what it prints goes if it runs beside others, and why it failed."""

    recipe: Recipe
    folder: Path

    @property
    def label(self) -> str:
        """Its name and seed, in words."""
        return f"{self.recipe.name}, seed {self.recipe.seed}"

    @property
    def log(self) -> Path:
        """A file beside the run's folder."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def finished(self) -> bool:
        """Whether its report is written."""
        return (self.folder / REPORT).is_file()


@dataclass(frozen=True)
class RunFailure(Failure):
    """A run that did not end well; `fault` is whether a part or fdakit itself is to blame, not what it was given."""

    fault: bool = False

    @classmethod
    def of(cls, error: Exception, member: Member) -> RunFailure:
        """Return what an error says to a user; of one that is not worded, the traceback is added to the log."""
        if isinstance(error, FdakitError):
            return cls(str(error), isinstance(error, PartError))
        if isinstance(error, OSError) and error.errno is not None:
            where = f"{error.filename}: " if error.filename else ""
            return cls(f"{where}{error.strerror}")
        member.log.parent.mkdir(parents=True, exist_ok=True)
        with member.log.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
        said = str(error).strip().partition("\n")[0]
        return cls(f"{type(error).__name__}: {said} (traceback in {member.log})", True)


def check_members(members: Iterable[Member]) -> None:
    """Raise `RecipeError` if a folder holds a run of another recipe."""
    for member in members:
        known = member.folder / RECIPE
        if known.is_file() and not _is_of(member.recipe, known):
            raise RecipeError(
                f"{member.folder.absolute()}: holds a run of another recipe; name another folder with --out, or "
                "remove it"
            )


def _is_of(recipe: Recipe, known: Path) -> bool:
    resolved = tomllib.loads(recipe_text(recipe))
    return same_recipe(read_document(known), resolved, defaults=default_options(recipe))


def run_member(member: Member) -> None:
    """Make the run, or resume it where it was interrupted."""
    folder = member.folder
    kept = (current_checkpoint(folder / CHECKPOINTS / name) / STATE for name in (LAST, PREVIOUS))
    stopped = any(state.is_file() for state in kept)
    if not stopped and folder.is_dir():
        _clear_start(folder)
    run_recipe(member.recipe, out=None if stopped else folder, resume=folder if stopped else None)


def _clear_start(folder: Path) -> None:
    """Remove what a run killed before its first resumable checkpoint left, and nothing else.

    Raises `RecipeError` if there is more, as by observers.
    """
    run = RunFolder(folder)
    with run.held():
        files = [path for path in folder.iterdir() if path.name != LOCK]
        names = {file.name for file in files}
        more = sorted(names - {RECIPE, ENVIRONMENT, LOG, CHECKPOINTS, CURVES})
        if more and RECIPE in names:
            raise RecipeError(
                f"{folder.absolute()}: holds a run that was killed before its first checkpoint, and what others "
                f"wrote ({', '.join(more[:3])}); remove the folder, then repeat this"
            )
        for file in () if more else files:
            remove(file)
