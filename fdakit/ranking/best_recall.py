"""The best R@1 possible with equal captions and equal videos, whatever the model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable


def best_recall(pairs: Iterable[tuple[str, str]], identical: Iterable[tuple[str, ...]] = ()) -> float | None:
    """Return the best R@1 in percent, text to video, of `(text, video id)` queries; None if there is none.

    Equal texts are scored alike, so whatever the model, only one video ranks first for all queries of a text: at best
    the most frequent target. Videos of one group in `identical` are scored alike too: of k that share the first rank,
    the expected tie rule counts a query by 1 / k.
    """
    group_of = {name: group for group in identical for name in group}
    meant: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for text, video in pairs:
        meant[text][group_of.get(video, (video,))] += 1
    queries = sum(counts.total() for counts in meant.values())
    found = sum(max(count / len(group) for group, count in counts.items()) for counts in meant.values())
    return 100 * found / queries if queries else None
