"""Evaluation: every score as if computed alone, true ties to the last bit, and what happens to lost videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fdakit import PluginError, RecipeError, VideoError
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import PartError
from fdakit.evaluation.evaluator import EvaluationResult, Evaluator
from fdakit.evaluation.make_report import make_report
from fdakit.evaluation.protocol import protocol
from fdakit.evaluation.query_bank import query_bank_captions
from fdakit.experiment.run import run_recipe
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.factory import build_retriever
from fdakit.model.retriever import Retriever
from fdakit.plugin import BuildContext, Caption, ClipBatch, Scores, Split, VideoFeatures, VideoRef, keyed_seed
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.scored_tiles import Pairs
from fdakit.ranking.significance import bootstrap_ci
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Provenance, Report
from fdakit.system.ranks import Ranks
from fdakit.testing.thread_ranks import on_ranks

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")
MakeRecipe = Callable[..., Recipe]
MakeSplit = Callable[..., Split]
PAIRS = (
    ("red-across", "a red square"),
    ("blue-down", "a blue square falls"),
    ("pink-down", "a square"),
    ("red-rests", "a square"),
    ("red-across", "something moves"),
    ("yellow-down", "a red square"),
)


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


def build(recipe: Recipe) -> Retriever:
    """Random weights, also in the alpha convolution, so that masks matter."""
    retriever = build_retriever(recipe, device=CPU)
    if isinstance(retriever.fusion, torch.nn.Module):
        for weight in retriever.fusion.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return retriever.eval()


def bank_of(recipe: Recipe) -> tuple[str, ...]:
    splits = Splits(recipe, device=CPU, progress=quiet)
    return query_bank_captions(recipe.rescoring, splits, recipe.eval, seed=recipe.seed, where=recipe.where)


def report_of(recipe: Recipe, split: Split, evaluated: EvaluationResult) -> dict[str, Any]:
    """Return the report of weights of which nothing is known, as stored."""
    info = CheckpointInfo()
    report = make_report(
        evaluated,
        split,
        name=recipe.name,
        protocol=protocol(recipe, split, info, None),
        rules=recipe.eval,
        info=info,
        provenance=Provenance(seed=recipe.seed),
        rescoring=recipe.rescoring,
    )
    return report.to_json()


def evaluate(recipe: Recipe, split: Split, retriever: Retriever | None = None, **also: Any) -> EvaluationResult:
    retriever = retriever or build(recipe)
    return Evaluator.of(recipe, split, retriever, device=CPU, progress=quiet, **also).run(retriever)


def matrix(recipe: Recipe, split: Split, **also: Any) -> np.ndarray:
    return evaluate(recipe, split, **also).scores[recipe.control].matrix


def with_twins(split: Split) -> Split:
    """The split with a second name for the first and the last video, each with a caption of its own."""
    twins = [replace(split.videos[k], id=f"twin of {split.videos[k].id}") for k in (0, -1)]
    captions = [replace(split.captions[0], video_id=twin.id, text=f"a {twin.id}") for twin in twins]
    return replace(split, videos=(*split.videos, *twins), captions=(*split.captions, *captions))


@torch.inference_mode()
def test_every_score_is_the_cosine_of_video_and_caption_alone(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe, pairs = make_recipe(), split(*PAIRS)
    retriever = build(recipe)
    source = ClipDataset(
        ClipSettings.of(recipe),
        pairs.videos,
        training=False,
        preprocess=retriever.preprocess,
        shapes=retriever.encoder.shapes,
    )
    columns = []
    for place in range(len(pairs.videos)):
        (batch,) = batches(source, [[ClipRequest(place)]], workers=0, prefetch=1)
        features = retriever.encode_videos(ClipBatch.of(batch, CPU), batch.alphas["none"])
        units = torch.nn.functional.normalize(features.vectors[features.valid].double(), dim=-1)
        pooled = torch.nn.functional.normalize(units.mean(0), dim=-1)
        texts = [retriever.encode_texts([caption.text]).vectors[0].double() for caption in pairs.captions]
        columns.append([float(pooled @ text / text.norm()) for text in texts])
    found = evaluate(recipe, pairs, retriever)
    scores = found.scores["none"]
    np.testing.assert_allclose(scores.matrix, np.transpose(columns), atol=1e-5)
    assert scores.matrix.dtype == np.float32
    assert scores.owners.tolist() == [0, 1, 2, 3, 0, 4]
    assert not scores.lost.any()
    assert found.lost == ()


@pytest.mark.parametrize("matcher", ["cosine", "by-text", "max-sim"])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (3, 2), (32, 256)])
def test_equal_captions_and_equal_videos_tie_bit_for_bit_whatever_the_batch(
    make_recipe: MakeRecipe, split: MakeSplit, sizes: tuple[int, int], matcher: str
) -> None:
    pairs = with_twins(split(*PAIRS))
    sized = {"batch_size": sizes[0], "text_batch_size": sizes[1]}
    parts = {"matcher": {"use": matcher}, "aggregator": {"use": "mean" if matcher == "cosine" else "none"}}
    found = matrix(make_recipe(eval=sized, **parts), pairs)
    assert found.shape == (8, 7)
    for one, other in ((0, 5), (2, 3)):
        np.testing.assert_array_equal(found[one], found[other])
    for one, other in ((0, 5), (4, 6)):
        np.testing.assert_array_equal(found[:, one], found[:, other])
    assert len(np.unique(found, axis=0)) == 6
    assert len(np.unique(found, axis=1).T) == 5
    whole = matrix(make_recipe(**parts), pairs)
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_a_matcher_that_pools_by_the_text_scores_each_pair_on_its_own(
    make_recipe: MakeRecipe, split: MakeSplit
) -> None:
    parts = {"aggregator": {"use": "none"}, "matcher": {"use": "by-text"}}
    recipe = make_recipe(**parts, eval={"text_batch_size": 2})
    pairs = split(*PAIRS)
    whole = matrix(recipe, pairs)
    alone = [matrix(recipe, replace(pairs, captions=(caption,))) for caption in pairs.captions]
    np.testing.assert_allclose(whole, np.concatenate(alone), atol=1e-5)
    assert not np.allclose(whole, matrix(make_recipe(), pairs), atol=1e-3)


def test_any_matcher_ranks_without_the_matrix_as_with_it(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path
) -> None:
    parts = {"aggregator": {"use": "none"}, "matcher": {"use": "by-text"}}
    pairs = damaged(with_twins(split(*PAIRS)), tmp_path, "pink-down")
    whole, streamed = (
        evaluate(make_recipe(**parts, eval={"similarity_mb": size, "text_batch_size": 2}), pairs) for size in (1, 0)
    )
    assert isinstance(streamed.scores["none"], Pairs)
    for way, ranking in whole.rankings["none"].items():
        np.testing.assert_array_equal(streamed.rankings["none"][way].better, ranking.better)
        np.testing.assert_array_equal(streamed.rankings["none"][way].equal, ranking.equal)


def damaged(pairs: Split, folder: Path, *names: str) -> Split:
    """The split with files of these names that hold no film."""
    (folder / "damaged.mp4").write_bytes(b"no film")
    videos = tuple(replace(v, path=folder / "damaged.mp4") if v.id in names else v for v in pairs.videos)
    return replace(pairs, videos=videos)


def test_a_pooling_is_given_the_time_and_coverage_of_every_frame(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(eval={"batch_size": 2})
    pairs = damaged(split(*PAIRS), tmp_path, "blue-down")
    retriever, given = build(recipe), []
    pooled = retriever.aggregate

    def keep(features: VideoFeatures) -> VideoFeatures:
        given.append(features)
        return pooled(features)

    monkeypatch.setattr(retriever, "aggregate", keep)
    evaluate(recipe, pairs, retriever)
    source = ClipDataset(
        ClipSettings.of(recipe),
        pairs.videos,
        training=False,
        preprocess=retriever.preprocess,
        shapes=retriever.encoder.shapes,
    )
    frames = VideoFeatures.cat(given)
    assert frames.times is not None
    assert frames.coverage is not None
    readable = [place for place, video in enumerate(pairs.videos) if video.id != "blue-down"]
    for place, row in enumerate(readable):
        item = source[ClipRequest(row)]
        valid = frames.valid[place]
        assert isinstance(item, ClipItem)
        assert valid.tolist() == [at < len(item.frames) for at in range(3)]
        np.testing.assert_array_equal(frames.times[place][valid].numpy(), item.times)
        np.testing.assert_allclose(
            frames.coverage[place][valid].numpy(), item.alphas["none"].mean(axis=(1, 2)), atol=1e-6
        )


@pytest.mark.parametrize("size", [1, 3])
def test_an_unreadable_video_is_lost_and_the_others_keep_their_scores(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path, size: int
) -> None:
    recipe = make_recipe(eval={"batch_size": size})
    whole, broken = split(*PAIRS), damaged(split(*PAIRS), tmp_path, "blue-down")
    found = evaluate(recipe, broken)
    scores = found.scores["none"]
    assert [video.id for video in found.lost] == ["blue-down"]
    assert "damaged.mp4" in found.lost[0].reason
    assert scores.lost.tolist() == [False, True, False, False, False]
    assert np.isfinite(scores.matrix).all()
    assert len(found.coverage) == 3 * 3 + 1
    kept = ~scores.lost
    np.testing.assert_allclose(scores.matrix[:, kept], matrix(recipe, whole)[:, kept], atol=1e-5)


def test_every_name_of_an_unreadable_file_is_lost(make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path) -> None:
    broken = damaged(split(*PAIRS), tmp_path, "blue-down", "pink-down")
    found = evaluate(make_recipe(), broken)
    assert found.scores["none"].lost.tolist() == [False, True, True, False, False]
    assert [video.id for video in found.lost] == ["blue-down", "pink-down"]


def test_a_lost_video_counts_as_missed_in_both_directions(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path
) -> None:
    names = ("red-across", "blue-down", "pink-down")
    pairs = damaged(split(*((name, name) for name in names)), tmp_path, "blue-down")
    recipe = make_recipe(eval={"bootstrap": 0})
    found = evaluate(recipe, pairs)
    only = evaluate(recipe, split(("red-across", "red-across"), ("pink-down", "pink-down")))
    report, rest = (report_of(recipe, s, e) for s, e in ((pairs, found), (pairs, only)))
    for way in ("t2v", "v2t"):
        assert report[way]["R@1"] == pytest.approx(rest[way]["R@1"] * 2 / 3)
        assert report[way]["MnR"] == pytest.approx((rest[way]["MnR"] * 2 + 3) / 3)
    assert report["videos"]["damaged"] == 1
    assert report["videos"]["counted"] == 3
    assert list(report["videos"]["damaged_reasons"]) == ["blue-down"]


def test_the_reasons_of_the_first_three_unreadable_videos_are_told(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    videos = tuple(VideoRef(name, tmp_path / f"{name}.mp4") for name in "abcde")
    pairs = Split("test", videos, tuple(Caption("a caption", name) for name in "abcde"))
    with pytest.raises(VideoError, match="none of the 5 test videos could be read") as caught:
        evaluate(make_recipe(), pairs)
    assert [name for name in "abcde" if f"{name}.mp4" in str(caught.value)] == ["a", "b", "c"]


@pytest.mark.parametrize("similarity_mb", [4_000, 0])
def test_progress_tells_of_videos_captions_and_of_ranking_in_tiles(
    make_recipe: MakeRecipe, split: MakeSplit, similarity_mb: int
) -> None:
    told: list[tuple[str, int, int]] = []
    settings = {"similarity_mb": similarity_mb, "batch_size": 2, "text_batch_size": 2}
    recipe, retriever = make_recipe(eval=settings), build(make_recipe())
    evaluator = Evaluator.of(
        recipe, split(*PAIRS), retriever, device=CPU, progress=lambda *facts: told.append(facts), bank=["one", "one"]
    )
    evaluator.run(retriever)
    steps = [*(("encoding test videos", done, 5) for done in (2, 4, 5))]
    steps += [("encoding test captions", 2, 4), ("encoding test captions", 4, 4)]
    ranking = [] if similarity_mb else [("ranking", 1, 1)]
    assert told == [*steps, ("encoding bank captions", 1, 1), *ranking]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("similarity_mb", [4_000, 0])
def test_several_ranks_give_the_report_of_one(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path, size: int, similarity_mb: int
) -> None:
    """The clips are shared out; one of a later batch cannot be read."""
    recipe = make_recipe(eval={"similarity_mb": similarity_mb, "batch_size": 2, "text_batch_size": 2})
    pairs = with_twins(split(*PAIRS))
    gone = VideoRef("gone", tmp_path / "gone.mp4")
    pairs = replace(pairs, videos=(*pairs.videos, gone), captions=(*pairs.captions, Caption("gone", "gone")))
    wanted = report_of(recipe, pairs, evaluate(recipe, pairs, bank=["one", "two", "three"]))

    def report(ranks: Ranks) -> dict[str, Any] | None:
        retriever = build(recipe)
        evaluator = Evaluator.of(
            recipe, pairs, retriever, device=CPU, progress=quiet, bank=["one", "two", "three"], ranks=ranks
        )
        encoded = evaluator.encode(retriever)
        return encoded and report_of(recipe, pairs, evaluator.score(retriever, encoded))

    first, *others = on_ranks(size, report)
    assert first == wanted
    assert others == [None] * (size - 1)


def test_nothing_readable_is_an_error_that_says_why(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    pairs = Split("test", (VideoRef("a", tmp_path / "gone.mp4"),), (Caption("a caption", "a"),))
    with pytest.raises(VideoError, match=r"none of the 1 test videos could be read: .*gone\.mp4"):
        evaluate(make_recipe(), pairs)


def test_intervals_draw_the_captions_of_a_video_together(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe, pairs = make_recipe(eval={"bootstrap": 50}), split(*PAIRS)
    found = evaluate(recipe, pairs)
    report = report_of(recipe, pairs, found)
    ranking, owners = rank_captions(found.scores["none"]), found.scores["none"].owners
    expected = bootstrap_ci(ranking, clusters=owners, draws=50, seed=keyed_seed("bootstrap", "t2v"))
    assert report["ci95"]["t2v"] == {name: list(interval) for name, interval in expected.items()}
    none = report_of(make_recipe(eval={"bootstrap": 0}), pairs, found)
    assert none["ci95"] == {}


@pytest.mark.parametrize("similarity_mb", [4_000, 0])
def test_the_recipe_says_how_captions_of_a_video_count(
    make_recipe: MakeRecipe, split: MakeSplit, similarity_mb: int
) -> None:
    pairs, rescoring = split(*PAIRS), [{"use": "dsl"}] if similarity_mb else []
    for mode, pool in (("grouped", 5), ("per-caption", 6)):
        settings = {"video_to_text": mode, "similarity_mb": similarity_mb, "rescoring": rescoring, "bootstrap": 20}
        recipe = make_recipe(eval=settings)
        found = evaluate(recipe, pairs, controls=["whole-frame"])
        report = report_of(recipe, pairs, found)
        for control in ("none", "whole-frame"):
            scores = found.scores[control]
            matrix = scores.matrix if isinstance(scores, Scores) else scores.texts @ scores.videos.T
            wanted = rank_videos(Scores(matrix, scores.owners, scores.lost), mode=mode)
            ranking = found.rankings[control]["v2t"]
            assert ranking.pool == pool
            np.testing.assert_array_equal(ranking.better, wanted.better)
            np.testing.assert_array_equal(ranking.equal, wanted.equal)
            told = report if control == "none" else report["controls"][control]
            assert told["v2t"] == metrics(wanted)
        assert report["protocol"]["video_to_text"] == mode
        assert report["pool"] == {"t2v": 5, "v2t": pool}
        assert report["ci95"]["v2t"]["MnR"][1] <= pool
        if rescoring:
            (dsl,) = recipe.rescoring
            changed = dsl.build(BuildContext(seed=0))(found.scores["none"], None, "v2t")
            assert report["rescored"]["dsl"]["v2t"] == metrics(rank_videos(changed, mode=mode))


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "average", "expected"])
def test_the_recipe_says_how_ties_count(make_recipe: MakeRecipe, split: MakeSplit, ties: Any) -> None:
    recipe = make_recipe(eval={"ties": ties, "bootstrap": 30, "rescoring": [{"use": "dsl"}]})
    pairs = with_twins(split(*PAIRS))
    found = evaluate(recipe, pairs, controls=["zero"])
    report = report_of(recipe, pairs, found)
    for way, ranking in found.rankings["none"].items():
        assert report[way] == metrics(ranking, ties=ties)
        assert report["controls"]["zero"][way] == metrics(found.rankings["zero"][way], ties=ties)
        clusters = found.scores["none"].owners if way == "t2v" else np.arange(len(ranking.better))
        seed = keyed_seed("bootstrap", way)
        wanted = bootstrap_ci(ranking, clusters=clusters, draws=30, seed=seed, ties=ties)
        assert report["ci95"][way] == {name: list(interval) for name, interval in wanted.items()}
    changed = recipe.rescoring[0].build(BuildContext(seed=0))(found.scores["none"], None, "t2v")
    assert report["rescored"]["dsl"]["t2v"] == metrics(rank_captions(changed), ties=ties)
    assert report["ties"]["t2v"] > 0
    assert report["protocol"]["ties"] == ties


def test_a_report_is_what_its_file_gives_back(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe = make_recipe(sampler={"use": "wild", "indices": [0, 2]}, eval={"bootstrap": 20, "ties": "average"})
    pairs = split(*PAIRS[:3])
    report = report_of(recipe, pairs, evaluate(recipe, pairs))
    assert json.loads(json.dumps(report)) == report
    assert Report.from_json(report).to_json() == report
    assert report["protocol"]["sampler"]["indices"] == [0, 2]


def test_a_control_scores_the_same_weights_under_another_mask(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe, pairs = make_recipe(), split(*PAIRS)
    retriever = build(recipe)
    controls: Any = ["whole-frame", "zero", "inverse", "rolled", "centre", "other-video", "none"]
    scores = evaluate(recipe, pairs, retriever, controls=controls).scores
    assert list(scores) == ["none", *controls[:-1]]
    found = {control: score.matrix for control, score in scores.items()}
    assert len(np.unique(np.stack([m.ravel() for m in found.values()]), axis=0)) == 7
    for use, control in (("whole-frame", "whole-frame"), ("frame-difference", "none")):
        other = evaluate(make_recipe(mask={"use": use}), pairs, retriever).scores["none"]
        np.testing.assert_array_equal(found[control], other.matrix)
    plain = make_recipe(fusion={"use": "none"})
    bare = Retriever(
        encoder=retriever.encoder,
        fusion=build(plain).fusion,
        aggregator=retriever.aggregator,
        matcher=retriever.matcher,
        preprocess=retriever.preprocess,
        labels=retriever.labels,
    )
    np.testing.assert_array_equal(found["zero"], matrix(plain, pairs, retriever=bare))


def test_the_recipes_own_control_comes_first(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    pairs = split(*PAIRS)
    recipe = make_recipe(mask={"use": "frame-difference", "control": "inverse"})
    retriever = build(recipe)
    scores = evaluate(recipe, pairs, retriever, controls=["none", "inverse"]).scores
    assert list(scores) == ["inverse", "none"]
    np.testing.assert_array_equal(scores["none"].matrix, matrix(make_recipe(), pairs, retriever=retriever))


def test_a_damaged_partner_costs_nobody_else_a_rank(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path
) -> None:
    broken = damaged(split(*PAIRS), tmp_path, "blue-down")
    found = evaluate(make_recipe(), broken, controls=["other-video"])
    assert [video.id for video in found.lost] == ["blue-down"]


def test_cut_captions_are_counted_one_by_one(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    long = "a red square that moves across the whole of the picture"
    pairs = split(("red-across", long), ("blue-down", long), ("pink-down", "short"), ("pink-down", long + " slowly"))
    found = evaluate(make_recipe(), pairs)
    assert (found.cut, found.distinct_texts) == (3, 3)


def test_coverage_is_that_of_the_frames_that_exist(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    pairs = split(("red-across", "a"), ("red-rests", "b"))
    recipe = make_recipe(mask={"use": "whole-frame"})
    assert evaluate(recipe, pairs).coverage.tolist() == [1.0] * 4  # three frames and one
    report = report_of(recipe, pairs, evaluate(recipe, pairs))
    assert report["masks"] == {"mean_coverage": 1.0, "empty_share": 0.0, "full_share": 1.0}


def test_evaluating_draws_nothing_and_repeats_bit_for_bit(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe, pairs = make_recipe(aggregator={"use": "dropping"}), split(*PAIRS)
    retriever = build(recipe)
    first = matrix(recipe, pairs, retriever=retriever)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    np.testing.assert_array_equal(matrix(recipe, pairs, retriever=retriever.train()), first)
    assert torch.equal(torch.rand(3), expected)


def test_validating_again_decodes_nothing(make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path) -> None:
    recipe = make_recipe(reader={"use": "counting", "file": str(tmp_path / "reads")})
    retriever, pairs = build(recipe), with_twins(split(*PAIRS))
    evaluator = Evaluator.of(recipe, pairs, retriever, device=CPU, progress=quiet)
    once, again = evaluator.run(retriever), evaluator.run(retriever)
    assert len((tmp_path / "reads").read_text().splitlines()) == 5
    np.testing.assert_array_equal(once.scores["none"].matrix, again.scores["none"].matrix)


def test_a_failing_mask_is_named_and_no_video_is_called_lost(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe = make_recipe(mask={"use": "failing", "video": "blue-down"})
    with pytest.raises(
        PluginError, match=r"mask 'failing' \(helpers.example_parts local\) failed on video 'blue-down': KeyErr"
    ):
        evaluate(recipe, split(*PAIRS))


@pytest.mark.integration
@pytest.mark.parametrize("similarity_mb", [1, 0])
def test_scores_that_are_not_finite_are_the_matchers_fault(
    make_recipe: MakeRecipe, split: MakeSplit, monkeypatch: pytest.MonkeyPatch, similarity_mb: int
) -> None:
    recipe = make_recipe(
        matcher={"use": "max-sim"}, aggregator={"use": "none"}, eval={"similarity_mb": similarity_mb}
    )
    retriever = build(recipe)
    sound = type(retriever.matcher).score
    monkeypatch.setattr(type(retriever.matcher), "score", lambda *given: sound(*given) / 0 * 0)
    with pytest.raises(PartError, match=r"^matcher 'max-sim' .*: gave scores that are not finite"):
        evaluate(recipe, split(("red-across", "a"), ("blue-down", "b")), retriever)


def test_weights_that_are_not_finite_name_the_encoder(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe = make_recipe()
    retriever = build(recipe)
    with torch.no_grad():
        next(iter(retriever.encoder.parameters())).fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(PartError, match=r"^encoder 'tiny' .* gave values that are not finite; look for NaN in its w"):
        evaluate(recipe, split(("red-across", "a")), retriever)


def test_too_large_a_matrix_is_ranked_from_vectors_that_are_written_instead(
    make_recipe: MakeRecipe, split: MakeSplit, tmp_path: Path
) -> None:
    whole, tiles = make_recipe(), make_recipe(eval={"similarity_mb": 0})
    pairs, retriever = with_twins(split(*PAIRS)), build(whole)
    kept, streamed = evaluate(whole, pairs, retriever), evaluate(tiles, pairs, retriever)
    for way, ranking in kept.rankings["none"].items():
        np.testing.assert_array_equal(streamed.rankings["none"][way].better, ranking.better)
        np.testing.assert_array_equal(streamed.rankings["none"][way].equal, ranking.equal)
    reports = [report_of(recipe, pairs, found) for recipe, found in ((whole, kept), (tiles, streamed))]
    assert reports[0] == reports[1]
    assert reports[0]["ties"]["t2v"] > 0  # the twins
    run_recipe(make_recipe(train={"epochs": 0}, eval={"similarity_mb": 0}), out=tmp_path / "run")
    assert not (tmp_path / "run" / "similarity.npy").exists()
    assert np.load(tmp_path / "run" / "video_vectors.npy").shape[0] == 6


@pytest.mark.parametrize("batch", [7, 256])
def test_the_equal_sentences_of_a_real_test_set_tie_exactly(
    make_recipe: MakeRecipe, split: MakeSplit, data_dir: Path, batch: int
) -> None:
    with (data_dir / "annotations" / "msrvtt" / "MSRVTT_JSFUSION_test.csv").open(newline="") as file:
        sentences = [row["sentence"] for row in csv.DictReader(file)]
    names = ("red-across", "green-across", "blue-down", "yellow-down", "pink-down")
    pairs = split(*((names[place % 5], sentence) for place, sentence in enumerate(sentences)))
    scores = evaluate(make_recipe(eval={"text_batch_size": batch}), pairs).scores["none"].matrix
    equal: dict[str, list[int]] = {}
    for place, sentence in enumerate(sentences):
        equal.setdefault(sentence, []).append(place)
    groups = [places for places in equal.values() if len(places) > 1]
    assert sorted(map(len, groups)) == [2, 2, 2, 3]
    for places in groups:
        assert len({scores[place].tobytes() for place in places}) == 1
    assert len({row.tobytes() for row in scores}) > 900  # other sentences, other scores


def test_a_matcher_that_pools_by_the_text_works_under_bf16(make_recipe: MakeRecipe, split: MakeSplit) -> None:
    recipe = make_recipe(aggregator={"use": "none"}, matcher={"use": "by-text"}, train={"precision": "bf16"})
    found = evaluate(recipe, split(*PAIRS)).scores["none"].matrix
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_videos_and_texts_are_encoded_in_the_precision_asked_for(
    make_recipe: MakeRecipe, split: MakeSplit, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(train={"precision": precision})
    retriever, seen = build(recipe), []

    def noted(name: str) -> Callable[..., Any]:
        its = getattr(retriever, name)

        def encode(*given: Any) -> Any:
            seen.append((name, torch.is_autocast_enabled("cpu")))
            return its(*given)

        return encode

    for name in ("encode_videos", "encode_texts"):
        monkeypatch.setattr(retriever, name, noted(name))
    evaluate(recipe, split(*PAIRS), retriever)
    assert set(seen) == {("encode_videos", precision == "bf16"), ("encode_texts", precision == "bf16")}


def test_rescoring_without_a_matrix_is_refused_before_anything_is_read(
    make_recipe: MakeRecipe, split: MakeSplit
) -> None:
    recipe = make_recipe(eval={"similarity_mb": 0, "rescoring": [{"use": "dsl"}]})
    with pytest.raises(RecipeError, match=r"raise eval\.similarity_mb, or leave rescoring out"):
        Evaluator.of(recipe, split(*PAIRS), build(recipe), device=CPU, progress=quiet)


@pytest.mark.integration
def test_a_bank_of_training_captions_is_scored_against_the_same_videos(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    rescoring = [{"use": "qb-norm"}, {"use": "dsl"}]
    recipe = make_recipe(train={"epochs": 0}, eval={"rescoring": rescoring, "bank": 5})
    report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    assert list(report["rescored"]["qb-norm"]["t2v"]) == list(report["t2v"])
    assert "v2t" not in report["rescored"]["qb-norm"]
    assert report["rescored"]["dsl"]["needs_all_queries"] is True
    assert len(bank_of(recipe)) == 5
    every = bank_of(make_recipe(eval={"rescoring": rescoring, "bank": 0}))
    assert len(every) == 14
    assert not {"a red square rests"} & set(every)  # of the test split alone


def test_a_bank_needs_a_training_split(make_recipe: MakeRecipe, manifest: Path, tmp_path: Path) -> None:
    lines = [line for line in manifest.read_text().splitlines() if not line.endswith(",train")]
    (tmp_path / "test.csv").write_text("\n".join(lines))
    dataset = {"use": "manifest", "path": str(tmp_path / "test.csv"), "root": str(manifest.parent)}
    recipe = make_recipe(dataset=dataset, eval={"rescoring": [{"use": "qb-norm"}]})
    with pytest.raises(RecipeError, match="'qb-norm' takes its bank from training captions"):
        bank_of(recipe)
