"""What parts may offer beside their contract: one small Protocol each, asked for by `isinstance`.

`isinstance` sees methods, properties and plain attributes; from Python 3.12 on it overlooks an attribute that is a
parameter, a buffer or a submodule of an `nn.Module`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from fdakit.choices import Role
from fdakit.features import TextFeatures
from fdakit.values import Batch, Scores, SourceFile

from .batching import TrainingPairs
from .contracts import Dataset, Encoder, Preprocess, TextRole
from .observers import StepInfo

if TYPE_CHECKING:
    import torch


@runtime_checkable
class InnerProduct(Protocol):
    """A matcher whose score is an inner product, so that an index can search its vectors."""

    def product_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors `(n, d)` whose inner products are the scores, of `(n, d)` of texts or of videos."""
        ...


@runtime_checkable
class TextRoles(Protocol):
    """An encoder whose texts differ by role; `instructions` are what it puts before them, for the report.

    Evaluation encodes captions as queries from text to video, and as documents from video to text.
    """

    asymmetric: bool
    instructions: Mapping[TextRole, str]


@runtime_checkable
class ObservesSteps(Protocol):
    """An observer that is told of every step; `True` asks the run to stop after it, as Ctrl-C does."""

    def step_finished(self, step: StepInfo) -> bool | None:
        """Return True to stop the training; its state is saved, and it can be resumed."""
        ...


@runtime_checkable
class ObservesSomeSteps(ObservesSteps, Protocol):
    """An observer of steps that is told of one in `step_seconds`, so that a GPU is waited for then only."""

    step_seconds: float


@runtime_checkable
class HasScale(Protocol):
    """An objective that multiplies scores by a factor, learned or not; observers of steps are told of it."""

    @property
    def scale(self) -> torch.Tensor | float:
        """Return the factor, not its logarithm."""
        ...


@runtime_checkable
class OverPairs(Protocol):
    """An objective that is a mean over pairs, so that every process takes its own; the default is the batch.

    It is called with some pairs of a batch at a time: no pair may look at another.
    """

    over: Literal["pairs", "batch"]

    def count(self, texts: TextFeatures, batch: Batch) -> torch.Tensor | float:
        """Return how many things the mean is over: pairs, or tokens."""
        ...


@runtime_checkable
class ChecksPairs(Protocol):
    """A batcher or objective that needs something of every training pair, such as a line in a file of its own."""

    def check_pairs(self, pairs: TrainingPairs) -> None:
        """Raise a `FdakitError` if any of the pairs lacks it; called once with all, before anything is trained."""
        ...


@runtime_checkable
class GivesExtra(Protocol):
    """A batcher or objective that knows more of each pair than its clip and caption, such as a teacher's scores.

    Every objective finds it in `Batch.extra`.
    """

    def extra(self, pairs: TrainingPairs) -> Mapping[str, torch.Tensor | NDArray[Any] | Sequence[Any]]:
        """Return values by name, a row a pair in the order of `pairs`: those that are left of a batch.

        The row of a pair depends on that pair alone. Two equal captions of one video count as one pair.
        """
        ...


@runtime_checkable
class StartsFromEncoder(Protocol):
    """A fusion, aggregator, matcher or objective that takes its first weights from the encoder's."""

    def start_from(self, encoder: Encoder) -> object:
        """Initialise weights: called once, after the encoder has loaded its own, and not if a checkpoint follows."""
        ...


@runtime_checkable
class ActsAfterStep(Protocol):
    """An objective that corrects its weights after each step of the optimiser, as by clamping a scale."""

    def after_step(self) -> None:
        """Correct the weights, under `torch.no_grad()`."""
        ...


@runtime_checkable
class StatesChance(Protocol):
    """An objective that knows its loss at chance: a training whose loss stays there is warned about."""

    def chance_loss(self, batch_size: int) -> float:
        """Return the sum of its losses if nothing tells the pairs of a batch apart."""
        ...


@runtime_checkable
class RemarksOnScores(Protocol):
    """A rescorer that has something to say of the scores that it is given; optional."""

    def remarks(self, scores: Scores) -> Iterable[str]:
        """Return what must be read beside the rescored numbers, a sentence each."""
        ...


