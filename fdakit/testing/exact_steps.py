"""The law of the exact step: gradients of a training step do not depend on the number of processes or chunks."""

from __future__ import annotations

from typing import Any

from .building import Part, build_kind, build_objective
from .examples import SHAPES


def check_exact_step(
    *,
    objective: Part | None = None,
    aggregator: Part | None = None,
    matcher: Part | None = None,
    encoder: Any = None,
    tolerance: float = 1e-4,
    **options: Any,
) -> None:
    """Check that a step with an objective, aggregator or matcher is that of one process on several, and in chunks.

    Threads act as processes, two and three of them, with small towers in between. The gradient of a weight may differ
    by `tolerance` of its largest, or of a tenth of the largest of all weights. What fails it: an objective over pairs
    in which pairs meet, or whose `count` is not what its mean is over; a part that looks at pixels of the whole
    batch, or keeps something between calls. Dropout is switched off, as its draws follow the chunks. `options` are
    those of the part. `encoder`, if given, is what the objective starts from, as for `check_objective`.
    """
    from .step_trial import step_gradients

    given = {"objective": objective, "aggregator": aggregator, "matcher": matcher}
    parts = [(kind, part) for kind, part in given.items() if part is not None]
    assert len(parts) == 1, "give one part: an objective, an aggregator or a matcher"
    ((kind, component),) = parts

    def build() -> Any:
        if kind == "objective":
            return build_objective(component, encoder, **options)
        return build_kind(kind, component, SHAPES, **options)

    wanted = step_gradients(kind, build, ranks=1, micro_batch=None)
    peak = max(float(grad.abs().max()) for name, grad in wanted.items() if name != "loss")
    for ranks, micro_batch in ((1, 2), (2, None), (2, 2), (3, 1)):
        found = step_gradients(kind, build, ranks=ranks, micro_batch=micro_batch)
        where = f"{ranks} processes, {micro_batch or 'no'} pairs a chunk" if micro_batch else f"{ranks} processes"
        assert found.keys() == wanted.keys(), f"with {where} other weights have a gradient"
        for name, grad in wanted.items():
            error = float((found[name] - grad).abs().max())
            most = tolerance * max(float(grad.abs().max()), 0.1 * peak)
            assert error <= most, f"with {where} the {_of(name)} differs by {error:.1e} from that of one process"


def _of(name: str) -> str:
    return "loss" if name == "loss" else f"gradient of {name}"
