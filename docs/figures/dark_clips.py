"""Print how alike an untrained tower finds different clips, the darker they are to its view.

    python docs/figures/dark_clips.py FOLDER-OF-CLIPS 24 42 7

A clip darkened by a factor is to a view what the clip itself is to mean and std divided by that factor: these are
divided, and the clips stay as they are. `contrast` is that of `fdakit data masks`; under each seed stands the mean
cosine of different clips.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch

import fdakit
from fdakit.builtin.encoders.tiny import CLIP_MEAN, CLIP_STD
from fdakit.mask_inspection.pixel_levels import Levels, clip_levels, level_facts
from fdakit.plugin.contracts import Preprocess
from fdakit.training.collapse_detection import mean_cosine

FACTORS = (1.0, 0.4, 0.1, 0.03, 0.01, 0.003)


def levels(clip: Path) -> Levels:
    """Return the levels of a clip's frames."""
    with av.open(str(clip)) as video:
        return clip_levels(np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]))


def likeness(clips: Sequence[Path], view: Preprocess, seed: int) -> float:
    """Return the mean cosine of different clips in a tower of that seed."""
    settings = [f"view.mean={list(view.mean)}", f"view.std={list(view.std)}"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its weights are random is what is asked for
        retriever = fdakit.load("controls/quickstart_whole_frame", settings=settings, seed=seed, device="cpu")
    vectors = retriever.encode_videos([str(clip) for clip in clips])
    return float(mean_cosine(torch.as_tensor(np.asarray(vectors))))


def main(clips: Sequence[Path], seeds: Sequence[int]) -> None:
    """Print the table."""
    print(f"| darkened to | contrast | {' | '.join(f'seed {seed}' for seed in seeds)} |")
    print("|---|---|" + "---|" * len(seeds))
    found = [levels(clip) for clip in clips]
    for factor in FACTORS:
        mean, std = (tuple(value / factor for value in triple) for triple in (CLIP_MEAN, CLIP_STD))
        view = Preprocess(size=64, mean=mean, std=std)  # type: ignore[arg-type]
        alike = " | ".join(f"{likeness(clips, view, seed):.5f}" for seed in seeds)
        print(f"| {factor:g} | {level_facts(found, view)['contrast']:.3f} | {alike} |")


if __name__ == "__main__":
    main(sorted(Path(sys.argv[1]).rglob("*.mp4")), [int(seed) for seed in sys.argv[2:]])
