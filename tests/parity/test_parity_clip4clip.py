"""Parity of `plugins/fdakit-clip4clip` with CLIP4Clip: heads, whole models, losses and gradients of every case.

`FDAKIT_FIXTURES` names another folder of the same layout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.clip_batches import clip_batch
from helpers.parity import build_clip, cases, fixtures
from helpers.shipped import beside
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import normalize

from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.objectives.symmetric_contrastive import SYMMETRIC_CONTRASTIVE
from fdakit.model import ClipEncoder, read_weights
from fdakit.model.architecture import read_architecture
from fdakit.model.weight_formats import detect_format
from fdakit.model.weight_loading import load_towers
from fdakit.plugin import Batch, BuildContext, Fused, PairFeatures, Preprocess, TextFeatures, VideoFeatures
from fdakit.testing.building import build_part

PACKAGE: Any = beside("fdakit-clip4clip")
PARTS = {"meanP": MEAN, "seqLSTM": PACKAGE.SEQ_LSTM, "seqTransf": PACKAGE.SEQ_TRANSFORMER}
NAMES = {  # of the reference -> of the aggregators
    "frame_position_embeddings.": "positions.",
    "transformerClip.resblocks.": "blocks.",
    "lstm_visual.": "lstm.",
}
NOT_WEIGHTS = ("io.", "grads.", "meta.", "metrics.", "bertadam.", "frames.")
Tensors = dict[str, torch.Tensor]


def meta(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((case / "meta.json").read_text())
    return found


def weights_files(case: Path) -> list[Path]:
    """The files of a case that hold weights: whatever is neither inputs, outputs nor their description."""
    return sorted(path for path in case.iterdir() if path.is_file() and not path.name.startswith(NOT_WEIGHTS))


CASES = [case for case in cases("clip4clip") if (case / "io.safetensors").is_file()]
FILES = [(case, file) for case in CASES for file in weights_files(case)]
HEADS = [(case, file) for case, file in FILES if "frames" in load_file(case / "io.safetensors")]
WHOLE = [(case, file) for case, file in FILES if "video" in load_file(case / "io.safetensors")]


def ids(pairs: list[tuple[Path, Path]]) -> list[str]:
    return [f"{case.name}-{file.stem}" for case, file in pairs]


def test_parity_clip4clip_fixtures_are_there() -> None:
    assert CASES, f"{fixtures('clip4clip')} holds no case"
    assert {case for case, _ in (*HEADS, *WHOLE)} == set(CASES)


def head_of(case: Path, file: Path, width: int) -> Any:
    """The aggregator of a case with the weights of a file, as a recipe builds it."""
    config = meta(case)["config"]
    options: dict[str, Any] = {}
    if config["sim_header"] != "meanP":
        options["weights"] = str(file)
    if config["sim_header"] == "seqTransf":
        found = PACKAGE.read_head(file)
        options["layers"] = config.get("layers", config.get("aggregator_layers"))
        options["positions"] = len(found.state["positions.weight"])
        if "heads" in config:
            options["heads"] = config["heads"]
    return build_part(PARTS[config["sim_header"]], BuildContext(embedding=width), **options)


def named_weights(head: Any) -> Mapping[str, nn.Parameter]:
    """The weights of an aggregator by the names of the reference."""
    own = dict(head.named_parameters()) if isinstance(head, nn.Module) else {}
    found = {}
    for name, value in own.items():
        theirs, ours = next((theirs, ours) for theirs, ours in NAMES.items() if name.startswith(ours))
        found[theirs + name.removeprefix(ours)] = value
    return found


def scale_of(file: Path) -> torch.Tensor:
    """The logarithm of the scale of a file, wherever its name stands."""
    return next(value for name, value in read_weights(file).items() if name.endswith("clip.logit_scale"))


def loss_of(frames: VideoFeatures, videos: VideoFeatures, text: torch.Tensor, scale: torch.Tensor) -> tuple[Any, Any]:
    """The loss of as many pairs as there are, and the objective, as training computes it."""
    objective = build_part(SYMMETRIC_CONTRASTIVE)
    with torch.no_grad():
        objective.logit_scale.copy_(scale)
    empty = torch.zeros(0)
    batch = Batch(tuple("x" * len(text)), empty, {}, frames.valid, empty, tuple("x" * len(text)))
    pairs = PairFeatures(frames, videos, TextFeatures(text), batch, build_part(COSINE).score)
    return objective(pairs)["contrastive"], objective


class Limits:
    """The tolerance of a case."""

    def __init__(self, case: Path) -> None:
        self.rule = meta(case)["tolerance"]

    def outputs(self, found: torch.Tensor, wanted: torch.Tensor, name: str) -> None:
        rule = self.rule["outputs"]
        torch.testing.assert_close(
            found, wanted, atol=rule["atol"], rtol=rule["rtol"], msg=lambda said: f"{name}: {said}"
        )

    def loss(self, found: torch.Tensor, wanted: torch.Tensor) -> None:
        np.testing.assert_allclose(found.item(), wanted.item(), rtol=self.rule["loss"]["rtol"])

    def gradient(self, found: torch.Tensor | None, wanted: torch.Tensor, name: str) -> None:
        rule = self.rule["gradients"]
        given = torch.zeros_like(wanted) if found is None else found
        assert (given - wanted).abs().max() <= rule["rel"] * wanted.abs().max() + rule["abs"], name


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("case", "file"), HEADS, ids=ids(HEADS))
def test_parity_clip4clip_frames_vectors_and_logits(case: Path, file: Path, training: bool) -> None:
    io, limits = load_file(case / "io.safetensors"), Limits(case)
    head = head_of(case, file, io["frames"].shape[2])
    features = VideoFeatures(io["frames"], io["video_mask"].bool())
    if isinstance(head, nn.Module):
        head.train(training)
    with torch.no_grad():
        videos = head(features)
        logits = scale_of(file).exp() * build_part(COSINE).score(TextFeatures(io["text"]), videos)
        if "frames_after_aggregator" in io:
            after = head.frames_of(features.vectors, features.valid)
            limits.outputs(after, io["frames_after_aggregator"], "frames_after_aggregator")
    limits.outputs(videos.vector, io["video_vector"], "video_vector")
    limits.outputs(videos.vector, normalize(io["video_mean"], dim=-1), "video_mean")
    limits.outputs(logits, io["logits"], "logits")


@pytest.mark.parametrize(("case", "file"), HEADS, ids=ids(HEADS))
def test_parity_clip4clip_loss_and_gradients_of_a_head(case: Path, file: Path) -> None:
    io, wanted, limits = load_file(case / "io.safetensors"), load_file(case / "grads.safetensors"), Limits(case)
    pairs = meta(case)["n_pairs_for_loss"]
    head = head_of(case, file, io["frames"].shape[2])
    frames = io["frames"].clone().requires_grad_()
    text = io["text"][:pairs].clone().requires_grad_()
    features = VideoFeatures(frames[:pairs], io["video_mask"][:pairs].bool())
    loss, objective = loss_of(features, head(features), text, scale_of(file))
    limits.loss(loss, wanted["loss"])
    loss.backward()
    given = {"frames": frames.grad, "text": text.grad, "clip.logit_scale": objective.logit_scale.grad}
    given |= {name: weight.grad for name, weight in named_weights(head).items()}
    check_gradients(limits, wanted, given, {})
    assert frames.grad is not None
    norms = meta(case).get("grad_norms_l2", {})
    check_gradients(limits, {}, given, norms)


def check_gradients(
    limits: Limits, wanted: Tensors, given: Mapping[str, torch.Tensor | None], norms: Mapping[str, float]
) -> None:
    for name, gradient in wanted.items():
        if name.startswith("grad."):
            found = given.get(name.removeprefix("grad."))
            limits.gradient(found[: len(gradient)] if found is not None and found.ndim else found, gradient, name)
    for name, norm in norms.items():
        gradient = given.get(name)
        found = 0.0 if gradient is None else float(gradient.norm())
        np.testing.assert_allclose(found, norm, rtol=limits.rule["gradients"]["rel"], atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("case", "file"), HEADS, ids=ids(HEADS))
def test_parity_clip4clip_the_loss_is_the_mean_of_both_directions(case: Path, file: Path) -> None:
    wanted, limits = load_file(case / "grads.safetensors"), Limits(case)
    limits.loss((wanted["loss_text_to_video"] + wanted["loss_video_to_text"]) / 2, wanted["loss"])
    io = load_file(case / "io.safetensors")
    pairs = meta(case)["n_pairs_for_loss"]
    logits = io["logits"][:pairs, :pairs]
    for sides, name in ((logits, "loss_text_to_video"), (logits.T, "loss_video_to_text")):
        limits.loss(nn.functional.cross_entropy(sides, torch.arange(pairs)), wanted[name])


class Counting:
    """A tokeniser of small ids: the fixtures bring their own tokens."""

    def __init__(self, context_length: int) -> None:
        self.context_length = context_length

    def __call__(self, texts: list[str], context_length: int | None = None) -> torch.Tensor:
        ids = torch.zeros(len(texts), context_length or self.context_length, dtype=torch.int64)
        ids[:, :3] = torch.tensor([1, 2, 3])
        return ids


class Whole:
    """Encoder and aggregator of a checkpoint of the reference."""

    def __init__(self, case: Path, file: Path) -> None:
        weights = detect_format(read_weights(file))
        assert weights.format == "CLIP4Clip"
        sizes = read_architecture(weights)
        clip = build_clip(sizes, quick_gelu=True)
        load_towers(clip, weights, where=file)
        grey = (0.5, 0.5, 0.5)
        self.clip: Any = clip
        self.encoder = ClipEncoder(
            clip,
            tokenizer=Counting(sizes.context_length),
            preprocess=Preprocess(sizes.image_size, grey, grey),
            shapes=BuildContext(),
        )
        self.head = head_of(case, file, self.encoder.shapes.embedding)
        self.context = sizes.context_length
        self.scale = scale_of(file)

    def frames(self, video: torch.Tensor, valid: torch.Tensor | None) -> VideoFeatures:
        return self.encoder.encode_videos(clip_batch(video, valid), lambda rgb, stem: Fused())

    def texts(self, ids: torch.Tensor) -> torch.Tensor:
        tokens = nn.functional.pad(ids, (0, self.context - ids.shape[1]))
        cut = torch.zeros(len(ids), dtype=torch.bool)
        return self.encoder.encode_tokens({"ids": tokens, "cut": cut}).vectors


@pytest.mark.parametrize(("case", "file"), WHOLE, ids=ids(WHOLE))
def test_parity_clip4clip_a_checkpoint_gives_its_features_and_logits(case: Path, file: Path) -> None:
    io, limits = load_file(case / "io.safetensors"), Limits(case)
    model, valid = Whole(case, file), io["video_mask"].bool()
    model.encoder.eval()
    with torch.no_grad():
        text, every = model.texts(io["input_ids"]), model.frames(io["video"], None)
        limits.outputs(every.vectors, io["frame_features"], "frame_features")
        limits.outputs(text, io["text_features"], "text_features")
        for frames in (VideoFeatures(every.vectors, valid), model.frames(io["video"], valid)):
            scores = build_part(COSINE).score(TextFeatures(text), model.head(frames))
            limits.outputs(model.scale.exp() * scores, io["logits"], "logits")


@pytest.mark.parametrize(("case", "file"), WHOLE, ids=ids(WHOLE))
def test_parity_clip4clip_loss_and_gradients_of_a_whole_model(case: Path, file: Path) -> None:
    io, wanted, limits = load_file(case / "io.safetensors"), load_file(case / "grads.safetensors"), Limits(case)
    model, valid = Whole(case, file), io["video_mask"].bool()
    frames = model.frames(io["video"], valid)
    loss, objective = loss_of(frames, model.head(frames), model.texts(io["input_ids"]), model.scale)
    limits.loss(loss, wanted["loss"])
    loss.backward()
    given = {f"clip.{name}": weight.grad for name, weight in model.clip.named_parameters()}
    given |= {name: weight.grad for name, weight in named_weights(model.head).items()}
    given["clip.logit_scale"] = objective.logit_scale.grad
    check_gradients(limits, wanted, given, meta(case).get("grad_norms_l2", {}))


def with_module(state: Tensors) -> Tensors:
    return {f"module.{name}": value for name, value in state.items()}


def in_half(state: Tensors) -> Tensors:
    return {name: value.half().float() for name, value in state.items()}


@pytest.mark.parametrize("change", [with_module, in_half])
@pytest.mark.parametrize(("case", "file"), WHOLE, ids=ids(WHOLE))
def test_parity_clip4clip_a_checkpoint_of_distributed_training_is_read_as_any_other(
    case: Path, file: Path, change: Callable[[Tensors], Tensors], tmp_path: Path
) -> None:
    changed = tmp_path / "pytorch_model.bin.4"
    plain = {name.removeprefix("module."): value for name, value in read_weights(file).items()}
    torch.save(change(plain), changed)
    io = load_file(case / "io.safetensors")
    with torch.no_grad():
        found = [
            model.head(model.frames(io["video"], io["video_mask"].bool())).vector
            for model in (Whole(case, file), Whole(case, changed))
        ]
    torch.testing.assert_close(*found, atol=0 if change is with_module else 5e-3, rtol=0)
