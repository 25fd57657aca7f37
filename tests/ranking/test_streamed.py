"""Ranks from vectors equal ranks from the matrix; true ties are ties; nothing of the size of the matrix is held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.errors import ScoreError
from fdakit.ranking import tiles
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.streamed import Vectors, rank_vectors
from fdakit.values import Scores


def same(one, other):
    np.testing.assert_array_equal(one.better, other.better)
    np.testing.assert_array_equal(one.equal, other.equal)
    assert one.pool == other.pool


@st.composite
def drawn_vectors(draw):
    """Small whole numbers: products are exact, so that every order of adding gives the same bits; many repeats."""
    queries, videos, width = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    texts, clips = (rng.integers(-2, 3, (count, width)).astype(np.float32) for count in (queries, videos))
    lost = rng.random(videos) < draw(st.sampled_from([0.0, 0.3]))
    return Vectors(texts, clips, rng.integers(0, videos, queries), lost)


@pytest.mark.parametrize("mode", ["grouped", "per-caption"])
@settings(max_examples=80, deadline=None)
@given(vectors=drawn_vectors(), tile=st.integers(1, 20))
def test_equal_to_the_ranks_of_the_matrix(mode, vectors, tile):
    scores = Scores(vectors.texts @ vectors.videos.T, vectors.owners, vectors.lost)
    captions, videos = rank_vectors(vectors, mode=mode, tile=tile)
    same(captions, rank_captions(scores))
    same(videos, rank_videos(scores, mode=mode))


@pytest.mark.parametrize("tile", [64, 100, 4096])
def test_equal_texts_and_videos_tie_whatever_the_tiles(tile):
    rng = np.random.default_rng(5)
    texts, videos = (rng.standard_normal((300, 96)).astype(np.float32) for _ in range(2))
    texts[250] = texts[3]  # the same sentence for two videos, far apart
    videos[200] = videos[7]
    captions, clips = rank_vectors(Vectors(texts, videos, np.arange(300), np.zeros(300, np.bool_)), tile=tile)
    assert np.flatnonzero(captions.equal).tolist() == [7, 200]  # each stands beside its double
    assert np.flatnonzero(clips.equal).tolist() == [3, 250]


def real_vectors(data_dir, round_to=None):
    """Vectors of a real text space and captions beside them; in multiples of 1 / `round_to` products are exact."""
    rows = np.load(data_dir / "oracles" / "clip_text_lvis" / "lvis_v1_clip_a+cname.npy").astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    texts = rows + rng.normal(0, 0.15, rows.shape).astype(np.float32)
    if round_to:
        rows, texts = (np.round(vectors * round_to) / np.float32(round_to) for vectors in (rows, texts))
    return Vectors(texts, rows, np.arange(len(rows)), np.zeros(len(rows), np.bool_))


@pytest.mark.parametrize("tile", [500, 4096])
def test_a_real_text_space_in_tiles_and_as_a_whole(data_dir, tile):
    vectors = real_vectors(data_dir, round_to=128)
    scores = Scores(vectors.texts @ vectors.videos.T, vectors.owners, vectors.lost)
    captions, videos = rank_vectors(vectors, tile=tile)
    same(captions, rank_captions(scores))
    same(videos, rank_videos(scores))
    assert captions.tied > 0
    assert len(np.unique(captions.better)) > 100


def test_a_rank_is_off_by_no_more_than_what_rounding_leaves_open(data_dir):
    vectors = real_vectors(data_dir)
    exact = vectors.texts.astype(np.float64) @ vectors.videos.T.astype(np.float64)
    for found, scores in zip(rank_vectors(vectors, tile=500), (exact, exact.T), strict=True):
        own = np.diagonal(scores)[:, None]
        surely, perhaps = (np.count_nonzero(scores > own + margin, axis=1) for margin in (2e-6, -2e-6))
        perhaps -= 1  # itself
        assert (surely <= found.better).all()
        assert (found.better + found.equal <= perhaps).all()
        assert (surely == perhaps).mean() > 0.99  # so for nearly all of them there is one right count


def test_progress_reaches_its_end():
    told = []
    vectors = Vectors(np.eye(9, dtype=np.float32), np.eye(9, dtype=np.float32), np.arange(9), np.zeros(9, np.bool_))
    rank_vectors(vectors, tile=4, progress=lambda *step: told.append(step))
    assert told[-1] == ("ranking", 9, 9)


GOOD = {
    "texts": np.ones((3, 4), np.float32),
    "videos": np.ones((2, 4), np.float32),
    "owners": np.array([0, 0, 1]),
    "lost": np.zeros(2, np.bool_),
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"texts": np.ones((3, 5), np.float32)}, r"wanted texts \(q, d\) and videos \(v, d\) float32"),
        ({"texts": np.ones((3, 4))}, r"texts=float64\(3, 4\).*wanted texts \(q, d\) and videos \(v, d\) float32"),
        ({"lost": np.zeros(2, np.int64)}, r"lost=int64\(2,\).*lost \(v,\) bool"),
        ({"texts": np.full((3, 4), 1e30, np.float32), "videos": np.full((2, 4), -1e30, np.float32)}, "reach 1e\\+60"),
        ({"texts": np.ones(3, np.float32)}, r"wanted texts \(q, d\)"),
        ({"owners": np.array([0, 0])}, r"owners=int64\(2,\)"),
        ({"owners": np.array([0, 0, 2])}, "1 captions belong to none of the 2 videos, the first in row 2"),
        ({"texts": np.full((3, 4), np.nan, np.float32)}, "3 of 3 texts are not finite"),
        (
            {"videos": np.array([[1.0] * 4, [np.inf] * 4], np.float32)},
            "1 of 2 videos are not finite, the first in row 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    with pytest.raises(ScoreError, match=words):
        Vectors(**{**GOOD, **change})


@pytest.mark.parametrize("mode", ["grouped", "per-caption"])
def test_no_captions_give_no_ranks(mode):
    nothing = np.zeros((0, 4), np.float32)
    for videos in (np.ones((2, 4), np.float32), nothing):
        lost = np.zeros(len(videos), np.bool_)
        vectors = Vectors(nothing, videos, np.zeros(0, np.int64), lost)
        scores = Scores(nothing @ videos.T, vectors.owners, lost)
        captions, clips = rank_vectors(vectors, mode=mode)
        same(captions, rank_captions(scores))
        same(clips, rank_videos(scores, mode=mode))


def test_tiles_of_nothing_are_refused():
    with pytest.raises(ValueError, match="tiles of 0; wanted 1 or more"):
        rank_vectors(Vectors(**GOOD), tile=0)


@pytest.mark.parametrize("owners", [np.arange(300), np.zeros(300, np.int64)])
@pytest.mark.parametrize("videos", ["equal", "different"])
@pytest.mark.parametrize("texts", ["shared", "different"])
def test_a_tile_stays_small_whatever_is_equal(monkeypatch, owners, videos, texts):
    monkeypatch.setattr(tiles, "_ROOM", 3000)
    rows = np.arange(600, dtype=np.float32).reshape(300, 2)
    captions = tiles.numbered(rows // 4 if texts == "shared" else rows)
    layout = tiles.Layout.of(captions, tiles.numbered(rows * 0 if videos == "equal" else rows), owners, tile=100)
    if videos == "different" or len(np.unique(owners)) > 1:  # else nothing can be cut
        tall, wide = (max(cut.stop - cut.start for cut in cuts) for cuts in (layout.row_cuts, layout.column_cuts))
        assert tall * wide <= 3000
        assert (tall + len(layout.shared)) * wide <= 3000 or videos == "equal"


def test_the_cpu_counts_where_the_device_cannot():
    vectors = Vectors(**GOOD)
    for found, wanted in zip(rank_vectors(vectors, device="mps:0"), rank_vectors(vectors), strict=True):
        same(found, wanted)


@given(
    keys=st.lists(st.integers(1, 6), max_size=12).map(lambda runs: np.repeat(np.arange(len(runs)), runs)),
    size=st.integers(1, 15),
)
def test_cuts_are_as_long_as_fits_and_keep_equal_keys_together(keys, size):
    cuts = list(tiles._cuts(keys, size))
    assert [place for cut in cuts for place in range(cut.start, cut.stop)] == list(range(len(keys)))
    for cut in cuts:
        inside = keys[cut]
        assert inside.size <= size or len(set(inside)) == 1
        assert cut.stop == len(keys) or keys[cut.stop] != keys[cut.stop - 1]
        following = np.count_nonzero(keys == keys[cut.stop]) if cut.stop < len(keys) else size
        assert inside.size + following > size or cut.stop == len(keys)


@pytest.mark.parametrize("width", [3, 17, 96])
@pytest.mark.parametrize("queries", [1, 2, 7, 33])
@pytest.mark.parametrize("count", [5, 31, 64])
def test_doubles_tie_in_products_of_any_shape(width, queries, count):
    rng = np.random.default_rng(width * count + queries)
    distinct = rng.standard_normal((max(2, count // 3), width)).astype(np.float32)
    copies = rng.integers(0, len(distinct), count)
    texts, owners = rng.standard_normal((queries, width)).astype(np.float32), rng.integers(0, count, queries)
    captions, _ = rank_vectors(Vectors(texts, distinct[copies], owners, np.zeros(count, np.bool_)))
    assert captions.equal.tolist() == [np.count_nonzero(copies == copies[owner]) - 1 for owner in owners]


def test_a_zero_of_either_sign_is_the_same_text():
    assert tiles.numbered(np.array([[0.0, 1.0], [2.0, 1.0], [-0.0, 1.0]], np.float32)).tolist() == [0, 1, 0]


def test_the_vector_of_a_lost_video_means_nothing():
    videos = np.array([[1, 0], [np.nan, np.nan], [0, 1]], np.float32)
    texts = np.array([[2, 1], [3, 3], [1, 2]], np.float32)
    captions, clips = rank_vectors(Vectors(texts, videos, np.arange(3), np.array([False, True, False])))
    assert captions.better.tolist() == [0, 2, 0]
    assert clips.better.tolist() == [1, 2, 1]  # the lost video's caption, 3, stays a candidate
