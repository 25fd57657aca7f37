"""Names that moved when plugin authors got a module of their own: each old one tells the new one."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from helpers.cli_output import Tell
from helpers.sample_plugins import distribution

import fdakit
from fdakit.moved_names import MOVED

_BEFORE = """
AlphaFusion AlphaPath Batch BrightnessRule CameraRule Caption ChangeOptions CheckpointError Clip ClipEncoder
Component Dataset DatasetError Direction Encoder Engine FdakitError FinishOptions FrameFeatures FrameSampler Fuse
Fused GreyRule LoadedRetriever MaskGenerator Masks MayBePath Needs Objective Observer Official OpenVideo
OptimiserFactory Options Place PluginError Preprocess Progress Reader RecipeError Rescorer RunInfo ScoreError Scores
SeenMasks Shapes SourceFile Split Stem StemConvolution TableRow TemporalAggregator TextFeatures ThresholdOptions
VIDEO_ENDINGS VideoError VideoRef __version__ averaged beside_camera block_texture by_scenes choose_engine
clean_masks compensated conclude_masks count_remarks create_model_and_transforms cuts difference find_source
find_videos finish_masks frame_times grey_layers hookimpl id_hash join_paragraphs joined_cuts keyed_rng keyed_seed
level_cuts level_thresholds load look_for masks_of_change name_ids need_captions need_root neighbour_cuts no_column
outside_longest_scene painted_blocks printable read_caption_map read_clip_weights read_frames read_id_list read_json
read_table_rows read_text read_weights recorded_preprocess row_fault sampled_cuts show_masks soft_strength
step_over_repeats stood_in thresholds within_picture write_errors write_text
"""
BEFORE = re.findall(r"\w+", _BEFORE)
"""What `fdakit` offered before, in its `__all__`."""
MISSPELT = "Retreiver"
OLD_PLUGIN = """
from fdakit import Component, Options, hookimpl

class NoOptions(Options):
    pass

@hookimpl
def fdakit_masks():
    return [Component("mine", "a mask of before", NoOptions, lambda options, shapes: None)]
"""


@pytest.mark.parametrize("name", BEFORE)
def test_every_name_of_before_is_there_or_tells_its_new_one(name: str) -> None:
    if name not in MOVED:
        assert getattr(fdakit, name) is not None
        return
    with pytest.raises(ImportError, match=f"fdakit.{name} has moved: import {MOVED[name]} instead"):
        exec(f"from fdakit import {name}", {})
    with pytest.raises(ImportError, match=f"import {MOVED[name]} instead"):
        getattr(fdakit, name)


def test_a_renamed_contract_tells_its_new_name() -> None:
    with pytest.raises(ImportError, match=r"fdakit\.plugin\.FrameFeatures is VideoFeatures now"):
        exec("from fdakit.plugin import FrameFeatures", {})
    with pytest.raises(ImportError, match="cannot import name 'FrameFeature'"):
        exec("from fdakit.plugin import FrameFeature", {})


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_every_new_name_is_listed_where_it_is_told_to_be(old: str, new: str) -> None:
    namespace, _, name = new.rpartition(".")
    home = import_module(namespace)
    assert name in dir(home)
    assert getattr(home, name) is not None
    assert old not in dir(fdakit)


def test_a_name_that_never_was_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=MISSPELT):
        getattr(fdakit, MISSPELT)
    with pytest.raises(ImportError, match=r"cannot import name 'Clp' from 'fdakit.plugin'"):
        exec("from fdakit.plugin import Clp", {})
    assert not hasattr(fdakit, MISSPELT)


def test_a_plugin_of_before_is_listed_as_broken_with_the_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Tell
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FDAKIT_PLUGINS", "fdakit-before")
    distribution(tmp_path, "fdakit-before", OLD_PLUGIN, module="plugin_of_before")
    (broken,) = tell("plugins", "--json").json["broken"]
    assert broken["provider"] == "fdakit-before"
    assert broken["reason"] == (f"ImportError: fdakit.Component has moved: import {MOVED['Component']} instead")
    shown = tell("plugins")
    assert shown.code == 0
    assert "fdakit.Component has moved: import fdakit.plugin.Component instead" in shown.out
    refused = tell("check", "quickstart", "--set", "mask.use=mine")
    assert refused.code == 2
    assert "fdakit.Component has moved: import fdakit.plugin.Component instead" in refused.err
