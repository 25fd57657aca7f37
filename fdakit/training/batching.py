"""The batches of an epoch, drawn by seed and number."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fdakit.data_pipeline.clip_dataset import ClipRequest
from fdakit.random_keys import keyed_rng

Pairs = Sequence[tuple[int, str]]
"""Number of a video, and a caption of it."""


def epoch_batches(
    pairs: Pairs, *, batch_size: int, seed: int, epoch: int, shown: Sequence[int] | None = None
) -> list[list[ClipRequest]]:
    """Return the batches of one epoch, drawn by (seed, epoch): no footage twice in a batch, all of one size.

    `shown[video]` numbers what a video shows; left out, every video shows something else.

    A pair whose video is in the batch already waits for a later one; what fills no batch is left for the
    next epoch's draw.
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
