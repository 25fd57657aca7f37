"""TensorBoard: losses, rates and validation as scalars, and a few clips with their masks as pictures."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Observer, Options, PluginError, hookimpl


class TensorBoardOptions(Options):
    """Where events are written, and how often."""

    folder: str = Field("tensorboard", description="folder of the event files, below the run folder")
    every: float = Field(
        10.0, ge=0, le=1_000_000, description="seconds between two steps that are written; 0: every step"
    )
    clips: int = Field(
        4, ge=0, le=1_000, description="clips of the reported split that are shown with their masks, once"
    )


def build(options: TensorBoardOptions, shapes: BuildContext) -> Observer:
    """Return the observer. Raises `PluginError` if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise PluginError(
            "observer 'tensorboard': TensorBoard is not installed; pip install \"fdakit[tensorboard]\", or leave the "
            "observer out"
        )
    from ._tensorboard import TensorBoard

    return TensorBoard(options.folder, every=options.every, clips=options.clips)


TENSORBOARD = Component(
    "tensorboard",
    "losses, rates, validation and masks for TensorBoard",
    TensorBoardOptions,
    build,
    when='you follow trainings in a browser; needs pip install "fdakit[tensorboard]"',
)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (TENSORBOARD,)
