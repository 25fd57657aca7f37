"""Features to try parts on: videos of frames, of clips and of patches, and texts with their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fdakit.plugin.component import BuildContext

if TYPE_CHECKING:
    from fdakit.features import FeatureKind, TextFeatures, VideoFeatures

WIDTH, TOKENS = 16, 6
SHAPES = BuildContext(embedding=WIDTH, width=WIDTH, heads=1, layers=1, vocabulary=8, context_length=TOKENS)


def example_videos(videos: int = 4, vectors: int = 5, kind: FeatureKind = "frame") -> VideoFeatures:
    """Return seeded features of videos, the first two with fewer valid vectors than the others.

    Those of frames have a coverage, as the retriever gives it.
    """
    import torch

    from fdakit.features import VideoFeatures

    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(videos, vectors, dtype=torch.bool)
    valid[0, 2:] = False
    valid[1, 4:] = False
    drawn = torch.randn(videos, vectors, WIDTH, generator=generator)
    coverage = torch.rand(videos, vectors, generator=generator).masked_fill(~valid, 0) if kind == "frame" else None
    return VideoFeatures(drawn, valid, kind, coverage=coverage)


def example_texts(count: int) -> TextFeatures:
    """Return seeded features of texts with their tokens, the first text shorter than the others."""
    import torch

    from fdakit.features import TextFeatures

    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(count, WIDTH, generator=generator)
    tokens = torch.randn(count, TOKENS, WIDTH, generator=generator)
    mask = torch.ones(count, TOKENS, dtype=torch.bool)
    mask[0, 3:] = False
    return TextFeatures(vectors, tokens, mask, ids=mask.long(), cut=torch.zeros(count, dtype=torch.bool))


def lengthened(videos: VideoFeatures, more: int = 2) -> VideoFeatures:
    """Return the same videos with further vectors that are not valid."""
    import torch

    from fdakit.features import VideoFeatures

    vectors = torch.cat([videos.vectors, torch.full_like(videos.vectors[:, :1], 1e3).expand(-1, more, -1)], 1)
    valid = torch.cat([videos.valid, videos.valid.new_zeros(len(videos.valid), more)], 1)
    coverage = videos.coverage
    if coverage is not None:
        coverage = torch.cat([coverage, coverage.new_ones(len(coverage), more)], 1)
    return VideoFeatures(vectors, valid, videos.kind, coverage=coverage)


def padded(texts: TextFeatures, more: int = 2) -> TextFeatures:
    """Return the same texts with further tokens that only pad."""
    import torch

    from fdakit.features import TextFeatures

    assert texts.tokens is not None
    assert texts.mask is not None
    tokens = texts.tokens.masked_fill(~texts.mask.unsqueeze(-1), 1e3)
    tokens = torch.cat([tokens, torch.full_like(tokens[:, :1], 1e3).expand(-1, more, -1)], 1)
    mask = torch.cat([texts.mask, texts.mask.new_zeros(len(tokens), more)], 1)
    return TextFeatures(texts.vectors, tokens, mask)
