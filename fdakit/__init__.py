"""fdakit: find videos by text. The front door for plugin authors and library users.

Importing it is cheap: names arrive when first used, and torch only when something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .contracts import (
        AlphaFusion,
        Component,
        Dataset,
        Encoder,
        FrameSampler,
        Fuse,
        MaskGenerator,
        Objective,
        Observer,
        OptimiserFactory,
        Options,
        Preprocess,
        Progress,
        Reader,
        Rescorer,
        RunInfo,
        Shapes,
        Stem,
        StemConvolution,
        TemporalAggregator,
    )
    from .data.annotations import find_videos, read_caption_map, read_id_list
    from .draws import keyed_rng, keyed_seed
    from .errors import (
        CheckpointError,
        DatasetError,
        FdakitError,
        PluginError,
        RecipeError,
        ScoreError,
        VideoError,
    )
    from .experiment.creation import create_model_and_transforms
    from .experiment.loading import LoadedRetriever, load
    from .hookspecs import hookimpl
    from .model.alpha_path import AlphaPath
    from .model.loading import read_clip_weights
    from .model.tower import ClipEncoder
    from .values import (
        Batch,
        Caption,
        Clip,
        FrameFeatures,
        Fused,
        Needs,
        Place,
        Scores,
        Split,
        TextFeatures,
        VideoRef,
    )
    from .video.decode import OpenVideo, frame_times, read_frames

_HOME = {
    "contracts": (
        "AlphaFusion Component Dataset Encoder FrameSampler Fuse MaskGenerator Objective Observer "
        "OptimiserFactory Options Preprocess Progress Reader Rescorer RunInfo Shapes Stem StemConvolution "
        "TemporalAggregator"
    ),
    "data.annotations": "find_videos read_caption_map read_id_list",
    "draws": "keyed_rng keyed_seed",
    "errors": "CheckpointError DatasetError FdakitError PluginError RecipeError ScoreError VideoError",
    "experiment.creation": "create_model_and_transforms",
    "experiment.loading": "LoadedRetriever load",
    "hookspecs": "hookimpl",
    "model.alpha_path": "AlphaPath",
    "model.loading": "read_clip_weights",
    "model.tower": "ClipEncoder",
    "values": "Batch Caption Clip FrameFeatures Fused Needs Place Scores Split TextFeatures VideoRef",
    "video.decode": "OpenVideo frame_times read_frames",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "AlphaFusion",
    "AlphaPath",
    "Batch",
    "Caption",
    "CheckpointError",
    "Clip",
    "ClipEncoder",
    "Component",
    "Dataset",
    "DatasetError",
    "Encoder",
    "FdakitError",
    "FrameFeatures",
    "FrameSampler",
    "Fuse",
    "Fused",
    "LoadedRetriever",
    "MaskGenerator",
    "Needs",
    "Objective",
    "Observer",
    "OpenVideo",
    "OptimiserFactory",
    "Options",
    "Place",
    "PluginError",
    "Preprocess",
    "Progress",
    "Reader",
    "RecipeError",
    "Rescorer",
    "RunInfo",
    "ScoreError",
    "Scores",
    "Shapes",
    "Split",
    "Stem",
    "StemConvolution",
    "TemporalAggregator",
    "TextFeatures",
    "VideoError",
    "VideoRef",
    "__version__",
    "create_model_and_transforms",
    "find_videos",
    "frame_times",
    "hookimpl",
    "keyed_rng",
    "keyed_seed",
    "load",
    "read_caption_map",
    "read_clip_weights",
    "read_frames",
    "read_id_list",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'fdakit' has no attribute {name!r}")
    value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
