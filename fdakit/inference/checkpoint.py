"""A checkpoint as a value: found once, its files read on use and compared with their digests."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from fdakit.catalog import Catalog
from fdakit.errors import CheckpointError
from fdakit.model.preprocess_record import read_header
from fdakit.model.retriever import Retriever
from fdakit.model.weight_files import FAULTS, load_strictly, read_weights
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe
from fdakit.system.digests import SUMS, check_digest, file_sha256, read_digests
from fdakit.system.json_records import fault_of
from fdakit.system.regular_files import read_json

from .checkpoint_files import INFO, STATE, WEIGHTS, current_checkpoint, find_checkpoint, instead_of, other_checkpoint
from .checkpoint_info import CheckpointInfo, TrainingState
from .factory import build_retriever
from .path_advice import missing_checkpoint, with_recipe
from .preprocessing import adopt_preprocess
from .run_files import RECIPE

_LARGEST_INFO = 1 << 28


@dataclass(frozen=True)
class Checkpoint:
    """A weights file and the folder that a run saved it in; None for weights that no run of fdakit saved."""

    weights: Path
    folder: Path | None

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Return the checkpoint of a checkpoint folder, a run folder (its best) or a weights file.

        Raises `CheckpointError` if there is none.
        """
        if path.is_file() and path.name != WEIGHTS:
            return cls(path, None)
        folder = find_checkpoint(path)
        return cls(folder / WEIGHTS, folder)

    @classmethod
    def of_run(cls, folder: Path) -> Checkpoint:
        """Return the checkpoint `best` or `last` of a run, wherever a kill left it; its files may be absent."""
        found = current_checkpoint(folder)
        return cls(found / WEIGHTS, found)

    def recipe(self, *, catalog: Catalog, settings: Iterable[str] = ()) -> Recipe:
        """Return the recipe beside the weights. Raises `CheckpointError` if it is absent or was modified."""
        if self.folder is None:
            raise CheckpointError(missing_checkpoint(self.weights))
        path = self.folder / RECIPE
        if not path.is_file():
            raise CheckpointError(f"{self.folder.absolute()}: holds no {RECIPE}; {with_recipe(self.weights)}")
        advice = (
            "to evaluate with other options use --set, or give a recipe of your own with --recipe; if nobody edited "
            f"it, {instead_of(self.folder)}"
        )
        check_digest(path, error=CheckpointError, advice=advice)
        return read_recipe(path, catalog=catalog, settings=tuple(settings))

    @cached_property
    def info(self) -> CheckpointInfo:
        """What is known of the weights: the content of checkpoint.json, if there is one.

        Raises `CheckpointError` if it is damaged.
        """
        if self.folder is None or not (self.folder / INFO).exists():
            return CheckpointInfo()
        path = self.folder / INFO
        advice = f"{instead_of(self.folder)}, or give {WEIGHTS} alone, copied elsewhere, with --recipe"
        check_digest(path, error=CheckpointError, advice=advice)
        found = read_json(path, limit=_LARGEST_INFO, error=CheckpointError, advice=advice)
        try:
            return CheckpointInfo.from_json(found)
        except ValueError as error:
            raise CheckpointError(f"{path.absolute()}: {error}; {advice}") from error

    def state(self, *, advice: str | None = None) -> TrainingState:
        """Return the training state.

        Raises `CheckpointError`, ending in `advice` if given, if there is none, it is damaged, or it belongs to
        other weights.
        """
        folder = self.weights.parent
        path = folder / STATE
        again = advice or "put back what the run wrote, or start it again"
        if not path.is_file():
            raise CheckpointError(f"{path.absolute()}: absent, so this run cannot be resumed; {again}")
        other = other_checkpoint(folder, ", or evaluate {}")
        advice = advice or f"this state cannot be resumed: start the run again{other}"
        check_digest(path, error=CheckpointError, advice=advice)
        try:
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, *FAULTS) as error:
            raise CheckpointError(f"{path.absolute()}: not readable as a training state; {advice}") from error
        try:
            state = TrainingState.model_validate(found)
        except ValidationError as error:
            raise CheckpointError(f"{path.absolute()}: {fault_of(error)}; {advice}") from error
        weights = file_sha256(self.weights, error=CheckpointError, advice=advice)
        if state.weights not in (None, weights):  # older checkpoints do not state it
            raise CheckpointError(f"{self.weights.absolute()}: not the weights that its {STATE} belongs to; {again}")
        return state

    def load(self, recipe: Recipe, *, device: torch.device) -> Retriever:
        """Return the recipe's retriever with these weights, for evaluation. Raises `CheckpointError`."""
        retriever = build_retriever(recipe, device=device, pretrained=False)
        self.load_into(retriever)
        adopt_preprocess(retriever, recipe, self.weights)
        return retriever.eval()

    def load_into(self, retriever: Retriever) -> None:
        """Load the weights into the retriever, all or none.

        Raises `CheckpointError` for another architecture, and if they were modified since a run saved them.
        """
        self.check_weights()
        load_strictly(retriever, read_weights(self.weights), where=self.weights)

    def check_weights(self, *, advice: str | None = None) -> None:
        """Compare the weights with their digest; weights of other tools have none.

        Raises `CheckpointError`, ending in `advice` if given, if they differ; warns of a checkpoint that an older
        fdakit wrote without digests.
        """
        if self.folder is None or not (self.folder / INFO).is_file():
            return
        advice = advice or instead_of(self.folder)
        if check_digest(self.weights, error=CheckpointError, advice=advice):
            return
        where = self.folder.absolute()
        if "digests" in read_header(self.weights):
            raise CheckpointError(f"{where / SUMS}: absent, though {WEIGHTS} was written with it; {advice}")
        warnings.warn(
            f"{where}: was written by an older fdakit, without {SUMS}, so damage to it cannot be noticed",
            stacklevel=2,
        )

    def check_resumable(self, *, advice: str | None = None) -> None:
        """Compare every file of a checkpoint to be resumed with its digest; older checkpoints have none.

        The state is left to `state`. Raises `CheckpointError`, ending in `advice` if given, if one was modified or is
        absent.
        """
        folder = self.weights.parent
        other = other_checkpoint(folder, ", or evaluate {}")
        advice = advice or f"put back what the run wrote, or start the run again{other}"
        digests = read_digests(folder, error=CheckpointError, advice=advice)
        if digests is None:
            self.check_weights(advice=advice)
        for name in digests or (WEIGHTS,):
            path = folder / name
            if not path.exists():
                raise CheckpointError(f"{path.absolute()}: absent, so this run cannot be resumed; {advice}")
            if name != STATE:
                check_digest(path, error=CheckpointError, advice=advice)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Turn errors of a training state that does not fit its trainer into `CheckpointError`."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            said = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"{self.weights.with_name(STATE).absolute()}: does not fit this run ({type(error).__name__}: "
                f"{said}); go on with the recipe it was written under, or start the run again"
            ) from error
