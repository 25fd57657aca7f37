"""The laws of each contract, for plugin authors: call one in a test of yours, it raises `AssertionError`.

from fdakit.testing import check_mask
check_mask(MY_MASK, threshold=12)
"""

from .batching import check_batcher, example_pairs
from .building import Part, build_part, example_clip
from .encoders import check_encoder
from .exact_steps import check_exact_step
from .masks import check_mask
from .matching import check_matcher
from .reading import check_dataset, check_reader, check_sampler
from .stored_vectors import ExampleVectors, example_queries, example_vectors
from .towers import ExampleStem, check_fusion
from .training import check_optimiser
from .vector_stores import check_vector_store
from .vectors import check_aggregator, check_metric, check_objective, check_rescorer
from .videos import example_video
from .watching import check_observer

__all__ = [
    "ExampleStem",
    "ExampleVectors",
    "Part",
    "build_part",
    "check_aggregator",
    "check_batcher",
    "check_dataset",
    "check_encoder",
    "check_exact_step",
    "check_fusion",
    "check_mask",
    "check_matcher",
    "check_metric",
    "check_objective",
    "check_observer",
    "check_optimiser",
    "check_reader",
    "check_rescorer",
    "check_sampler",
    "check_vector_store",
    "example_clip",
    "example_pairs",
    "example_queries",
    "example_vectors",
    "example_video",
]
