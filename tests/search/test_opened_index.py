"""An index that is asked: what comes first, what is left out, and what is close to nothing."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdakit.errors import CheckpointError, FdakitError, VideoError
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.load import load
from fdakit.plugin import VideoRef
from fdakit.recipe.recipe import Recipe
from fdakit.search.found_moments import distinct
from fdakit.search.index_job import IndexJob, IndexRequest
from fdakit.search.moments import Hit, find_moments
from fdakit.search.opened_index import Index
from fdakit.search.table.index_info import WHOLE, Segmentation
from fdakit.search.unusual import unlikeness

pytest.importorskip("lance", reason='needs pip install "fdakit[search]"')
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*random weights:UserWarning", "ignore:.*before its .* epochs:UserWarning"),
]


@pytest.fixture(scope="module")
def index(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "index"
    make(folder, clips, "quickstart")
    return folder


def make(folder: Path, clips: Path, model: str, *settings: str) -> None:
    cut = Segmentation(window=2.0, step=1.0)
    asked = IndexRequest(folder, (str(clips),), model, settings, segmentation=cut, workers=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with IndexJob(asked, tell=lambda _: None, progress=lambda *_: None) as job:
            job.update()


def test_an_example_finds_itself_and_the_best_moment_is_the_best_segment(index: Path, clips: Path) -> None:
    with Index(index) as opened:
        for name in ("red-across.mp4", "green-across.mp4"):
            found = opened.search(clips / name, k=3)
            assert found[0].path.name == name
            assert found[0].score == pytest.approx(1, abs=1e-5)
            assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_scores_are_the_cosines_of_the_model(index: Path, clips: Path) -> None:
    text = "a red square moves across"
    with Index(index) as opened:
        found = opened.search(text, k=100)
    retriever = load("quickstart")
    videos = [VideoRef("v", one.path, *one.peak) for one in found]
    own = retriever.encode_texts([text]) @ retriever.encode_videos(videos).T
    assert np.allclose(own[0], [one.score for one in found], atol=1e-5)


def test_a_part_of_a_video_and_a_picture_are_examples_too(index: Path, clips: Path, tmp_path: Path) -> None:
    with Index(index) as opened:
        found = opened.search(clips / "pink-down.mp4", start=2.0, end=4.0, k=1)
        assert found[0].path.name == "pink-down.mp4"
        Image.new("RGB", (64, 48), (30, 30, 30)).save(tmp_path / "grey.png")
        assert len(opened.search(tmp_path / "grey.png", k=2)) == 2
        frames = np.full((4, 48, 64, 3), 30, np.uint8)
        assert len(opened.search(frames, k=2)) == 2


@pytest.mark.parametrize(
    ("query", "more", "said"),
    [
        (" ", {}, "the text is empty"),
        ("a dog", {"start": 1.0}, "a text has none"),
        (Path("absent.mp4"), {}, "no such file"),
        (Path("absent.png"), {}, "no such file"),
        (Path("pink-down.mp4"), {"start": 3.0, "end": 2.0}, "give an end after the start"),
        ("a dog", {"k": 0}, "give at least 1"),
    ],
)
def test_what_cannot_be_asked_is_told(
    index: Path, clips: Path, query: object, more: dict[str, float], said: str
) -> None:
    asked = clips / query if isinstance(query, Path) else query
    with Index(index) as opened, pytest.raises(FdakitError, match=said):
        opened.search(asked, **more)  # type: ignore[arg-type]


def test_another_vector_store_finds_the_same(index: Path, clips: Path) -> None:
    pytest.importorskip("faiss", reason='needs pip install "fdakit[search]"')
    with Index(index) as exact, Index(index, store="rabitq", store_options={"rescore": 50}) as codes:
        for query in ("a red square", clips / "pink-down.mp4"):
            assert exact.search(query, k=5) == codes.search(query, k=5)
        assert (exact.store_name, codes.store_name) == ("exact", "rabitq")
    with pytest.raises(FdakitError, match="nowhere"):
        Index(index, store="nowhere").search("a red square")


def test_what_an_index_holds_is_told(index: Path) -> None:
    from fdakit.search.index_stats import index_stats

    with Index(index) as opened:
        found = index_stats(opened, progress=lambda *_: None)
    assert (found.files, found.segments, found.store) == (8, {"indexed": 11}, "exact")
    assert found.table_bytes > 11 * 128 * 4


def test_conditions_narrow_what_is_found(index: Path) -> None:
    with Index(index) as opened:
        found = opened.search("a square", k=100, where="duration > 2 or name = 'red-across.mp4'")
        assert {one.path.name for one in found} == {"pink-down.mp4", "red-across.mp4"}
        assert not opened.search("a square", where="name = 'absent.mp4'")
        with pytest.raises(FdakitError, match="length"):
            opened.search("a square", where="length > 2")


def test_a_damaged_picture_is_told(index: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with Index(index) as opened, pytest.raises(VideoError, match="cannot be read as an image"):
        opened.search(tmp_path / "bad.png")


def test_the_line_is_above_most_random_captions_and_kept(index: Path) -> None:
    with Index(index) as opened:
        line = opened.line()
        assert (index / "cache" / "calibration.json").is_file()
    again = Index(index)
    assert again.line() == line
    assert "retriever" not in again.__dict__
    for name in ("calibration.json", "calibration.npz"):
        (index / "cache" / name).write_text("damaged")
        assert Index(index).line() == pytest.approx(line, abs=1e-6)


def test_the_line_follows_the_segments_without_the_model(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    make(folder, clips / "red-across.mp4", "quickstart")
    assert Index(folder).line() is not None
    make(folder, clips / "pink-down.mp4", "quickstart")
    again = Index(folder)
    captions = np.load(folder / "cache" / "calibration.npz")["vectors"]
    vectors = again.segments.vectors.gather(np.arange(len(again)))
    assert again.line() == pytest.approx(float(np.quantile((captions @ vectors.T).max(1), 0.95)), abs=1e-6)
    assert "retriever" not in again.__dict__


def test_there_is_no_line_where_scores_are_not_cosines(clips: Path, tmp_path: Path) -> None:
    make(tmp_path / "index", clips / "red-across.mp4", "quickstart_late_interaction")
    assert Index(tmp_path / "index").line() is None


def test_videos_are_added_and_removed(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    make(folder, clips / "red-across.mp4", "quickstart")
    with Index(folder) as opened:
        assert len(opened) == 1
        assert opened.add(clips / "pink-down.mp4").added == 1
        assert len(opened) == 5
        assert opened.remove([clips / "red-across.mp4", "absent.mp4"]) == 1
        assert [path.name for path in opened.files()] == ["pink-down.mp4"]
        assert opened.to_arrow().num_rows == 4


def test_another_model_is_refused(index: Path) -> None:
    with (
        pytest.raises(CheckpointError, match="other parts or options"),
        Index(index, model="quickstart_late_interaction") as opened,
    ):
        opened.search("a dog")


def test_several_vectors_of_a_segment_are_rescored_as_the_matcher_scores_them(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    make(folder, clips, "quickstart_late_interaction")
    text = "a red square moves across"
    with Index(folder) as opened:
        found = opened.search(text, k=100)
    videos = [VideoRef(f"{place}", one.path, *one.peak) for place, one in enumerate(found)]
    own = load("quickstart_late_interaction").scores([text], videos)[0]
    assert np.allclose(own, [one.score for one in found], atol=1e-4)


def test_the_same_footage_in_another_video_is_named_beside_the_best() -> None:
    found = find_moments([Hit("a", 0, 1, 0.9, 0), Hit("b", 0, 1, 0.8, 1), Hit("c", 0, 1, 0.7, 2)])
    peaks = np.eye(3, dtype=np.float32)
    peaks[1] = peaks[0]
    assert [(moment.video, copies) for moment, copies in distinct(found, peaks, 0.01)] == [("a", ["b"]), ("c", [])]


def test_what_is_unlike_all_other_videos_is_unusual() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 8)).astype(np.float32) * 0.1
    vectors[:, 0] += 1
    vectors[7] = [0, 0, 0, 0, 0, 0, 0, -1]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    videos = np.arange(30)
    assert unlikeness(vectors, videos, vectors, videos).argmax() == 7
    assert not unlikeness(vectors, np.zeros(30, np.int64), vectors, np.zeros(30, np.int64)).any()


def test_evaluation_through_an_index_has_the_ranks_of_evaluation(
    make_recipe: Callable[..., Recipe], clips: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(train={"epochs": 1})
    checkpoint = Checkpoint.open(run_recipe(recipe, out=tmp_path / "run").folder or tmp_path)
    folder = tmp_path / "index"
    asked = IndexRequest(folder, (str(clips),), str(tmp_path / "run"), segmentation=WHOLE, workers=0)
    with IndexJob(asked, tell=lambda _: None, progress=lambda *_: None) as job:
        job.update()
    plain = evaluate_checkpoint(recipe, checkpoint, out=tmp_path / "plain").report
    through = evaluate_checkpoint(recipe, checkpoint, out=tmp_path / "through", index=folder).report
    assert (through.t2v, through.v2t) == (plain.t2v, plain.v2t)
    ranks = [(tmp_path / name / "ranks_t2v.csv").read_text() for name in ("plain", "through")]
    assert ranks[0] == ranks[1]


def test_evaluation_refuses_an_index_of_segments_or_of_another_model(
    make_recipe: Callable[..., Recipe], index: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(train={"epochs": 1})
    made = run_recipe(recipe, out=tmp_path / "run").folder
    assert made is not None
    with pytest.raises(CheckpointError, match="index the videos with this one"):
        evaluate_checkpoint(recipe, Checkpoint.open(made), index=index)
