"""A plugin for tests: parts that fail, interrupt, draw or count on purpose. Importable from loader workers too."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fdakit.errors import FdakitError
from fdakit.plugin import (
    BuildContext,
    Clip,
    ClipBatch,
    Component,
    Needs,
    Options,
    RunInfo,
    StepInfo,
    VideoFeatures,
    VideoRef,
    hookimpl,
)
from fdakit.video import frame_times, read_frames

Parts = Iterable[Component[Any, Any]]


class Choice(Options):
    """Options of all the parts here; each looks at what it needs."""

    video: str = ""
    worded: bool = False
    step: int = 0
    presses: int = 1
    file: Path | None = None
    scale: float = 1.0
    dtype: str = "float32"
    indices: tuple[int, ...] = (0,)
    gap: int = -1


class Part:
    """Keeps its options."""

    def __init__(self, options: Choice, shapes: BuildContext) -> None:
        self.options = options

    def note(self, line: str) -> None:
        """Add a line to the file, if there is one."""
        if self.options.file is not None:
            with self.options.file.open("a") as file:
                file.write(line + "\n")


class Failing(Part):
    """A mask that knows a video it cannot stand; marks the others whole."""

    needs, place = Needs(), "worker"

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        if clip.id == self.options.video:
            raise FdakitError("not this one") if self.options.worded else KeyError("no such colour")
        return np.ones(clip.frames.shape[:3], np.float32)


class Soft(Part):
    """A mask of values up to `scale` from the clip's own generator, in any type."""

    needs, place = Needs(), "worker"

    def __call__(self, clip: Clip) -> NDArray[Any]:
        return (clip.rng().random(clip.frames.shape[:3]) * self.options.scale).astype(self.options.dtype)


class BySeed(Part):
    """A mask of noise that asks for the seed in the way that `file` names; "build" and "first" ask only once."""

    needs, place = Needs(), "worker"

    def __init__(self, options: Choice, shapes: BuildContext) -> None:
        super().__init__(options, shapes)
        self.shapes, self.way = shapes, options.file.name if options.file else ""
        self.kept = shapes.seed if self.way == "build" else None

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        ways: Mapping[str, Any] = {
            "build": lambda: self.kept,
            "first": lambda: self.shapes.seed if self.kept is None else self.kept,
            "shapes": lambda: self.shapes.seed,
            "name": lambda: clip.seed,
            "replace": lambda: replace(clip, times=clip.times).seed,
            "copy": lambda: copy.deepcopy(clip).seed,
            "fields": lambda: vars(clip)["seed"],
            "rng": lambda: int(clip.rng().integers(1 << 30)),
            "pickle": lambda: pickle.loads(pickle.dumps(clip)).seed,
        }
        self.kept = ways[self.way]()
        return np.random.default_rng(self.kept).random(clip.frames.shape[:3]).astype(np.float32)


class Moody(Part):
    """A mask of numbers that nobody keyed: numpy's own, of `step` 1 torch's, of `step` 2 a fresh generator's."""

    needs = Needs()

    @property
    def place(self) -> str:
        return "device" if self.options.step == 1 else "worker"

    def __call__(self, clip: Any) -> Any:
        if self.options.step == 1:
            return torch.rand(clip.frames[:, :, 0].shape)
        draw = np.random.default_rng().random if self.options.step == 2 else np.random.random_sample
        return draw(clip.frames.shape[:3]).astype(np.float32)


class Scribbling(Part):
    """A mask that writes into the frames it is given."""

    needs, place = Needs(), "worker"

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        clip.frames[0, 0, 0] += 1
        return np.ones(clip.frames.shape[:3], np.float32)


class OnDevice(Part):
    """A mask of what is red; wants torch frames."""

    needs, place = Needs(), "device"

    def __call__(self, clips: ClipBatch) -> torch.Tensor:
        return (clips.frames[:, :, 0] > 150).float()


class Learned(nn.Module):
    """A mask on the device with weights: a soft threshold on the difference to the frame before."""

    needs: Needs = Needs()
    place = "device"

    def __init__(self, options: Choice, shapes: BuildContext) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.1))
        self.slope = nn.Parameter(torch.tensor(20.0))

    def forward(self, clips: ClipBatch) -> torch.Tensor:
        grey = clips.frames.float().mean(2) / 255
        before = torch.cat([grey[:, :1], grey[:, :-1]], dim=1)
        return torch.sigmoid(self.slope * ((grey - before).abs() - self.threshold))


class Neighbouring(Part):
    """A mask of what differs from a native neighbour."""

    place = "worker"

    @property
    def needs(self) -> Needs:
        return Needs(neighbours=(self.options.gap,))

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        differs = clip.neighbours[self.options.gap].astype(int) - clip.frames
        return (np.abs(differs).max(-1) > 20).astype(np.float32)


class Wild(Part):
    """A sampler of three frames that gives the indices it is told to."""

    def frames(self, training: bool) -> int:
        return 3

    def draws(self, training: bool) -> bool:
        return False

    def __call__(self, count: int, times: Any, training: bool, rng: Any) -> NDArray[np.int64]:
        return np.array(self.options.indices, np.int64)


class Drawing(Part):
    """A sampler that draws three frames from a generator of its own."""

    def frames(self, training: bool) -> int:
        return 3

    def draws(self, training: bool) -> bool:
        return False

    def __call__(self, count: int, times: Any, training: bool, rng: Any) -> NDArray[np.int64]:
        return np.sort(np.random.default_rng().permutation(count)[:3])


