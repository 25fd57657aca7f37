"""Players: which one is found, how it is told where to begin, and what is said where there is none."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fdakit.errors import FdakitError
from fdakit.search.results.players import plan_playback, play, player_arguments, run_player

PAGE = Path("/cache/moment.html")
SCREEN = {"DISPLAY": ":0"}
FILM = Path("/videos/a dog & <cat> #1.mp4")


def installed(*programs: str) -> Callable[[str], str | None]:
    return lambda name: f"/bin/{name}" if name in programs else None


@pytest.mark.parametrize(
    ("player", "arguments"),
    [
        ("mpv", ("/bin/mpv", "--start=12.500", str(FILM))),
        ("vlc", ("/bin/vlc", "--start-time=12.500", str(FILM))),
        ("ffplay", ("/bin/ffplay", "-loglevel", "error", "-ss", "12.500", "-i", str(FILM))),
    ],
)
def test_each_player_is_told_where_to_begin_in_its_own_way(player: str, arguments: tuple[str, ...]) -> None:
    assert player_arguments(player, f"/bin/{player}", FILM, 12.5) == arguments
    plan = plan_playback(
        FILM, 12.5, 20.0, page=PAGE, find=installed(player, "xdg-open"), system="linux", environment=SCREEN
    )
    assert (plan.player, plan.arguments, plan.page) == (player, arguments, "")


def test_the_first_of_several_is_taken_wherever_it_is_installed() -> None:
    plan = plan_playback(
        FILM, 1, 2, page=PAGE, find=installed("ffplay", "vlc"), system="linux", environment={"WAYLAND_DISPLAY": "w"}
    )
    assert plan.player == "vlc"
    bundled = "/Applications/VLC.app/Contents/MacOS/VLC"
    plan = plan_playback(
        FILM, 1, 2, page=PAGE, find=lambda name: name if name == bundled else None, system="darwin", environment={}
    )
    assert plan.arguments[0] == bundled


@pytest.mark.parametrize(
    ("system", "opener"),
    [
        ("linux", ("/bin/xdg-open",)),
        ("darwin", ("/bin/open",)),
        ("win32", ("/bin/rundll32", "url.dll,FileProtocolHandler")),
    ],
)
def test_without_a_player_a_page_shows_the_range_in_the_browser(system: str, opener: tuple[str, ...]) -> None:
    programs = installed("xdg-open", "open", "rundll32")
    plan = plan_playback(FILM, 12.5, 20.0, page=PAGE, find=programs, system=system, environment=SCREEN)
    assert plan.arguments == (*opener, str(PAGE))
    assert f'src="{html.escape(FILM.as_uri())}#t=12.500,20.000"' in plan.page
    assert "<cat>" not in plan.page
    assert "0:12.5 to 0:20" in plan.page


def test_what_browsers_do_not_play_is_opened_itself() -> None:
    plan = plan_playback(
        Path("/videos/a.AVI"), 1, 2, page=PAGE, find=installed("xdg-open"), system="linux", environment=SCREEN
    )
    assert (plan.arguments, plan.page) == (("/bin/xdg-open", "/videos/a.AVI"), "")


def test_where_nothing_can_play_it_says_what_to_do() -> None:
    with pytest.raises(FdakitError, match=r"no player found; install one of mpv, vlc, ffplay, or open .* at 0:12.5"):
        plan_playback(FILM, 12.5, 20, page=PAGE, find=installed(), system="linux", environment=SCREEN)
    with pytest.raises(FdakitError, match=r"no screen to play on .* open .* at 0:12.5 yourself"):
        plan_playback(FILM, 12.5, 20, page=PAGE, find=installed("mpv"), system="linux", environment={})


def test_a_player_that_fails_is_quoted(tmp_path: Path) -> None:
    run_player("mpv", [sys.executable, "-c", "print('playing')"])
    with pytest.raises(FdakitError, match="mpv ended with code 3: no video output"):
        run_player(
            "mpv", [sys.executable, "-c", "import sys; sys.stderr.write('x\\nno video output\\n'); sys.exit(3)"]
        )
    with pytest.raises(FdakitError, match="cannot be started"):
        run_player("mpv", [str(tmp_path / "nowhere")])


@pytest.mark.skipif(sys.platform == "win32", reason="the player is a shell script")
def test_the_player_gets_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film, told = tmp_path / "film.mp4", tmp_path / "told"
    film.write_bytes(b"")
    player = tmp_path / "mpv"
    player.write_text(f'#!/bin/sh\necho "$@" > {told}\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    assert play(film, 2.0, 3.0) == "mpv"
    assert told.read_text() == f"--start=2.000 {film}\n"
    with pytest.raises(FdakitError, match="no such file"):
        play(tmp_path / "gone.mp4", 0, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="the opener is a shell script named xdg-open")
def test_the_opener_gets_a_page_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film, told = tmp_path / "film.mp4", tmp_path / "told"
    film.write_bytes(b"")
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\n/bin/cat "$1" > {told}\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    assert play(film, 2.0, 3.0) == "xdg-open"
    assert f"{film.as_uri()}#t=2.000,3.000" in told.read_text()
