"""A moment opened in a video player: mpv, VLC or ffplay at its first second, else in the browser."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fdakit.errors import FdakitError
from fdakit.system.atomic_files import write_text
from fdakit.system.cache_folder import cache_folder

from .times import clock

_PROGRAMS = {
    "mpv": ("mpv", "/Applications/mpv.app/Contents/MacOS/mpv"),
    "vlc": ("vlc", "/Applications/VLC.app/Contents/MacOS/VLC", r"C:\Program Files\VideoLAN\VLC\vlc.exe"),
    "ffplay": ("ffplay",),
}
_OPENERS = {
    "linux": ("xdg-open",),
    "darwin": ("open",),
    "win32": ("rundll32", "url.dll,FileProtocolHandler"),
}
_BROWSERS_PLAY = frozenset({".mp4", ".m4v", ".webm", ".ogv", ".mov"})
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}</title>
<style>body {{ margin: 2em auto; max-width: 60em; font: 1em sans-serif }} video {{ width: 100% }}</style>
<video src="{source}#t={start:.3f},{end:.3f}" controls autoplay></video>
<p>{name}, {begins} to {ends}</p>
</html>
"""

Find = Callable[[str], str | None]


@dataclass(frozen=True)
class Playback:
    """How a moment is shown: the `player`, the arguments of its process, and the page that it shows, or ""."""

    player: str
    arguments: tuple[str, ...]
    page: str = ""


def player_arguments(player: str, program: str, path: Path, start: float) -> tuple[str, ...]:
    """Return the arguments by which `mpv`, `vlc` or `ffplay` opens an absolute path at a second."""
    options = {
        "mpv": (f"--start={start:.3f}",),
        "vlc": (f"--start-time={start:.3f}",),
        "ffplay": ("-loglevel", "error", "-ss", f"{start:.3f}", "-i"),
    }[player]
    return (program, *options, str(path))


def plan_playback(
    path: Path,
    start: float,
    end: float,
    *,
    page: Path,
    find: Find = shutil.which,
    system: str = sys.platform,
    environment: Mapping[str, str] = os.environ,
) -> Playback:
    """Return how to show a range of a video: by the first player that is found, else by the system's opener.

    The opener gets `page`, which shows the range in a browser, or the video itself where browsers do not play its
    kind. Raises `FdakitError` if there is neither, or no screen.
    """
    path, start = path.absolute(), max(0.0, start)
    where = f"open {path} at {clock(start)} yourself"
    if system == "linux" and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        raise FdakitError(f"no screen to play on (neither DISPLAY nor WAYLAND_DISPLAY is set); {where}")
    for player, programs in _PROGRAMS.items():
        program = next(filter(None, map(find, programs)), None)
        if program is not None:
            return Playback(player, player_arguments(player, program, path, start))
    opener, *options = _OPENERS.get(system, ("xdg-open",))
    found = find(opener)
    if found is None:
        raise FdakitError(f"no player found; install one of {', '.join(_PROGRAMS)}, or {where}")
    if path.suffix.lower() not in _BROWSERS_PLAY:
        return Playback(opener, (found, *options, str(path)))
    return Playback(opener, (found, *options, str(page.absolute())), _page(path, start, end))


def play(path: Path, start: float, end: float) -> str:
    """Show a range of a video, wait until a player is closed, and return what showed it.

    Raises `FdakitError` if the file is gone, there is no player, or it fails.
    """
    if not path.is_file():
        raise FdakitError(f"{path.absolute()}: no such file; run `fdakit index` again if it was moved")
    page = cache_folder() / "moment.html"
    playback = plan_playback(path, start, end, page=page)
    if playback.page:
        write_text(page, playback.page)
    run_player(playback.player, playback.arguments)
    return playback.player


def run_player(player: str, arguments: Sequence[str]) -> None:
    """Run a player's process to its end. Raises `FdakitError` with what it says if it fails."""
    try:
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            _, told = process.communicate()
    except OSError as error:
        raise FdakitError(f"{arguments[0]}: cannot be started ({error.strerror or error})") from error
    if process.returncode:
        said = told.decode(errors="replace").strip().splitlines()
        raise FdakitError(f"{player} ended with code {process.returncode}" + (f": {said[-1][:300]}" if said else ""))


def _page(path: Path, start: float, end: float) -> str:
    return _PAGE.format(
        name=html.escape(path.name.encode(errors="replace").decode()),
        source=html.escape(path.as_uri()),
        start=start,
        end=end,
        begins=clock(start),
        ends=clock(end),
    )