class Counting(Part):
    """fdakit's own reader; notes every read."""

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        return frame_times(video)

    def read(self, video: VideoRef, indices: Any, needs: Needs, size: Any) -> Clip:
        self.note(video.path.name)
        return read_frames(video, indices=indices, needs=needs, size=size)


class Dropping(nn.Module):
    """A pooling with weights and dropout: training draws from torch's own generator."""

    gives = "vector"

    def __init__(self, options: Choice, shapes: BuildContext) -> None:
        super().__init__()
        self.turn = nn.Linear(shapes.embedding, shapes.embedding)

    def forward(self, frames: Any) -> VideoFeatures:
        pooled = (frames.vectors * frames.valid.unsqueeze(-1)).sum(1) / frames.valid.sum(1, keepdim=True)
        return VideoFeatures.of_clips(pooled + self.turn(nn.functional.dropout(pooled, 0.5, self.training)))


class ByText(Part):
    """A matcher that weighs the frames by the text they are compared with."""

    stores, needs_tokens = "vectors", False

    def score(self, texts: Any, videos: Any) -> torch.Tensor:
        weights = torch.einsum("qd,vtd->qvt", texts.vectors, videos.vectors)
        weights = weights.masked_fill(~videos.valid, -torch.inf).softmax(-1).nan_to_num()
        pooled = torch.einsum("qvt,vtd->qvd", weights, videos.vectors)
        return torch.nn.functional.cosine_similarity(texts.vectors[:, None], pooled, dim=-1)


class Losing(nn.Module):
    """An objective whose loss is NaN from a step on."""

    def __init__(self, options: Choice, shapes: BuildContext) -> None:
        super().__init__()
        self.last, self.seen = options.step, 0

    def forward(self, pairs: Any) -> Mapping[str, torch.Tensor]:
        self.seen += 1
        return {"losing": pairs.videos.vectors.sum() * (float("nan") if self.seen >= self.last else 0.0)}


class Asking(Part):
    """An observer that asks the run to stop after a training step."""

    def run_started(self, run: RunInfo) -> None: ...

    def progressed(self, what: str, done: int, total: int) -> None: ...

    def step_finished(self, step: StepInfo) -> bool:
        return step.step == self.options.step

    def epoch_finished(self, facts: Mapping[str, float]) -> None: ...

    def run_finished(self, report: Mapping[str, Any]) -> None: ...


class Watching(Part):
    """An observer; notes what it is told and presses Ctrl-C after a training step."""

    def run_started(self, run: RunInfo) -> None:
        self.note("started")

    def progressed(self, what: str, done: int, total: int) -> None:
        if what == "training" and done == self.options.step:
            for _ in range(self.options.presses):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # it arrives between two instructions of Python

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        self.note(f"epoch {facts['epoch']} {facts['loss']!r}")

    def run_finished(self, report: Mapping[str, Any]) -> None:
        self.note("finished")


class Dying(Watching):
    """An observer that kills its process after a training step."""

    def progressed(self, what: str, done: int, total: int) -> None:
        if what == "training" and done == self.options.step:
            os.kill(os.getpid(), signal.SIGKILL)


class Unwell(Watching):
    """An observer that fails as soon as it should note something."""

    def note(self, line: str) -> None:
        raise RuntimeError("no paper left")


def unruly(options: Choice, shapes: BuildContext) -> Any:
    """An optimiser whose factory gives nothing or, of `step` 1, one whose steps fail."""

    class Stumbling(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            raise ValueError("stumbled")

    return lambda groups: Stumbling([{"params": g["params"]} for g in groups], lr=1) if options.step else None


class Constant(Part):
    """An objective whose loss depends on nothing."""

    def __call__(self, pairs: Any) -> Mapping[str, torch.Tensor]:
        return {"constant": torch.zeros(())}


class FailingOnRank(Part):
    """An objective that fails on the second of several processes."""

    def __call__(self, pairs: Any) -> Mapping[str, torch.Tensor]:
        if os.environ.get("RANK") == "1":
            raise ValueError("not here")
        return {"zero": 0 * pairs.scores.mean()}


def unbuildable(options: Choice, shapes: BuildContext) -> Any:
    """For a part that cannot be built."""
    raise ValueError("out of clay")


def _parts(**parts: Any) -> Parts:
    return [Component(name.replace("_", "-"), f"{name}, for tests", Choice, part) for name, part in parts.items()]


@hookimpl
def fdakit_masks() -> Parts:
    own = {"moody": Moody, "scribbling": Scribbling, "learned": Learned}
    return _parts(failing=Failing, soft=Soft, by_seed=BySeed, on_device=OnDevice, neighbouring=Neighbouring, **own)


@hookimpl
def fdakit_samplers() -> Parts:
    return _parts(wild=Wild, drawing=Drawing)


@hookimpl
def fdakit_readers() -> Parts:
    return _parts(counting=Counting)


@hookimpl
def fdakit_fusions() -> Parts:
    return _parts(unbuildable=unbuildable)


@hookimpl
def fdakit_aggregators() -> Parts:
    return _parts(dropping=Dropping)


@hookimpl
def fdakit_matchers() -> Parts:
    return _parts(by_text=ByText)


@hookimpl
def fdakit_objectives() -> Parts:
    return _parts(losing=Losing, constant=Constant, failing_on_rank=FailingOnRank)


@hookimpl
def fdakit_optimisers() -> Parts:
    return _parts(unruly=unruly)


@hookimpl
def fdakit_observers() -> Parts:
    return _parts(watching=Watching, asking=Asking, dying=Dying, unwell=Unwell)
