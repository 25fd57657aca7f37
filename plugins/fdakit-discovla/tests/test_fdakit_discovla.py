"""The laws of the objective, its teacher told plainly in double precision, and what is learned from what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fdakit_discovla import FRAME_TOKEN_DISTILLATION, FrameTokenOptions
from numpy.typing import NDArray

from fdakit.plugin import (
    Batch,
    BuildContext,
    DatasetError,
    PairFeatures,
    PluginError,
    TextFeatures,
    TrainingPairs,
    VideoFeatures,
)
from fdakit.testing import build_part, check_exact_step, check_objective

WIDTH, PAIRS, WORDS, FRAMES = 16, 4, 6, 5
Numbers = NDArray[np.float64]


class Letters:
    """An encoder of texts: the mean of fixed vectors of their letters; `asked` are the texts of each call."""

    shapes = BuildContext(embedding=WIDTH, vocabulary=8)
    logit_scale = log(20.0)

    def __init__(self) -> None:
        self.table = torch.randn(128, WIDTH, generator=torch.Generator().manual_seed(5))
        self.asked: list[list[str]] = []

    def encode_texts(self, texts: Sequence[str], role: str = "query") -> TextFeatures:
        self.asked.append(list(texts))
        return TextFeatures(torch.stack([self.table[[ord(one) for one in text]].mean(0) for text in texts]))


def objective(encoder: Any = None, **options: Any) -> Any:
    made = build_part(FRAME_TOKEN_DISTILLATION, **options)
    if encoder is not None:
        made.start_from(encoder)
    return made


def pairs(student: torch.Tensor | None = None, **extra: Any) -> PairFeatures:
    """Four pairs; their similarities are random, if none are given."""
    draw = torch.Generator().manual_seed(0)
    valid = torch.arange(FRAMES) < torch.tensor([[2], [FRAMES], [1], [4]])
    mask = torch.arange(WORDS) < torch.tensor([[3], [WORDS], [WORDS], [1]])
    frames = VideoFeatures(torch.randn(PAIRS, FRAMES, WIDTH, generator=draw).requires_grad_(), valid)
    tokens = torch.randn(PAIRS, WORDS, WIDTH, generator=draw).requires_grad_()
    texts = TextFeatures(tokens.detach().mean(1), tokens, mask)
    scores = torch.rand(PAIRS, PAIRS, generator=draw).requires_grad_() if student is None else student
    empty = torch.zeros(0)
    ids = tuple("abcd")
    batch = Batch(ids, empty, {}, valid, empty, ids, extra=extra)
    return PairFeatures(
        frames, VideoFeatures.of_clips(frames.vectors[:, 0]), texts, batch, lambda texts, videos: scores
    )


def told_plainly(words: Numbers, frames: Numbers, sharpness: float) -> float:
    """Late interaction of a text's real words with a video's valid frames."""
    cosines = np.array([[w @ f / np.sqrt((w @ w) * (f @ f)) for f in frames] for w in words])
    ends: list[float] = []
    for best in (cosines.max(1), cosines.max(0)):
        weights = np.exp(sharpness * best) / np.exp(sharpness * best).sum()
        ends.append(float(weights @ best))
    return float(np.mean(ends))


def divergence(student: Numbers, teacher: Numbers) -> float:
    logs = [rows - np.log(np.exp(rows).sum(1, keepdims=True)) for rows in (student, teacher)]
    return float((np.exp(logs[1]) * (logs[1] - logs[0])).sum(1).mean())


def double(values: torch.Tensor) -> Numbers:
    return np.asarray(values.detach().double().numpy())


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Captions of the frames of every video that the laws know, of different numbers."""
    texts = {name: [f"frame {k % 3} of {name}" for k in range(1 + place % 3)] for place, name in enumerate("abcd")}
    texts |= {str(number): [f"{number}", "a dog"] for number in range(7)}
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(texts), encoding="utf-8")
    return path


@pytest.mark.parametrize("options", [{}, {"alignment": 0}, {"stop_gradient": False, "scale": 50.0}], ids=str)
def test_the_laws_of_an_objective_hold(options: dict[str, Any]) -> None:
    check_objective(FRAME_TOKEN_DISTILLATION, **options)
    check_exact_step(objective=FRAME_TOKEN_DISTILLATION, **options)


def test_the_laws_hold_with_captions_of_frames(captions: Path) -> None:
    check_objective(FRAME_TOKEN_DISTILLATION, encoder=Letters(), captions=str(captions))
    check_exact_step(objective=FRAME_TOKEN_DISTILLATION, encoder=Letters(), captions=str(captions))


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_teacher_and_losses_equal_their_formulas(scale: float) -> None:
    given, made = pairs(), objective(scale=scale, alignment=0.5)
    assert given.texts.tokens is not None
    assert given.texts.mask is not None
    wanted = np.array(
        [
            [
                told_plainly(double(words[mask]), double(frames[valid]), scale)
                for frames, valid in zip(given.frames.vectors, given.frames.valid, strict=True)
            ]
            for words, mask in zip(given.texts.tokens, given.texts.mask, strict=True)
        ]
    )
    np.testing.assert_allclose(made.teacher(given).detach(), wanted, atol=1e-5)
    losses = made(given)
    student, teacher = scale * double(given.scores), scale * wanted
    both = (divergence(student, teacher) + divergence(student.T, teacher.T)) / 2
    own = -np.mean([np.diag(rows - np.log(np.exp(rows).sum(1, keepdims=True))) for rows in (teacher, teacher.T)])
    assert float(losses["distillation"].detach()) == pytest.approx(both, abs=1e-4)
    assert float(losses["alignment"].detach()) == pytest.approx(0.5 * own, abs=1e-4)


