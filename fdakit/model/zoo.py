"""Models by name: which weights belong together, their licences, and where their files are looked for.

Nothing here uses the network. Alpha-CLIP's files are those of its model zoo (github.com/SunzeY/AlphaCLIP, arXiv
2312.03818), with the ImageNet-S top-1 published there; OpenAI's those of github.com/openai/CLIP.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdakit.errors import CheckpointError, nearest

FOLDER = "FDAKIT_WEIGHTS"
HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # in open_clip's order

_OPENAI = "MIT code; OpenAI's model card puts deployment out of scope"
_ALPHA = "research only (CC BY-NC 4.0), and CLIP's own terms"
_DATACOMP = "MIT"
_ZERO = "The alpha convolution starts at zero: until it is trained, every mask gives plain CLIP's vector."


@dataclass(frozen=True)
class ZooModel:
    """One combination of weights.

    `model` and `pretrained` are open_clip's name and tag, `hub` the repository of the tag's file and `archive`
    OpenAI's file of the same weights. `alpha` is what the alpha convolution was trained on, or `zero`.
    `visual_checkpoint` is an Alpha-CLIP tower's file, `other_name` its name at the download source; None if alpha
    starts at zero. `sha256` identifies that file, if known.
    """

    name: str
    model: str
    pretrained: str
    hub: str
    licence: str
    note: str
    archive: str | None = None
    alpha: str = "zero"
    visual_checkpoint: str | None = None
    other_name: str | None = None
    sha256: str | None = None

    @property
    def research_only(self) -> bool:
        """Whether the licence permits research use only."""
        return self.licence == _ALPHA


def _openai(name: str, model: str, hub: str, archive: str) -> ZooModel:
    note = f"OpenAI's CLIP. {_ZERO}"
    return ZooModel(name, model, "openai", f"timm/{hub}", _OPENAI, note, archive=archive)


def _datacomp(name: str, model: str, hub: str) -> ZooModel:
    note = (
        f"CLIP trained on DataComp-1B; with alpha trained by yourself, the way to a model for commercial use. {_ZERO}"
    )
    return ZooModel(name, model, "datacomp_xl_s13b_b90k", f"laion/{hub}", _DATACOMP, note)


_B32 = _openai("clip-b32", "ViT-B-32", "vit_base_patch32_clip_224.openai", "ViT-B-32.pt")
_B16 = _openai("clip-b16", "ViT-B-16", "vit_base_patch16_clip_224.openai", "ViT-B-16.pt")
_L14 = _openai("clip-l14", "ViT-L-14", "vit_large_patch14_clip_224.openai", "ViT-L-14.pt")
_L14_336 = _openai("clip-l14-336", "ViT-L-14-336", "vit_large_patch14_clip_336.openai", "ViT-L-14-336px.pt")


def _alpha(
    base: ZooModel, data: str, file: str, *, top1: float, gain: float, other_name: str | None = None
) -> ZooModel:
    short = data.lower().replace("-", "").replace(" + ", "-")
    return ZooModel(
        f"alpha-{base.name}-{short}",
        base.model,
        base.pretrained,
        base.hub,
        _ALPHA,
        f"Alpha-CLIP trained on {data.replace('MIM', 'MaskImageNet')}; ImageNet-S top-1 {top1:.2f} as published, "
        f"{gain:+.2f} over CLIP.",
        archive=base.archive,
        alpha=data,
        visual_checkpoint=file,
        other_name=other_name,
    )


_MIM = "GRIT-1M + MIM"  # MaskImageNet
ZOO: tuple[ZooModel, ...] = (
    _B32,
    _B16,
    _L14,
    _L14_336,
    _datacomp("clip-b16-datacomp", "ViT-B-16", "CLIP-ViT-B-16-DataComp.XL-s13B-b90K"),
    _datacomp("clip-l14-datacomp", "ViT-L-14", "CLIP-ViT-L-14-DataComp.XL-s13B-b90K"),
    _alpha(_B16, "GRIT-1M", "clip_b16_grit1m_fultune_8xe.pth", top1=68.31, gain=1.83),
    _alpha(_L14, "GRIT-1M", "clip_l14_grit1m_fultune_8xe.pth", top1=77.22, gain=3.74),
    _alpha(
        _L14_336,
        "GRIT-1M",
        "clip_l14_336_grit1m_fultune_8xe.pth",
        top1=78.15,
        gain=3.86,
        other_name="clip_l14@336_grit1m_fultune_8xe.pth",
    ),
    _alpha(_B16, "GRIT-20M", "clip_b16_grit20m_fultune_2xe.pth", top1=68.89, gain=2.41),
    _alpha(_L14, "GRIT-20M", "clip_l14_grit20m_fultune_2xe.pth", top1=77.41, gain=3.93),
    _alpha(
        _L14_336,
        "GRIT-20M",
        "clip_l14_336_grit_20m_4xe.pth",
        top1=79.61,
        gain=5.32,
        other_name="clip_l14@336_grit20m_fultune_4xe.pth",
    ),
    _alpha(
        _B16,
        _MIM,
        "clip_b16_grit+mim_fultune_4xe.pth",
        top1=69.40,
        gain=2.92,
        other_name="clip_b16_grit1m+mim_fultune_4xe.pth",
    ),
    _alpha(_L14, _MIM, "clip_l14_grit+mim_fultune_6xe.pth", top1=77.80, gain=4.32),
)


@dataclass(frozen=True)
class ZooFile:
    """One file of a model: `part` is `clip` or `alpha`, `places` its possible locations, `found` the actual one."""

    part: str
    places: tuple[Path, ...]
    found: Path | None

    @property
    def archive(self) -> bool:
        """Whether OpenAI's own file was found, which open_clip is given by path and not by tag."""
        return self.part == "clip" and self.found is not None and self.found.suffix == ".pt"


