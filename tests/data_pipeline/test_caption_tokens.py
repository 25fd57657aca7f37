"""Captions are tokenised where clips are read, or left to the encoder: never half of them, and never an error."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tokenisers import Failing, Letters, Ragged, Unloadable

from fdakit.data_pipeline.caption_tokens import CaptionTokens, stacked
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.plugin import BuildContext, Preprocess, VideoRef
from fdakit.recipe.recipe import Recipe

TEXTS = ("a red square", "two dogs", "a")


def sent(tokenise: Any) -> CaptionTokens:
    """What a worker has of it, after a rest."""
    there: CaptionTokens = pickle.loads(pickle.dumps(CaptionTokens(tokenise)))
    assert there.of(TEXTS[0]) == {}
    there.load()
    return there


def test_a_worker_tokenises_after_it_has_loaded_the_tokeniser_and_the_main_process_never_does() -> None:
    here = CaptionTokens(Letters())
    here.load()
    assert here.of(TEXTS[0]) == {}
    found = stacked([sent(Letters()).of(text) for text in TEXTS])
    assert torch.equal(found["letters"], torch.from_numpy(Letters()(TEXTS)["letters"]))


@pytest.mark.parametrize(
    ("tokenise", "said"),
    [
        (None, ""),
        (lambda texts: {}, ""),  # cannot be pickled
        (Unloadable(), "(OSError: its vocabulary is not here)"),
        (Failing(), "(ValueError: no vocabulary)"),
        (Ragged(), ""),
    ],
)
def test_what_workers_cannot_do_stays_with_the_encoder(tokenise: Any, said: str) -> None:
    there = sent(tokenise)
    assert stacked([there.of(text) for text in TEXTS]) == {}
    assert [note.partition(" could not ")[2] for note in there.notes] == ([said] if said else [])


def test_a_batch_with_captions_that_are_not_tokenised_is_left_to_the_encoder() -> None:
    row = {"ids": np.arange(3)}
    assert stacked([row, row])["ids"].shape == (2, 3)
    assert stacked([row, {}]) == stacked([row, {"other": np.arange(3)}]) == stacked([]) == {}


@pytest.mark.integration
def test_batches_come_with_tokens_from_workers_alone(make_recipe: Callable[..., Recipe], clips: Path) -> None:
    names = ("red-across", "green-across")
    source = ClipDataset(
        ClipSettings.of(make_recipe()),
        [VideoRef(name, clips / f"{name}.mp4") for name in names],
        training=True,
        preprocess=Preprocess(32, (0.5,) * 3, (0.5,) * 3),
        shapes=BuildContext(),
        tokenise=Letters(),
    )
    plan = [[ClipRequest(0, text=TEXTS[0]), ClipRequest(1, text=TEXTS[1])]]

    def batch(loader: ClipLoader) -> LoadedBatch:
        (found,) = loader.batches(source, plan, prefetch=1)
        return found

    with ClipLoader(0) as here:
        assert batch(here).tokens == {}
    with ClipLoader(2) as loader:
        assert batch(loader).tokens == {}
        end = time.monotonic() + 60  # they load it when both have nothing to read
        while not (found := batch(loader)).tokens and time.monotonic() < end:
            time.sleep(0.05)
    assert torch.equal(found.tokens["letters"], torch.from_numpy(Letters()(TEXTS[:2])["letters"]))
