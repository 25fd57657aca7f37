"""The batches of an epoch, sampled by seed and epoch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fdakit.data_pipeline.clip_dataset import ClipRequest
from fdakit.random_keys import keyed_rng

Pairs = Sequence[tuple[int, str]]
"""Index of a video, and a caption of it."""


def epoch_batches(
    pairs: Pairs, *, batch_size: int, seed: int, epoch: int, shown: Sequence[int] | None = None
) -> list[list[ClipRequest]]:
    """Return the batches of one epoch, sampled by (seed, epoch): equal sizes, no video content twice in a batch.

    `shown[video]` numbers the content of a video; left out, every video has other content.

    A pair whose video is already in the batch waits for a later one; an incomplete last batch is left for the next
    epoch's sample.
    """
    order = deque(keyed_rng(seed, "order", epoch).permutation(len(pairs)).tolist())
    footage = shown or range(1 + max((video for video, _ in pairs), default=0))
    size = min(batch_size, len({footage[video] for video, _ in pairs}))
    plan: list[list[ClipRequest]] = []
    waiting: deque[int] = deque()
    while 0 < size <= len(order) + len(waiting):
        batch: list[ClipRequest] = []
        seen: set[int] = set()
        passed: deque[int] = deque()
        for queue in (waiting, order):
            while queue and len(batch) < size:
                place = queue.popleft()
                video, text = pairs[place]
                if footage[video] in seen:
                    passed.append(place)
                else:
                    seen.add(footage[video])
                    batch.append(ClipRequest(video, epoch, text))
        waiting = deque([*passed, *waiting])
        if len(batch) < size:
            break
        plan.append(batch)
    return plan
