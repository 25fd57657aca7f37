"""`fdakit masks`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.mask_inspection.viewer import MaskViewer
    from fdakit.plugin.contracts import Progress

F = TypeVar("F", bound=Callable[..., Any])


def _seeing_options(function: F) -> F:
    """Return which masks, over which frames, and what is drawn."""
    shared = (
        click.option(
            "--mask",
            "masks",
            multiple=True,
            metavar="'NAME KEY=VALUE ...'",
            help="A mask, with options; may be repeated.  [default: frame-difference]",
        ),
        click.option("--compare", metavar="NAME,NAME,...", help="Masks to show side by side, with default options."),
        click.option("--recipe", help="Take mask, sampler, reader and view from this recipe."),
        click.option(
            "--frames",
            type=click.IntRange(min=1),
            help="Frames of the sheet.  [default: 12; with a recipe, its sampler's]",
        ),
        click.option(
            "--size", type=click.IntRange(min=8), help="Pixels of the shorter side.  [default: 224, or the recipe's]"
        ),
        click.option(
            "--video-frames",
            type=click.IntRange(min=1),
            default=48,
            show_default=True,
            help="Frames of the overlay video.",
        ),
        click.option("--no-video", is_flag=True, help="Write no overlay video."),
    )
    for option in reversed(shared):  # so that --help lists them in this order
        function = option(function)
    return function


@click.command("masks")
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="VIDEO...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder; each video gets one below it.",
)
@_seeing_options
@set_option
@json_option
def command(
    videos: tuple[Path, ...],
    out: Path,
    masks: tuple[str, ...],
    compare: str | None,
    recipe: str | None,
    frames: int | None,
    size: int | None,
    video_frames: int,
    no_video: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Inspect masks: draw what they mark in each VIDEO.

    VIDEO is a file or a folder of files.
    Writes, for each video, a contact sheet (sheet.png), the masks as PNG files, an overlay video and masks.json.
    --set mask.KEY=VALUE changes the first mask. A video that cannot be read is named, the others are processed, and
    the exit code is 1.
    """
    from fdakit.catalog import load_catalog
    from fdakit.dataset_files.video_files import find_clips
    from fdakit.mask_inspection.selection import choose_masks
    from fdakit.mask_inspection.viewer import MaskViewer
    from fdakit.system.terminal import ProgressBar

    others = [name.strip() for name in (compare or "").split(",") if name.strip()]
    choice = choose_masks(
        masks, compare=others, recipe=recipe, frames=frames, settings=settings, catalog=load_catalog()
    )
    paths = find_clips(videos)
    bar = ProgressBar()
    drawn = _Drawn()
    try:
        film_frames = None if no_video else video_frames
        drawn.draw(MaskViewer(choice, size=size), paths, out, film_frames=film_frames, progress=bar.progressed)
    finally:
        bar.close()
    if as_json:
        print_json({"videos": drawn.facts, "failed": drawn.failed})
    else:
        _print(drawn)
    if drawn.stopped:
        say(f"stopped: {len(drawn.facts)} of {len(paths)} videos are drawn, each of them whole", err=True)
        return 130
    return 1 if drawn.failed else 0


@dataclass
class _Drawn:
    """What came of the videos so far."""

    facts: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    stopped: bool = False

    def draw(
        self, viewer: MaskViewer, paths: Sequence[Path], out: Path, *, film_frames: int | None, progress: Progress
    ) -> None:
        from fdakit.errors import VideoError
        from fdakit.mask_inspection.export import write_masks
        from fdakit.values import VideoRef

        try:
            for done, path in enumerate(paths):
                progress("drawing masks", done, len(paths))
                try:
                    self.facts.append(write_masks(viewer, VideoRef(path.stem, path), out, film_frames=film_frames))
                except VideoError as error:
                    self.failed.append({"video": str(path.absolute()), "reason": str(error)})
                    say(error, err=True)
            progress("drawing masks", len(paths), len(paths))
        except KeyboardInterrupt:
            self.stopped = True


def _print(drawn: _Drawn) -> None:
    rows = []
    for facts in drawn.facts:
        for mask in facts["masks"]:
            covered = [frame["coverage"] for frame in mask["frames"]]
            said = sorted({frame["remark"] for frame in mask["frames"]} - {""})
            shares = [f"{share:.1%}" for share in (mask["mean_coverage"], min(covered), max(covered))]
            rows.append([Path(facts["video"]).name, mask["name"], *shares, ", ".join(said)])
    if rows:
        print_table("share of the frame that is marked", ["video", "mask", "mean", "least", "most", "remarks"], rows)
    for facts in drawn.facts:
        say(f"written: {facts['folder']}")
