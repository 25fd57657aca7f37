"""The law of an encoder that accepts `keep`: how many of the kept patches go through it, frame by frame."""

from __future__ import annotations

from typing import Any

from fdakit.errors import PartError, PluginError
from fdakit.features import ClipBatch, Fused, VideoFeatures


def check_keep_counts(encoder: Any, clips: ClipBatch) -> None:
    """Check that of `keep` the first `keep_counts` of each frame stay, and no others; a `PluginError` refuses them.

    Clips of other counts have the vectors that they have where all frames keep as many.
    """
    import torch

    tokens = encoder.shapes.grid[0] * encoder.shapes.grid[1]
    few, many = tokens // 4, tokens // 2
    if not few:
        return
    of_frames = torch.arange(len(clips.valid)).repeat_interleave(clips.valid.sum(1))
    counts = torch.where(of_frames == 1, few, many)
    keep = torch.arange(many).expand(len(counts), -1)
    try:
        found = _kept(encoder, clips, keep, counts)
    except PartError:
        raise
    except PluginError:
        return  # it says that it cannot
    for count, rows in ((many, slice(0, 1)), (few, slice(1, 2)), (many, slice(2, 3))):
        wanted = _kept(encoder, clips, keep[:, :count])
        assert _same(found, wanted, rows), "keep_counts: a frame has other vectors than with as many patches in keep"
    others = torch.where(torch.arange(many) < counts[:, None], keep, keep + tokens - many)
    again = _kept(encoder, clips, others, counts)
    assert _same(found, again, slice(0, 3)), "what keep holds beyond keep_counts changes the vectors"


def _kept(encoder: Any, clips: ClipBatch, keep: Any, counts: Any = None) -> VideoFeatures:
    found: VideoFeatures = encoder.encode_videos(clips, lambda pixels, stem: Fused(keep=keep, keep_counts=counts))
    return found


def _same(found: VideoFeatures, wanted: VideoFeatures, rows: slice) -> bool:
    import torch

    one, other = found.rows(rows), wanted.rows(rows)
    valid = one.valid & other.valid
    return torch.equal(one.valid, other.valid) and torch.allclose(one.vectors[valid], other.vectors[valid], atol=1e-5)