def find_model(name: str) -> ZooModel:
    """Return the model of that name. Raises `CheckpointError` with the nearest name if there is none."""
    known = {model.name: model for model in ZOO}
    if name not in known:
        raise CheckpointError(f"model {name!r}: not in the zoo; {nearest(name, known)}")
    return known[name]


def weights_folder() -> Path:
    """Return `FDAKIT_WEIGHTS`, else `weights/` in the working directory."""
    return Path(os.environ.get(FOLDER) or "weights")


def zoo_files(model: ZooModel) -> tuple[ZooFile, ...]:
    """Return the files that the model needs, with where they were found: CLIP, and any Alpha-CLIP visual tower."""
    files = [_clip_file(model)]
    if model.visual_checkpoint is not None:
        names = (model.visual_checkpoint, *((model.other_name,) if model.other_name else ()))
        files.append(_first("alpha", [weights_folder() / name for name in names]))
    return tuple(files)


def _clip_file(model: ZooModel) -> ZooFile:
    import huggingface_hub

    kept = [huggingface_hub.try_to_load_from_cache(model.hub, name) for name in HUB_FILES]
    cache = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"models--{model.hub.replace('/', '--')}"
    cached = [Path(path) for path in kept if isinstance(path, str)] or [cache]
    if model.archive is None:
        return _first("clip", cached)
    return _first(
        "clip", [weights_folder() / model.archive, *cached, Path.home() / ".cache" / "clip" / model.archive]
    )


def _first(part: str, places: list[Path]) -> ZooFile:
    return ZooFile(part, tuple(places), next((path for path in places if path.is_file()), None))


def encoder_table(model: ZooModel, files: tuple[ZooFile, ...]) -> dict[str, Any]:
    """Return the recipe's `[encoder]` for the model: by path if files were found, else by tag and expected path."""
    by_part = {file.part: file for file in files}
    clip, alpha = by_part["clip"], by_part.get("alpha")
    table: dict[str, Any] = {"use": "open-clip", "model": model.model, "pretrained": model.pretrained}
    if clip.archive:
        table |= {"pretrained": str(clip.found), "quick_gelu": True}
    if alpha is not None:
        table["visual_checkpoint"] = str(alpha.found or alpha.places[0])
    return table


def known_sha256(model: ZooModel, file: ZooFile) -> str | None:
    """Return the expected SHA-256 of a found file, or None if nobody published it.

    OpenAI's is part of the archive's URL in open_clip; the hub's cache names a file by its hash.
    """
    if file.part == "alpha":
        return model.sha256
    if file.found is None or file.archive:
        return archive_sha256(model)
    blob = file.found.resolve().name
    return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else None


def archive_sha256(model: ZooModel) -> str | None:
    """Return the SHA-256 of OpenAI's archive, from its URL; None for the other models."""
    address = archive_address(model)
    return address.split("/")[-2] if address else None


def archive_address(model: ZooModel) -> str | None:
    """Return the URL of OpenAI's archive; None for the other models."""
    if model.archive is None:
        return None
    import open_clip

    return str(open_clip.get_pretrained_cfg(model.model, model.pretrained)["url"])
