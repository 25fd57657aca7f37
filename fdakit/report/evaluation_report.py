"""The report of an evaluation, report.json, as a frozen value.

Keys that older reports lack have defaults; `Report.lacking` finds those without which no table can be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Field

from fdakit.choices import TieRule, VideoToTextRule
from fdakit.plugin.contracts import Direction
from fdakit.system.json_records import Count, JsonRecord, Texts

T_co = TypeVar("T_co", covariant=True)

COLUMNS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR")
Metrics = Mapping[str, float]
"""Metrics of one direction by name: recall in percent, ranks from 1."""

Interval = Annotated[Sequence[float], Field(min_length=2, max_length=2), AfterValidator(tuple)]


class _Directions(Protocol[T_co]):
    @property
    def t2v(self) -> T_co: ...
    @property
    def v2t(self) -> T_co: ...


def in_direction(values: _Directions[T_co], direction: Direction) -> T_co:
    """Return the value of one direction."""
    return values.t2v if direction == "t2v" else values.v2t


class EvaluationProtocol(JsonRecord):
    """The rules and the data behind the numbers; `checkpoint_chosen_on` is a split, if one was used.

    `matcher` is None for the default one; `instructions` are what an encoder puts before texts, by their role.
    """

    dataset: str
    dataset_options: Mapping[str, Any] = {}
    split: str
    captions: str
    video_to_text: VideoToTextRule
    ties: TieRule
    checkpoint_chosen_by: str | None = None
    checkpoint_chosen_on: str | None = None
    sampler: Mapping[str, Any] = {}
    reader: str = ""
    mask: str = ""
    mask_control: str = ""
    batch_size: Count | None = None
    frame_store_draws: Count | None = None
    matcher: str | None = None
    instructions: Mapping[str, str] = {}


class BothMetrics(JsonRecord):
    """Metrics in both directions."""

    t2v: Metrics
    v2t: Metrics


class BothIntervals(JsonRecord):
    """95% intervals `(low, high)` by metric, in both directions; empty without a bootstrap."""

    t2v: Mapping[str, Interval] = {}
    v2t: Mapping[str, Interval] = {}


class BothCounts(JsonRecord):
    """A number of queries or candidates in both directions."""

    t2v: Count = 0
    v2t: Count = 0


class RescoredMetrics(JsonRecord):
    """Metrics after one rescorer, of the directions that it changes."""

    options: Mapping[str, Any] = {}
    needs_all_queries: bool
    t2v: Mapping[str, float] = {}
    v2t: Mapping[str, float] = {}


class TrainingVideos(JsonRecord):
    """The videos trained on; `shared` counts those of the scored split among them, None if that is unknown."""

    published: Count | None = None
    counted: Count = 0
    missing: Count = 0
    id_hash: str = ""
    remarks: Texts = ()
    shared: Count | None = None
    skipped: Count = 0
    skipped_reasons: Mapping[str, str] = {}
    repaired: Count = 0
    repaired_reasons: Mapping[str, str] = {}


class VideoCounts(JsonRecord):
    """The scored videos: published, counted, absent and damaged; `id_hash` identifies the list."""

    published: Count | None = None
    counted: Count = 0
    id_hash: str = ""
    remarks: Texts = ()
    missing: Count = 0
    missing_ids: Texts = ()
    damaged: Count = 0
    damaged_reasons: Mapping[str, str] = {}
    repaired: Count = 0
    repaired_reasons: Mapping[str, str] = {}
    training: TrainingVideos = TrainingVideos()


class CaptionCounts(JsonRecord):
    """The captions; `cut` of them were too long, None if the encoder does not tell.

    `best_t2v` is the best R@1 that equal captions and videos allow.
    """

    model_config = ConfigDict(populate_by_name=True)

    published: Count | None = None
    counted: Count = 0
    hash: str = ""
    distinct: Count = 0
    cut: Count | None = 0
    identical_videos: Count = 0
    best_t2v: float | None = Field(default=None, validation_alias="best_t2v_R@1")

    def to_json(self) -> dict[str, Any]:
        """Return the keys of report.json."""
        found = super().to_json()
        if "best_t2v" in found:
            found["best_t2v_R@1"] = found.pop("best_t2v")
        return found


class MaskCoverage(JsonRecord):
    """The masks of the scored frames: mean coverage, shares of empty and of full ones, in [0, 1]."""

    mean_coverage: float = 0.0
    empty_share: float = 0.0
    full_share: float = 0.0


class PreprocessFacts(JsonRecord):
    """How frames were made into the tower's input, as `fdakit.plugin.Preprocess`."""

    size: int
    mean: Annotated[Sequence[float], AfterValidator(tuple)]
    std: Annotated[Sequence[float], AfterValidator(tuple)]
    interpolation: str
    resize: str
    source: str


class Provenance(JsonRecord):
    """What made the numbers: version, seed, parts with their providers, the step of the weights and their hash."""

    fdakit: str | None = None
    seed: int | None = None
    parts: Texts = ()
    epoch: Count | None = None
    step: Count | None = None
    weights_sha256: str = ""
    preprocess: PreprocessFacts | None = None


class Report(JsonRecord):
    """The report of one evaluation. `metrics` are those of plugins, by name."""

    name: str
    protocol: EvaluationProtocol
    t2v: Metrics
    v2t: Metrics
    metrics: Mapping[str, BothMetrics] = {}
    ci95: BothIntervals = BothIntervals()
    ties: BothCounts = BothCounts()
    pool: BothCounts
    controls: Mapping[str, BothMetrics] = {}
    rescored: Mapping[str, RescoredMetrics] = {}
    videos: VideoCounts = VideoCounts()
    captions: CaptionCounts = CaptionCounts()
    masks: MaskCoverage = MaskCoverage()
    finding: str = ""
    stopped_early: str = ""
    random_weights: bool = False
    provenance: Provenance = Provenance()

    @classmethod
    def from_json(cls, found: object) -> Self:
        """Return the report of a document. Raises `ValueError` with the key that does not fit, on one line."""
        try:
            return super().from_json(found)
        except ValueError as error:
            raise ValueError(f"not the report of a run of this fdakit: {error}") from error

    def lacking(self) -> str:
        """Return the first key that tables show and this report lacks; "" for a whole report."""
        return next(self._lacking(), "")

    def _lacking(self) -> Iterator[str]:
        for place, record, keys in (
            ("", self, ("ci95", "ties", "controls", "rescored", "videos", "captions", "masks")),
            ("protocol.", self.protocol, ("mask", "mask_control", "checkpoint_chosen_by")),
            ("videos.", self.videos, ("counted", "missing", "damaged")),
            ("captions.", self.captions, ("counted", "cut")),
            ("masks.", self.masks, ("mean_coverage", "empty_share", "full_share")),
        ):
            yield from (f"{place}{key}" for key in keys if not record.states(key))
        both: list[_Directions[Metrics]] = [self, *self.controls.values(), *self.rescored.values()]
        rows = [row for one in both for row in (one.t2v, one.v2t) if row]
        yield from (name for row in rows for name in COLUMNS if name not in row)
