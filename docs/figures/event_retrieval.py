"""Videos of several events, asked for one of them: one vector a video beside several, by the weights of trained runs.

    python docs/figures/event_retrieval.py runs/systems/quickstart-moving-shapes \
        runs/systems/quickstart-late-interaction-moving-shapes

The folders are those of a run with single vectors and of one with max-sim, a run a seed in each. Weights are as they
are; only what is made of the frames' vectors differs. R@1 text to video, mean and standard deviation over the seeds;
four frames for each event, and chance, which grows as the same captions are spread over fewer videos.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from fdakit.catalog import load_catalog
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.inference.checkpoint import Checkpoint

EVENTS = (1, 2, 4, 8)
MEAN, SEVERAL = "quickstart", "late interaction"
SYSTEMS = {
    "mean of all frames": (MEAN, ["aggregator.use=mean", "matcher.use=cosine"]),
    "largest value of each feature": (MEAN, ["aggregator.use=max", "matcher.use=cosine"]),
    "a vector an event, `max-cosine`": (
        MEAN,
        ["aggregator.use=segments", "aggregator.segments={events}", "matcher.use=max-cosine"],
    ),
    "a vector a frame, `max-cosine`": (MEAN, ["aggregator.use=none", "matcher.use=max-cosine"]),
    "a vector a frame, `max-sim`": (SEVERAL, []),
}


def recall(run: Path, events: int, settings: list[str]) -> tuple[float, int]:
    """Return R@1 of a run on videos of so many events, and how many videos there are."""
    checkpoint = Checkpoint.open(run)
    given = [one.format(events=events) for one in settings]
    more = [f"dataset.events={events}", f"sampler.eval_frames={4 * events}", "eval.controls=[]", "observer=[]"]
    recipe = checkpoint.recipe(catalog=load_catalog(), settings=[*given, *more])
    report = evaluate_checkpoint(recipe, checkpoint).report
    return report.t2v["R@1"], report.videos.counted


def main(single: str, several: str) -> None:
    """Print a row for each number of events."""
    folders = {MEAN: Path(single), SEVERAL: Path(several)}
    print(f"| events a video | chance | {' | '.join(SYSTEMS)} |")
    print("|---" * (2 + len(SYSTEMS)) + "|")
    for events in EVENTS:
        cells = []
        videos = 0
        for name, settings in SYSTEMS.values():
            found = [recall(run, events, settings) for run in sorted(folders[name].glob("seed-*/"))]
            values, videos = [value for value, _ in found], found[0][1]
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}")
        print(f"| {events} | {100 / videos:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