def test_a_student_that_tells_what_the_teacher_does_has_nothing_to_learn() -> None:
    made = objective()
    told = made.teacher(pairs()).detach()
    assert float(made(pairs(told))["distillation"].detach()) == pytest.approx(0, abs=1e-6)
    assert float(made(pairs(told.flip(0)))["distillation"].detach()) > 0.01


def test_a_step_brings_the_student_nearer() -> None:
    student = torch.zeros(PAIRS, PAIRS, requires_grad=True)
    losses: list[float] = []
    for _ in range(20):
        loss = objective(scale=10.0)(pairs(student))["distillation"]
        (grad,) = torch.autograd.grad(loss, student)
        student = (student - 0.1 * grad).detach().requires_grad_()
        losses.append(float(loss.detach()))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("stop", [True, False])
def test_the_distillation_changes_the_teacher_only_if_asked(stop: bool) -> None:
    given = pairs()
    objective(alignment=0, stop_gradient=stop)(given)["distillation"].backward()
    assert (given.frames.vectors.grad is None) == stop


def test_at_chance_the_losses_are_what_it_states() -> None:
    alike = VideoFeatures(torch.ones(PAIRS, FRAMES, WIDTH), torch.ones(PAIRS, FRAMES, dtype=torch.bool))
    words = torch.ones(PAIRS, WORDS, WIDTH)
    texts = TextFeatures(words[:, 0], words, torch.ones(PAIRS, WORDS, dtype=torch.bool))
    losses = objective()(replace(pairs(torch.zeros(PAIRS, PAIRS)), frames=alike, texts=texts))
    assert sum(float(loss) for loss in losses.values()) == pytest.approx(objective().chance_loss(PAIRS), abs=1e-5)
    assert not hasattr(objective(alignment=0), "chance_loss")


def test_the_scale_is_the_encoders_unless_it_is_set() -> None:
    given, letters = pairs(), Letters()
    taken = objective(letters)(given)["distillation"]
    assert torch.equal(taken, objective(scale=exp(letters.logit_scale))(given)["distillation"])
    assert torch.equal(
        objective(letters, scale=3.0)(given)["distillation"], objective(scale=3.0)(given)["distillation"]
    )


def test_captions_of_frames_stand_in_for_words_and_each_text_is_encoded_once(captions: Path) -> None:
    letters = Letters()
    made, ids = objective(letters, captions=str(captions)), tuple("abcd")
    rows = np.arange(4)
    extra = made.extra(TrainingPairs(rows, rows, rows, ids, ids))
    given = pairs(**extra)
    found = made.teacher(given).detach()
    ((texts),) = letters.asked
    assert len(texts) == len(set(texts)) == len({text for row in extra["frame_captions"] for text in row})
    encoded = [letters.encode_texts(row).vectors for row in extra["frame_captions"]]
    wanted = [
        [
            told_plainly(double(words), double(frames[valid]), exp(letters.logit_scale))
            for frames, valid in zip(given.frames.vectors, given.frames.valid, strict=True)
        ]
        for words in encoded
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert not np.allclose(found, made.teacher(pairs()).detach(), atol=1e-3)


def test_captions_that_another_part_gives_are_taken_too() -> None:
    letters = Letters()
    objective(letters)(pairs(frame_captions=(("a dog",), ("a cat", "grass"), ("a dog",), ("rain",))))
    assert letters.asked == [["a dog", "a cat", "grass", "rain"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", r"\[1\] \(list\); wanted an object of lists of texts by video id"),
        ('{"a": "a dog"}', r"video 'a' has 'a dog' \(str\); wanted a list of one text or more"),
        ('{"a": []}', r"video 'a' has \[\] \(list\); wanted a list of one text or more"),
        ('{"a": ["x", 3]}', r"video 'a' has \['x', 3\] \(list\); wanted a list of one text or more"),
        ('{"b": ["x"]}', r"no captions of 1 of 1 training videos \('a'\); it has those of 'b'; name videos as"),
        ("{", "captions"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_it_holds(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(text, encoding="utf-8")
    one = np.arange(1)
    with pytest.raises(DatasetError, match=words) as caught:
        objective(captions=str(path)).check_pairs(TrainingPairs(one, one, one, ("a",), ("x",)))
    assert str(path) in str(caught.value)


def test_an_absent_file_is_told_when_the_objective_is_built_and_not_asked_for_where_nothing_trains(
    tmp_path: Path,
) -> None:
    path = tmp_path / "nowhere.json"
    with pytest.raises(DatasetError, match=f"{path}.*captions of frames"):
        objective(captions=str(path))
    options = FrameTokenOptions(captions=path)
    FRAME_TOKEN_DISTILLATION.build(options, BuildContext(pretrained=False))


def test_an_encoder_without_vectors_of_tokens_is_told() -> None:
    given = pairs()
    with pytest.raises(PluginError, match="choose another encoder, or set captions"):
        objective()(replace(given, texts=TextFeatures(given.texts.vectors)))
    with pytest.raises(PluginError, match="was not started from an encoder"):
        objective()(pairs(frame_captions=(("a",),) * PAIRS))
