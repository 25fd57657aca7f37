"""The sizes of a CLIP, derived from the shapes of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fdakit.errors import CheckpointError

from .weight_formats import ClipWeights, State

_UNSIZED = "weights of no CLIP that fdakit can size by itself"


@dataclass(frozen=True)
class Architecture:
    """Sizes of both towers; `text_width` is 0 if there is only a visual one. `layers` is a tuple for ResNets."""

    embedding: int
    width: int
    layers: int | tuple[int, ...]
    patch: int | None
    image_size: int
    text_width: int = 0
    text_layers: int = 0
    context_length: int = 0
    vocabulary: int = 0

    def __str__(self) -> str:
        patch = f", patch {self.patch}" if self.patch else ""
        kind = "ViT" if self.patch else "ResNet"
        text = f"; text width {self.text_width}, {self.text_layers} layers" if self.text_width else "; no text tower"
        return (
            f"{kind} width {self.width}, layers {self.layers}{patch}, {self.image_size} px, "
            f"embedding {self.embedding}{text}"
        )

    def matching_models(self) -> tuple[str, ...]:
        """Return open_clip's names of models of these sizes, including QuickGELU variants."""
        import open_clip

        return tuple(name for name in open_clip.list_models() if self._fits(open_clip.get_model_config(name)))

    def _fits(self, config: dict[str, Any]) -> bool:
        vision, text = config["vision_cfg"], config.get("text_cfg", {})
        if "timm_model_name" in vision or "hf_model_name" in text or config["embed_dim"] != self.embedding:
            return False
        layers = vision.get("layers", 12)
        own = (self.layers, self.width, self.patch, self.image_size)
        sizes = (
            tuple(layers) if isinstance(layers, list) else layers,
            vision.get("width", 768),
            vision.get("patch_size") if self.patch else None,
            vision.get("image_size", 224),
        )
        same_text = not self.text_width or (
            text.get("width", 512),
            text.get("layers", 12),
            text.get("vocab_size"),
        ) == (
            self.text_width,
            self.text_layers,
            self.vocabulary,
        )
        return own == sizes and same_text


def read_architecture(weights: ClipWeights) -> Architecture:
    """Return the sizes of the towers.

    Raises `CheckpointError` if they are not those of an OpenAI-like CLIP.
    """
    try:
        visual = weights.visual()
        sizes = _vit(visual) if "class_embedding" in visual else _resnet(visual)
        sizes |= _text(weights.clip)
    except (KeyError, IndexError, TypeError) as error:  # TypeError: the length of a tensor without dimensions
        raise CheckpointError(f"{_UNSIZED} ({error}); name the model") from error
    for name, size in sizes.items():
        if size is not None and min(size if isinstance(size, tuple) else (size,)) < 1:
            raise CheckpointError(f"{_UNSIZED} ({name} would be {size}); name the model")
    return Architecture(**sizes)


def _vit(visual: State) -> dict[str, Any]:
    patch = int(visual["conv1.weight"].shape[-1])
    grid = round((len(visual["positional_embedding"]) - 1) ** 0.5)
    return {
        "embedding": int(visual["proj"].shape[1]),
        "width": int(visual["conv1.weight"].shape[0]),
        "layers": _count(visual, "transformer.resblocks.", 2),
        "patch": patch,
        "image_size": grid * patch,
    }


def _resnet(visual: State) -> dict[str, Any]:
    grid = round((len(visual["attnpool.positional_embedding"]) - 1) ** 0.5)
    return {
        "embedding": int(visual["attnpool.c_proj.weight"].shape[0]),
        "width": int(visual["layer1.0.conv1.weight"].shape[0]),
        "layers": tuple(_count(visual, f"layer{stage}.", 1) for stage in (1, 2, 3, 4)),
        "patch": None,
        "image_size": grid * 32,
    }


def _text(clip: State) -> dict[str, Any]:
    if "token_embedding.weight" not in clip:
        return {}
    return {
        "text_width": int(clip["ln_final.weight"].shape[0]),
        "text_layers": _count(clip, "transformer.resblocks.", 2),
        "context_length": len(clip["positional_embedding"]),
        "vocabulary": len(clip["token_embedding.weight"]),
    }


def _count(state: State, prefix: str, place: int) -> int:
    return len({name.split(".")[place] for name in state if name.startswith(prefix)})
