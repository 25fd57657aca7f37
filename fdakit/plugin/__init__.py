"""What plugin authors import: components, contracts, values, errors, keyed random numbers. Nothing imports torch."""

from typing import TYPE_CHECKING

from fdakit.choices import (
    Role as Role,
    TieRule as TieRule,
)
from fdakit.errors import (
    CheckpointError as CheckpointError,
    DatasetError as DatasetError,
    FdakitError as FdakitError,
    PluginError as PluginError,
    RecipeError as RecipeError,
    ScoreError as ScoreError,
    VideoError as VideoError,
)
from fdakit.features import (
    ClipBatch as ClipBatch,
    FeatureKind as FeatureKind,
    Fused as Fused,
    FusionOutput as FusionOutput,
    PairFeatures as PairFeatures,
    PixelForm as PixelForm,
    TextFeatures as TextFeatures,
    VideoFeatures as VideoFeatures,
)
from fdakit.frame_placement import (
    FramePlacement as FramePlacement,
)
from fdakit.query_ranks import (
    Ranking as Ranking,
)
from fdakit.random_keys import (
    keyed_rng as keyed_rng,
    keyed_seed as keyed_seed,
)
from fdakit.system.atomic_files import (
    atomic_file as atomic_file,
    write_errors as write_errors,
    write_text as write_text,
)
from fdakit.system.regular_files import (
    read_bytes as read_bytes,
    read_text as read_text,
)
from fdakit.system.terminal import (
    ProgressBar as ProgressBar,
)
from fdakit.system.terminal_text import (
    printable as printable,
)
from fdakit.values import (
    Batch as Batch,
    Caption as Caption,
    Clip as Clip,
    Needs as Needs,
    Place as Place,
    PublishedCounts as PublishedCounts,
    Scores as Scores,
    SourceFile as SourceFile,
    Split as Split,
    VideoRef as VideoRef,
)

from .abilities import (
    ActsAfterStep as ActsAfterStep,
    ChecksPairs as ChecksPairs,
    Closes as Closes,
    GivesExtra as GivesExtra,
    HadOtherPreprocess as HadOtherPreprocess,
    HasAlphaWeights as HasAlphaWeights,
    HasLogitScale as HasLogitScale,
    HasScale as HasScale,
    HasTextBlocks as HasTextBlocks,
    HasTokenizer as HasTokenizer,
    InnerProduct as InnerProduct,
    ListsSources as ListsSources,
    NamesBlocks as NamesBlocks,
    NamesIndistinctWords as NamesIndistinctWords,
    NamesRoles as NamesRoles,
    ObservesSomeSteps as ObservesSomeSteps,
    ObservesSteps as ObservesSteps,
    OverPairs as OverPairs,
    RecomputesActivations as RecomputesActivations,
    RemarksOnScores as RemarksOnScores,
    StartsFromEncoder as StartsFromEncoder,
    StatesChance as StatesChance,
    StatesPretrained as StatesPretrained,
    SwitchesWeights as SwitchesWeights,
    TextRoles as TextRoles,
    TokenisesApart as TokenisesApart,
)
from .batching import (
    Batcher as Batcher,
    TrainingPairs as TrainingPairs,
)
from .clip_abilities import (
    FusesClips as FusesClips,
    ReadsFiles as ReadsFiles,
    RemarksOnFrames as RemarksOnFrames,
)
from .component import (
    AtMost as AtMost,
    BuildContext as BuildContext,
    Component as Component,
    IdleIf as IdleIf,
    MayBePath as MayBePath,
    Options as Options,
    StemConvolution as StemConvolution,
    WorksIf as WorksIf,
)
from .contracts import (
    AlphaFusion as AlphaFusion,
    Dataset as Dataset,
    DeviceMaskGenerator as DeviceMaskGenerator,
    Direction as Direction,
    Encoder as Encoder,
    FrameSampler as FrameSampler,
    Fuse as Fuse,
    Gives as Gives,
    MaskGenerator as MaskGenerator,
    Matcher as Matcher,
    Metric as Metric,
    Objective as Objective,
    OptimiserFactory as OptimiserFactory,
    Preprocess as Preprocess,
    Progress as Progress,
    Reader as Reader,
    Rescorer as Rescorer,
    Stem as Stem,
    Stores as Stores,
    TemporalAggregator as TemporalAggregator,
    TextRole as TextRole,
)
from .hookspecs import (
    hookimpl as hookimpl,
)
from .observers import (
    MaskedExample as MaskedExample,
    Observer as Observer,
    RunInfo as RunInfo,
    StepInfo as StepInfo,
)
from .row_scores import (
    best_rows as best_rows,
    inner_products as inner_products,
    rounding as rounding,
)
from .vector_stores import (
    Found as Found,
    RemarksOnSync as RemarksOnSync,
    StoreContext as StoreContext,
    StoredVectors as StoredVectors,
    TunesItself as TunesItself,
    VectorStore as VectorStore,
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from fdakit.moved_names import refuse_renamed

        refuse_renamed(name)
        raise AttributeError(f"module 'fdakit.plugin' has no attribute {name!r}")
