"""What `motion-tokens` without training changes on real clips: vectors beside those of all patches.

    python docs/figures/clip_tokens.py quickstart videos/natural 6

For a recipe and the first so many clips of a folder: the share of the patches that is encoded, the cosine of a
video's vector with that of `alpha-conv`, mean and least. Weights are random.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from fdakit.catalog import load_catalog
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.features import ClipBatch
from fdakit.inference.factory import build_retriever
from fdakit.model.retriever import Retriever
from fdakit.plugin import VideoRef
from fdakit.recipe.validation import read_recipe

FUSIONS = {
    "alpha-conv": {"use": "alpha-conv"},
    **{f"frame, {share}": {"use": "motion-tokens", "keep_share": share} for share in (0.3, 0.5)},
    **{f"clip, {s}": {"use": "motion-tokens", "keep_share": s, "keep_rule": "clip"} for s in (0.3, 0.5)},
}


def read_clips(name: str, folder: Path, count: int) -> list[tuple[ClipBatch, torch.Tensor]]:
    """Return clips with their alpha, as a recipe samples and masks them in evaluation."""
    recipe = read_recipe(name, catalog=load_catalog())
    retriever = build_retriever(recipe, device=torch.device("cpu"), pretrained=False)
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".mp4")[:count]
    source = ClipDataset(
        ClipSettings.of(recipe),
        [VideoRef(path.stem, path) for path in paths],
        training=False,
        preprocess=retriever.preprocess,
        shapes=retriever.encoder.shapes,
    )
    found = []
    for number in range(len(paths)):
        item = source[ClipRequest(number, 0)]
        assert isinstance(item, ClipItem), item
        frames = torch.from_numpy(item.frames.copy()).permute(0, 3, 1, 2)[None]
        alpha = torch.as_tensor(item.masks["none"].astype("float32"))[None, :, None]
        times = torch.from_numpy(item.times.copy())[None]
        found.append((ClipBatch(frames, torch.ones(frames.shape[:2], dtype=torch.bool), times), alpha))
    return found


def encode(retriever: Retriever, clips: list[tuple[ClipBatch, torch.Tensor]]) -> tuple[torch.Tensor, float]:
    """Return unit vectors of the clips, and the share of the patches that was encoded."""
    kept: list[float] = []
    forward = retriever.encoder._tower.forward  # type: ignore[attr-defined]
    patches = retriever.encoder.shapes.grid[0] * retriever.encoder.shapes.grid[1]

    def counted(pixels: torch.Tensor, **given: Any) -> torch.Tensor:
        keep, counts = given["keep"], given["keep_counts"]
        own = patches if keep is None else keep.shape[1] if counts is None else float(counts.float().mean())
        kept.append(own / patches)
        return forward(pixels, **given)  # type: ignore[no-any-return]

    retriever.encoder._tower.forward = counted  # type: ignore[attr-defined]
    vectors = [retriever.aggregate(retriever.encode_videos(clip, alpha)).vector for clip, alpha in clips]
    return torch.cat(vectors), sum(kept) / len(kept)


@torch.inference_mode()
def main(name: str, folder: str, count: str) -> None:
    """Print a row for each fusion."""
    clips = read_clips(name, Path(folder), int(count))
    print("| patches kept | share encoded | cosine, mean | cosine, least |")
    print("|---|---|---|---|")
    whole = torch.zeros(0)
    for title, fusion in FUSIONS.items():
        settings = [f"fusion.{key}={value}" for key, value in fusion.items()]
        recipe = read_recipe(name, settings=settings, catalog=load_catalog())
        retriever = build_retriever(recipe, device=torch.device("cpu"), pretrained=False).eval()
        vectors, share = encode(retriever, clips)
        whole = vectors if title == "alpha-conv" else whole
        cosines = (vectors * whole).sum(1)
        print(f"| {title} | {share:.2f} | {cosines.mean():.4f} | {cosines.min():.4f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
