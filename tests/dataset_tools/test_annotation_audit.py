"""The audit of annotations: laws over drawn splits, and what real ones hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fdakit.builtin.datasets.activitynet import ACTIVITYNET
from fdakit.builtin.datasets.lsmdc import LSMDC
from fdakit.builtin.datasets.msrvtt import MSRVTT
from fdakit.builtin.datasets.msvd import MSVD
from fdakit.dataset_tools.annotation_audit import Audit, audit_facts, audit_splits
from fdakit.plugin import Caption, PublishedCounts, Split, VideoRef
from fdakit.ranking.best_recall import best_recall
from fdakit.testing.building import build_part

PAIRS = st.lists(st.tuples(st.sampled_from("stu "), st.sampled_from("abcd")), min_size=1, max_size=12)


def made(name: str, pairs: Sequence[tuple[str, str]], *, more: str = "", **also: Any) -> Split:
    """A split of `(text, video)` pairs, and of videos without a caption."""
    ids = dict.fromkeys([*(video for _, video in pairs), *more])
    videos = tuple(VideoRef(video, Path(f"{video}.mp4")) for video in ids)
    return Split(name, videos, tuple(Caption(text, video) for text, video in pairs), **also)


def audited(*splits: Split) -> Audit:
    return audit_splits(splits, present=lambda path: True)


def test_what_a_split_lacks_is_counted_and_named() -> None:
    split = made("test", [("s", "a"), ("s", "b"), ("t", "a"), ("t", "a"), (" ", "b")], more="cd")
    (found,) = audit_splits([split], present=lambda path: path.stem in "ac").splits
    assert (found.absent, found.uncaptioned) == (("b", "d"), ("c", "d"))
    assert (found.empty, found.repeated, found.shared_texts, found.shared) == (1, 1, 1, 2)
    assert found.ceiling == 80.0  # one of the two "s" must lose
    assert audited(Split("none", (), ())).splits[0].ceiling is None


def test_the_ceiling_takes_the_video_that_most_queries_of_a_text_mean() -> None:
    assert best_recall([("s", "a"), ("s", "a"), ("s", "b"), ("t", "b")]) == 75.0
    assert best_recall([]) is None


def test_two_splits_tell_what_they_share() -> None:
    train = made("train", [("s", "a"), ("t", "b"), ("u", "c")])
    test = made("test", [("s", "a"), ("t", "d"), ("u", "c"), ("u", "d")])
    (pair,) = audited(train, test).overlaps
    assert (pair.first, pair.second, pair.videos, pair.footage, pair.texts) == ("train", "test", ("a", "c"), (), 2)
    assert audited(train, made("test", [("v", "d")])).overlaps == ()


def test_one_file_under_two_ids_is_the_same_footage() -> None:
    def one(name: str, video: str, **segment: float) -> Split:
        return Split(name, (VideoRef(video, Path("same.mp4"), **segment),), (Caption(video, video),))

    (pair,) = audited(one("train", "a"), one("test", "b")).overlaps
    assert (pair.videos, pair.footage) == ((), ("a",))
    assert audited(one("train", "a", start=0, end=5), one("test", "b", start=5, end=9)).overlaps == ()


@given(pairs=PAIRS, order=st.randoms(use_true_random=False))
def test_the_order_of_captions_changes_nothing(pairs: list[tuple[str, str]], order: Any) -> None:
    shuffled = order.sample(pairs, len(pairs))
    first, second = (audited(made("x", each)).splits[0] for each in (pairs, shuffled))
    assert (first.empty, first.repeated, first.shared, first.ceiling) == (
        second.empty,
        second.repeated,
        second.shared,
        second.ceiling,
    )


@given(pairs=PAIRS)
def test_the_ceiling_is_whole_without_shared_texts_alone(pairs: list[tuple[str, str]]) -> None:
    (found,) = audited(made("x", pairs)).splits
    assert found.ceiling is not None
    assert 0 < found.ceiling <= 100
    assert (found.ceiling == 100) == (found.shared == 0) == (found.shared_texts == 0)
    own = audited(made("x", [(text + video, video) for text, video in pairs])).splits[0]
    assert (own.ceiling, own.shared, own.repeated) == (100.0, 0, found.repeated)


@given(pairs=PAIRS, chosen=st.dictionaries(st.sampled_from("stu "), st.sampled_from("abcd")))
def test_no_answer_by_text_alone_beats_the_ceiling(pairs: list[tuple[str, str]], chosen: dict[str, str]) -> None:
    right = sum(chosen.get(text) == video for text, video in pairs)
    ceiling = best_recall(pairs)
    assert ceiling is not None
    assert 100 * right / len(pairs) <= ceiling + 1e-9


@given(one=PAIRS, other=PAIRS)
def test_overlaps_are_those_of_a_search_by_hand_in_either_order(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    ids = {video for _, video in one} & {video for _, video in other}
    texts = {a for a, mine in one for b, theirs in other if a == b and mine != theirs}
    for splits in ((made("a", one), made("b", other)), (made("b", other), made("a", one))):
        audit = audited(*splits)
        assert [set(pair.videos) for pair in audit.overlaps] == ([ids] if ids or texts else [])
        assert sum(pair.texts for pair in audit.overlaps) == len(texts)
        assert audit.splits == tuple(audited(split).splits[0] for split in splits)


def test_the_facts_are_json_with_found_published_and_difference() -> None:
    split = made(
        "test", [("s", "a"), ("t", "b")], official=PublishedCounts(3), remarks=("test: 2 videos, published 3",)
    )
    facts = json.loads(json.dumps(audit_facts(audited(split, made("val", [("s", "b")])))))
    assert facts["splits"][0]["videos"] == {"found": 2, "published": 3, "difference": -1}
    assert facts["splits"][0]["captions"] == {"found": 2, "published": None, "difference": None}
    assert facts["splits"][0]["remarks"] == ["test: 2 videos, published 3"]
    assert facts["overlaps"] == [
        {
            "splits": ["test", "val"],
            "videos": 1,
            "video_ids": ["b"],
            "same_footage": 0,
            "same_footage_ids": [],
            "same_captions": 1,
        }
    ]


@pytest.mark.parametrize(
    ("component", "name", "ceiling", "texts", "queries"),
    [(MSRVTT, "msrvtt", 99.5, 4, 9), (LSMDC, "lsmdc", 99.5, 5, 10), (MSVD, "msvd", 91.54, 949, 4322)],
    ids=["msrvtt", "lsmdc", "msvd"],
)
def test_the_ceilings_of_real_test_sets(
    component: Any, name: str, ceiling: float, texts: int, queries: int, data_dir: Path, tmp_path: Path
) -> None:
    """That of MSVD was counted as 91.41 with 961 texts on another copy of its captions."""
    dataset = build_part(component, root=str(data_dir / "annotations" / name), videos=str(tmp_path))
    split = dataset.load("test", lambda what, done, total: None)
    (found,) = audit_splits([split]).splits
    assert found.ceiling is not None
    assert round(found.ceiling, 2) == ceiling
    assert (found.shared_texts, found.shared) == (texts, queries)
    assert len(found.absent) == len(split.videos)


def test_real_training_and_test_videos_are_apart(data_dir: Path, tmp_path: Path) -> None:
    part = build_part(ACTIVITYNET, root=str(data_dir / "annotations" / "activitynet"), videos=str(tmp_path))
    audit = audit_splits([part.load(name, lambda *each: None) for name in ("train", "test")])
    assert audit.overlaps == ()
    assert [found.ceiling for found in audit.splits] == [100.0, 100.0]


def test_identical_videos_are_found_and_lower_the_ceiling(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    videos = tuple(VideoRef(name, tmp_path / name) for name in "abc")
    split = Split("test", videos, tuple(Caption(f"of {name}", name) for name in "abc"))
    (found,) = audit_facts(audit_splits([split]))["splits"]
    assert found["identical_videos"] == [["a", "b"]]
    assert found["best_t2v_R@1"] == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
    other = Split("train", (VideoRef("d", tmp_path / "b"), VideoRef("c", tmp_path / "c")), ())
    (pair,) = audit_facts(audit_splits([split, other]))["overlaps"]
    assert (pair["video_ids"], pair["same_footage_ids"]) == (["c"], ["a", "b"])


def test_the_best_recall_takes_videos_that_tie_as_one() -> None:
    twins = [("a", "b")]
    assert best_recall([("s", "a"), ("t", "b")], twins) == 50.0
    assert best_recall([("s", "a"), ("s", "c"), ("s", "c")], twins) == pytest.approx(200 / 3)
    assert best_recall([("s", "a"), ("s", "b"), ("s", "c")], twins) == pytest.approx(100 / 3)
