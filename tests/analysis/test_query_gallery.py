"""Cards of single queries: the right ones in their order, with what was found and pictures where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.finished_runs import finished_run
from hypothesis import given, strategies as st

from fdakit.analysis.query_gallery import extremes, query_galleries, query_margins
from fdakit.analysis.saved_run import SavedRun
from fdakit.errors import ScoreError
from fdakit.report.html_page import Gallery
from fdakit.values import Scores, VideoRef
from fdakit.video.thumbnails import thumbnail

Make = Callable[..., SavedRun]
NAMES = ("red-across", "blue-down", "pink-down", "yellow-down")
MATRIX = [
    [0.9, 0.1, 0.2, 0.3],  # of video 0: rank 1, margin 0.6
    [0.5, 0.6, 0.4, 0.3],  # 0: rank 2, margin -0.1
    [0.8, 0.7, 0.1, 0.2],  # 1: rank 2, margin -0.1
    [0.9, 0.8, 0.1, 0.7],  # 2: rank 4, margin -0.8
    [0.3, 0.1, 0.4, 0.7],  # 3: rank 1, margin 0.3
]
OWNERS = [0, 0, 1, 2, 3]


@pytest.fixture
def make(clips: Path, tmp_path: Path) -> Make:
    def made(matrix: Any = MATRIX, owners: Sequence[int] = tuple(OWNERS), **more: Any) -> SavedRun:
        paths = [clips / f"{name}.mp4" for name in NAMES]
        return SavedRun(
            finished_run(tmp_path / "run", matrix, videos=more.pop("videos", paths), owners=owners, **more)
        )

    return made


def galleries(run: SavedRun, worst: int = 9, best: int = 9) -> list[Gallery]:
    return query_galleries(run, worst=worst, best=best, progress=lambda what, done, total: None)


def test_worst_come_by_rank_and_margin_and_best_by_the_opposite_one_a_video(make: Make) -> None:
    run = make()
    scores = run.scores()
    margins = query_margins(scores)
    np.testing.assert_allclose(margins, [0.6, -0.1, -0.1, -0.8, 0.3], atol=1e-6)
    low, high = extremes(run, scores, margins, worst=9, best=9)
    assert (low[0], sorted(low)) == (3, [1, 2, 3])
    assert high == [0, 4]
    assert extremes(run, scores, margins, worst=1, best=1) == ([3], [0])
    assert extremes(run, scores, margins, worst=0, best=0) == ([], [])
    assert extremes(run, scores, margins, worst=0, best=9) == ([], [0, 4, 2, 3])  # row 1 is of the video of row 0


def test_a_card_shows_target_and_what_came_first(make: Make) -> None:
    run = make()
    worst, best = galleries(run)
    card = worst.cards[0]
    assert card.title == "caption 3"
    assert card.facts == ("rank 4 of 4", "target's score 0.100, margin -0.800")
    assert [(shot.label, shot.mark) for shot in card.shots] == [
        ("target: pink-down", ""),
        ("1st: red-across, 0.900", "wrong"),
        ("2nd: blue-down, 0.800", "wrong"),
        ("3rd: yellow-down, 0.700", "wrong"),
    ]
    assert best.cards[0].shots[1].mark == "right"
    assert [shot.picture for shot in card.shots] == [thumbnail(run.videos[place]) for place in (2, 0, 1, 3)]
    assert None not in [shot.picture for shot in card.shots]


def test_ties_are_told(make: Make) -> None:
    run = make([[0.5, 0.5, 0.5, 0.1]], owners=[0])
    (worst,) = galleries(run)
    assert worst.cards[0].facts[0] == "rank 2 of 4, tied with 2 more"


def test_videos_that_are_gone_have_no_picture_and_lost_ones_no_card(make: Make, clips: Path, tmp_path: Path) -> None:
    videos = [clips / "red-across.mp4", clips / "blue-down.mp4", tmp_path / "gone.mp4", clips / "white-across.mp4"]
    run = make(videos=videos, lost=[3])
    with pytest.warns(UserWarning, match=r"1 of 3 images are missing on the page; first: .*gone\.mp4: "):
        worst, best = galleries(run)
    shots = [shot for card in (*worst.cards, *best.cards) for shot in card.shots]
    assert {shot.label.partition(": ")[2].partition(",")[0] for shot in shots if shot.picture is None} == {"gone"}
    assert not any("white-across" in shot.label for shot in shots)
    assert "could not be read count as misses and are not shown: 1." in worst.note
    assert worst.note.endswith("files are absent or cannot be read now: 1.")


def test_thumbnails_are_made_once_a_video_and_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    told: list[tuple[int, int]] = []

    def counted(video: VideoRef) -> bytes:
        made.append(video.id)
        return b""

    monkeypatch.setattr("fdakit.analysis.query_gallery.uniform_frames", counted)
    query_galleries(make(), worst=9, best=9, progress=lambda what, done, total: told.append((done, total)))
    assert sorted(made) == sorted(NAMES)
    assert told == [(done, 4) for done in range(5)]


def test_a_run_without_similarities_is_refused(make: Make) -> None:
    with pytest.raises(ScoreError, match=r"similarity\.npy: no such file"):
        galleries(make(similarity=False))


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 99))
def test_a_margin_is_above_zero_exactly_where_nothing_is_as_good(queries: int, videos: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 4, (queries, videos)).astype(np.float32)
    scores = Scores(matrix, rng.integers(0, videos, queries), np.zeros(videos, np.bool_))
    own = matrix[np.arange(queries), scores.owners]
    rivals = (matrix >= own[:, None]).sum(axis=1) - 1
    np.testing.assert_array_equal(query_margins(scores) > 0, rivals == 0)
