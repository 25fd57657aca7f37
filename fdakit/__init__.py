"""fdakit: find videos by text. The front door for plugin authors and library users.

Importing it is cheap: names arrive when first used, and torch only when something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .component import Component, MayBePath, Options, Shapes, StemConvolution
    from .contracts import (
        AlphaFusion,
        Dataset,
        Direction,
        Encoder,
        FrameSampler,
        Fuse,
        MaskGenerator,
        Objective,
        Observer,
        OptimiserFactory,
        Preprocess,
        Progress,
        Reader,
        Rescorer,
        RunInfo,
        Stem,
        TemporalAggregator,
    )
    from .data.annotations import need_captions, read_caption_map, read_id_list, read_json
    from .data.counts import count_remarks, id_hash
    from .data.layout import find_source, look_for, need_root
    from .data.paragraphs import join_paragraphs, name_ids
    from .data.table_rows import TableRow, no_column, read_table_rows, row_fault
    from .data.video_files import VIDEO_ENDINGS, find_videos
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
    from .experiment.loaded_retriever import LoadedRetriever
    from .experiment.loading import load
    from .experiment.seeing import SeenMasks, show_masks
    from .hookspecs import hookimpl
    from .masking.bars import within_picture
    from .masking.change import GreyRule, cuts, difference, grey_layers, soft_strength, thresholds
    from .masking.changed import ChangeOptions, masks_of_change
    from .masking.compensation import BrightnessRule, CameraRule, compensated
    from .masking.displacement import beside_camera, block_texture, painted_blocks
    from .masking.engines import Engine, choose_engine
    from .masking.finish import Masks, clean_masks, conclude_masks, finish_masks
    from .masking.levels import averaged, level_cuts, level_thresholds
    from .masking.options import FinishOptions, ThresholdOptions
    from .masking.scene_cuts import by_scenes, joined_cuts, neighbour_cuts, outside_longest_scene, sampled_cuts
    from .masking.stand_ins import stood_in
    from .model.alpha_path import AlphaPath
    from .model.loading import read_clip_weights
    from .model.preprocess_record import recorded_preprocess
    from .model.tower import ClipEncoder
    from .model.weights import read_weights
    from .system.atomic_files import write_errors, write_text
    from .system.regular_files import read_text
    from .system.terminal_text import printable
    from .values import (
        Batch,
        Caption,
        Clip,
        FrameFeatures,
        Fused,
        Needs,
        Official,
        Place,
        Scores,
        SourceFile,
        Split,
        TextFeatures,
        VideoRef,
    )
    from .video.decode import OpenVideo, frame_times, read_frames
    from .video.repeats import step_over_repeats

_HOME = {
    "component": "Component MayBePath Options Shapes StemConvolution",
    "contracts": (
        "AlphaFusion Dataset Direction Encoder FrameSampler Fuse MaskGenerator Objective Observer OptimiserFactory "
        "Preprocess Progress Reader Rescorer RunInfo Stem TemporalAggregator"
    ),
    "data.annotations": "need_captions read_caption_map read_id_list read_json",
    "data.counts": "count_remarks id_hash",
    "data.layout": "find_source look_for need_root",
    "data.paragraphs": "join_paragraphs name_ids",
    "data.table_rows": "TableRow no_column read_table_rows row_fault",
    "data.video_files": "VIDEO_ENDINGS find_videos",
    "draws": "keyed_rng keyed_seed",
    "errors": "CheckpointError DatasetError FdakitError PluginError RecipeError ScoreError VideoError",
    "experiment.creation": "create_model_and_transforms",
    "experiment.loaded_retriever": "LoadedRetriever",
    "experiment.loading": "load",
    "experiment.seeing": "SeenMasks show_masks",
    "hookspecs": "hookimpl",
    "masking.bars": "within_picture",
    "masking.change": "GreyRule cuts difference grey_layers soft_strength thresholds",
    "masking.changed": "ChangeOptions masks_of_change",
    "masking.compensation": "BrightnessRule CameraRule compensated",
    "masking.displacement": "beside_camera block_texture painted_blocks",
    "masking.engines": "Engine choose_engine",
    "masking.finish": "Masks clean_masks conclude_masks finish_masks",
    "masking.levels": "averaged level_cuts level_thresholds",
    "masking.options": "FinishOptions ThresholdOptions",
    "masking.scene_cuts": "by_scenes joined_cuts neighbour_cuts outside_longest_scene sampled_cuts",
    "masking.stand_ins": "stood_in",
    "model.alpha_path": "AlphaPath",
    "model.loading": "read_clip_weights",
    "model.preprocess_record": "recorded_preprocess",
    "model.tower": "ClipEncoder",
    "model.weights": "read_weights",
    "system.atomic_files": "write_errors write_text",
    "system.regular_files": "read_text",
    "system.terminal_text": "printable",
    "values": (
        "Batch Caption Clip FrameFeatures Fused Needs Official Place Scores SourceFile Split TextFeatures VideoRef"
    ),
    "video.decode": "OpenVideo frame_times read_frames",
    "video.repeats": "step_over_repeats",
}
_WHERE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "VIDEO_ENDINGS",
    "AlphaFusion",
    "AlphaPath",
    "Batch",
    "BrightnessRule",
    "CameraRule",
    "Caption",
    "ChangeOptions",
    "CheckpointError",
    "Clip",
    "ClipEncoder",
    "Component",
    "Dataset",
    "DatasetError",
    "Direction",
    "Encoder",
    "Engine",
    "FdakitError",
    "FinishOptions",
    "FrameFeatures",
    "FrameSampler",
    "Fuse",
    "Fused",
    "GreyRule",
    "LoadedRetriever",
    "MaskGenerator",
    "Masks",
    "MayBePath",
    "Needs",
    "Objective",
    "Observer",
    "Official",
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
    "SeenMasks",
    "Shapes",
    "SourceFile",
    "Split",
    "Stem",
    "StemConvolution",
    "TableRow",
    "TemporalAggregator",
    "TextFeatures",
    "ThresholdOptions",
    "VideoError",
    "VideoRef",
    "__version__",
    "averaged",
    "beside_camera",
    "block_texture",
    "by_scenes",
    "choose_engine",
    "clean_masks",
    "compensated",
    "conclude_masks",
    "count_remarks",
    "create_model_and_transforms",
    "cuts",
    "difference",
    "find_source",
    "find_videos",
    "finish_masks",
    "frame_times",
    "grey_layers",
    "hookimpl",
    "id_hash",
    "join_paragraphs",
    "joined_cuts",
    "keyed_rng",
    "keyed_seed",
    "level_cuts",
    "level_thresholds",
    "load",
    "look_for",
    "masks_of_change",
    "name_ids",
    "need_captions",
    "need_root",
    "neighbour_cuts",
    "no_column",
    "outside_longest_scene",
    "painted_blocks",
    "printable",
    "read_caption_map",
    "read_clip_weights",
    "read_frames",
    "read_id_list",
    "read_json",
    "read_table_rows",
    "read_text",
    "read_weights",
    "recorded_preprocess",
    "row_fault",
    "sampled_cuts",
    "show_masks",
    "soft_strength",
    "step_over_repeats",
    "stood_in",
    "thresholds",
    "within_picture",
    "write_errors",
    "write_text",
]


if not TYPE_CHECKING:  # a type checker that saw it would take any misspelt name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'fdakit' has no attribute {name!r}")
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
