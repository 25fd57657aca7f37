"""What `fdakit search` makes of the moments that it found: a sheet, clips, and a player that shows the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.printing import print_table, say
from fdakit.search.results.times import clock

if TYPE_CHECKING:
    from fdakit.search.found_moments import FoundMoment
    from fdakit.search.results.moment_clips import CutClip


@dataclass(frozen=True)
class WantedResults:
    """What was asked for beside the list: a sheet's file, a folder of clips, exact ones, the first one played."""

    sheet: Path | None
    clips: Path | None
    exact: bool
    play: bool

    def check(self) -> None:
        """Raise an error for what cannot be made whatever is found."""
        if self.exact and self.clips is None:
            raise click.UsageError("--exact is how clips are cut; add --clip FOLDER")
        if self.sheet is not None:
            from fdakit.search.results.moment_sheet import sheet_format

            sheet_format(self.sheet)

    def write(self, found: Sequence[FoundMoment], line: float | None, *, title: str, facts: str) -> WrittenResults:
        """Write the sheet and the clips of what was found, if it is anything. Raises `FdakitError`."""
        if self.sheet is not None and found:
            from fdakit.search.results.moment_sheet import MOST, moment_sheet, sheet_rows, write_sheet

            shown = facts if len(found) <= MOST else f"{facts}; the first {MOST} are shown"
            write_sheet(moment_sheet(sheet_rows(found, line), title=title, facts=shown), self.sheet)
        clips: list[CutClip | str] = []
        if self.clips is not None and found:
            from fdakit.search.results.moment_clips import cut_found
            from fdakit.system.terminal import ProgressBar

            with ProgressBar() as bar:
                clips = cut_found(found, self.clips, exact=self.exact, progress=bar.progressed)
        return WrittenResults(self.sheet if found else None, tuple(clips))

    def show(self, found: Sequence[FoundMoment]) -> None:
        """Play the best moment, if that is wanted. Raises `FdakitError`."""
        if self.play and found:
            from fdakit.search.results.players import play

            play(found[0].path, found[0].start, found[0].end)


@dataclass(frozen=True)
class WrittenResults:
    """What was written: the sheet, and for each moment its clip or why there is none."""

    sheet: Path | None
    clips: tuple[CutClip | str, ...] = ()

    def to_json(self, moments: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the moments as plain values, each with its clip, and the sheet."""
        clips = [{"clip": _plain(clip)} for clip in self.clips] or [{} for _ in moments]
        told = [{**moment, **clip} for moment, clip in zip(moments, clips, strict=True)]
        return {"moments": told, **({} if self.sheet is None else {"sheet": str(self.sheet.absolute())})}

    def print(self) -> None:
        """Print where the sheet and the clips are, and which range each clip covers."""
        made = [clip for clip in self.clips if not isinstance(clip, str)]
        if made:
            rows = [
                [str(one.path), f"{clock(one.start)} to {clock(one.end)}", "copied" if one.lossless else "encoded"]
                for one in made
            ]
            print_table(f"{len(made)} clips", ["clip", "covers", "how"], rows)
            for one in made:
                if one.remark:
                    say(f"{one.path.name}: {one.remark}")
        for reason in dict.fromkeys(clip for clip in self.clips if isinstance(clip, str)):
            say(f"not cut: {reason}")
        if self.sheet is not None:
            say(f"sheet: {self.sheet}")


def _plain(clip: CutClip | str) -> dict[str, Any]:
    if isinstance(clip, str):
        return {"error": clip}
    return {**vars(clip), "path": str(clip.path.absolute())}


def result_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `WantedResults` to a command."""
    for option in (
        click.option(
            "--play", is_flag=True, help="Open the first moment in mpv, VLC or ffplay, else in the browser."
        ),
        click.option("--exact", is_flag=True, help="Cut clips at the very frames, by encoding them anew."),
        click.option(
            "--clip",
            "clips",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Cut every moment out into a file there, without loss, from a keyframe on.",
        ),
        click.option(
            "--sheet", type=click.Path(path_type=Path), metavar="FILE.jpg", help="Write a sheet of pictures there."
        ),
    ):
        function = option(function)
    return function
