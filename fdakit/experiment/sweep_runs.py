"""The runs of several recipes and seeds: laid out in folders, then made in turn or side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fdakit.errors import RecipeError
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import LONGEST_NAME

from .sweep_inputs import check_inputs_of
from .sweep_members import Member, RunFailure, check_members, run_member
from .sweep_processes import run_side_by_side

Tell = Callable[[str], None]


def plan_members(recipes: Sequence[Recipe], seeds: Sequence[int], *, out: Path, command: str) -> list[Member]:
    """Return a run for every recipe and seed, in `out/<name>/seed-<n>/`.

    Raises `RecipeError` if two recipes share a name, or a folder holds a run of another recipe or is a file.
    """
    if blocked := next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None):
        raise RecipeError(f"{command} --out: {blocked.absolute()} is a file; name a folder")
    named: dict[str, list[str]] = {}
    for recipe in recipes:
        named.setdefault(recipe.name, []).append(recipe.where)
    if shared := [_shared_name(name, places) for name, places in named.items() if len(places) > 1]:
        raise RecipeError(f"{command}: {fault}" for fault in shared)
    if long := [name for name in named if len(os.fsencode(name)) > LONGEST_NAME]:
        raise RecipeError(f"{command}: no folder can be called {long[0]!r}, it is too long; shorten what makes it up")
    members = [
        Member(replace(recipe, seed=seed), out / recipe.name / f"seed-{seed}") for recipe in recipes for seed in seeds
    ]
    check_members(members)
    return members


def _shared_name(name: str, places: Sequence[str]) -> str:
    if len(set(places)) == 1:
        return f"{name!r} is asked for {len(places)} times, from {places[0]}; ask for it once"
    return f"{', '.join(places)} are all called {name!r}; give each a `name` of its own"


def make_runs(members: Sequence[Member], *, jobs: int, tell: Tell) -> dict[Member, RunFailure]:
    """Make the runs that are not finished, `jobs` at a time; return those that failed, which stopped no other.

    Raises `FdakitError` before any run if data or weights that one needs are absent or cannot be used.
    """
    check_inputs_of(member for member in members if not member.finished)
    return dict(_made(members, jobs, tell))


def _made(members: Sequence[Member], jobs: int, tell: Tell) -> Iterator[tuple[Member, RunFailure]]:
    unfinished = [member for member in members if not member.finished]
    for member in members:
        if member not in unfinished:
            tell(f"{member.label}: finished already, {member.folder}")
    made = run_side_by_side(unfinished, jobs=jobs, tell=tell) if jobs > 1 else _in_turn(unfinished, tell)
    with closing(made):
        for done, (member, failure) in enumerate(made, len(members) - len(unfinished) + 1):
            how = f"failed: {failure.reason}" if failure else "finished"
            tell(f"{member.label}: {how} ({done} of {len(members)})")
            if failure is not None:
                yield member, failure


def _in_turn(members: Sequence[Member], tell: Tell) -> Generator[tuple[Member, RunFailure | None], None, None]:
    """Make one run after the other in this process; yield each with its failure, if it failed."""
    for member in members:
        tell(f"{member.label}: {member.folder}")
        try:
            run_member(member)
        except Exception as error:
            if os.environ.get("FDAKIT_TRACEBACK"):
                raise
            yield member, RunFailure.of(error, member)
        else:
            yield member, None