@runtime_checkable
class ListsSources(Dataset, Protocol):
    """A data set that lists its files; `fdakit data prepare` lays them out below `root`, or says how to get them."""

    root: Path

    def sources(self) -> Sequence[SourceFile]:
        """Return one for each file or folder that it is read from."""
        ...


@runtime_checkable
class SwitchesWeights(Protocol):
    """An optimiser whose evaluated weights are not those that train, as a schedule-free one.

    `train()` is called before the first step, `eval()` before weights are validated or saved, in turn.
    """

    def train(self) -> None:
        """Put the weights that train in place."""
        ...

    def eval(self) -> None:
        """Put the weights that are evaluated in place."""
        ...


@runtime_checkable
class NamesRoles(Protocol):
    """An encoder that says what each of its weights is in training; without it all are the visual trunk's."""

    def parameter_role(self, name: str) -> Role:
        """Return the role of the parameter, by its name within the encoder."""
        ...


@runtime_checkable
class StatesPretrained(Protocol):
    """An encoder that says whether its weights were loaded; without it they are taken for loaded."""

    pretrained: bool


@runtime_checkable
class NamesIndistinctWords(Protocol):
    """An encoder whose vocabulary is small; a run warns of the words that it cannot tell apart."""

    def shared_words(self, texts: Sequence[str]) -> Sequence[Sequence[str]]:
        """Return groups of different words in the texts that the encoder maps to one token."""
        ...


@runtime_checkable
class TokenisesApart(Protocol):
    """An encoder whose texts can be tokenised away from it: in training, loader workers do.

    `encode_tokens(tokens, role)` gives what `encode_texts(texts, role)` gives, if `tokens` are what
    `text_tokeniser(role)(texts)` returns, as tensors.
    """

    def text_tokeniser(self, role: TextRole = "query") -> Callable[[Sequence[str]], Mapping[str, NDArray[Any]]]:
        """Return a function from texts to arrays by name, a row a text, of one shape whatever the other texts are.

        It is pickled for workers, and holds no weights. One that cannot be is not used.
        """
        ...

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor], role: TextRole = "query") -> TextFeatures:
        """Return the features of texts by their tokens, which are on the CPU."""
        ...


@runtime_checkable
class RecomputesActivations(Protocol):
    """An encoder that can compute its activations again in the backward pass instead of keeping them.

    For `train.grad_checkpointing`; as `set_grad_checkpointing` of timm's and open_clip's models.
    """

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Switch it on or off; random draws must be the same the second time. Raises `PluginError` if it cannot."""
        ...


@runtime_checkable
class NamesBlocks(Protocol):
    """An encoder of repeated blocks, which `train.compile = "blocks"` compiles one by one."""

    def blocks(self) -> Sequence[torch.nn.Module]:
        """Return the blocks, each called as a module with tensors whose first size varies."""
        ...


@runtime_checkable
class HasTextBlocks(Protocol):
    """An encoder whose text tower is a transformer, so that other parts can start from its layers."""

    def text_blocks(self) -> Sequence[torch.nn.Module]:
        """Return the blocks from the bottom; empty if the tower's code is not known."""
        ...

    def text_positions(self) -> torch.Tensor | None:
        """Return the position embedding `(l, w)`, of the width of the blocks; None if the tower has none."""
        ...


@runtime_checkable
class HadOtherPreprocess(Protocol):
    """An encoder whose preprocessing was another in an older version, with which its checkpoints were trained."""

    former_preprocess: Preprocess | None


@runtime_checkable
class HasLogitScale(Protocol):
    """An encoder that was trained with a scale on its cosines; a property, so that the parameter stays its own."""

    @property
    def logit_scale(self) -> float:
        """Return the natural logarithm of the factor."""
        ...


@runtime_checkable
class HasAlphaWeights(Protocol):
    """An encoder whose checkpoint had an alpha path, as Alpha-CLIP's: one weight a convolution of the stem."""

    alpha_weights: Sequence[torch.Tensor]


@runtime_checkable
class HasTokenizer(Protocol):
    """An encoder that offers its tokenizer to users of open_clip's face, for `create_model_and_transforms`."""

    tokenizer: Any


@runtime_checkable
class Closes(Protocol):
    """An observer that is told when the run is over: finished, failed or interrupted."""

    def close(self) -> None:
        """Release what it holds."""
        ...
