"""Laws of optimisers."""

from __future__ import annotations

import io
from typing import Any

from fdakit.plugin.component import BuildContext

from .building import Part, build_kind

_MEMBERS = ("param_groups", "zero_grad", "step", "state_dict", "load_state_dict")
_RATES = (1e-2, 1e-3)


def check_optimiser(component: Part, **options: Any) -> None:
    """Check that it steps at each group's present rate, decays only where it may, and continues from its state.

    A weight without a gradient stays as it is, bit for bit, and so do all at a rate of 0; a state that is saved and
    loaded gives the same next steps, bit for bit.
    """
    make = build_kind("optimiser", component, BuildContext(), **options)
    _check_groups(make)
    _check_rates(make)
    _check_decay(make)
    _check_state(make)


def _example_groups(seed: int = 0) -> list[dict[str, Any]]:
    """Return two groups as a training makes them: matrices that decay, vectors that do not."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shapes = (((4, 3), (3, 4)), ((4,), (3,)))
    made = [[torch.randn(shape, generator=generator).requires_grad_() for shape in group] for group in shapes]
    named = zip(("towers", "towers, no decay"), made, _RATES, (True, False), strict=True)
    return [{"name": name, "params": weights, "lr": rate, "decays": decays} for name, weights, rate, decays in named]


def _weights(groups: list[dict[str, Any]]) -> list[Any]:
    return [weight for group in groups for weight in group["params"]]


def _steps(optimiser: Any, groups: list[dict[str, Any]], seeds: range, *, size: float = 1.0) -> list[Any]:
    """Step once a seed with gradients drawn from it; the last weight never has one. Return copies of the weights."""
    import torch

    *moved, _ = _weights(groups)
    for seed in seeds:
        optimiser.zero_grad(set_to_none=True)
        for weight in moved:
            assert weight.grad is None or not bool(weight.grad.any()), "zero_grad() leaves gradients"
        generator = torch.Generator().manual_seed(seed)
        for weight in moved:
            weight.grad = size * torch.randn(weight.shape, generator=generator)
        optimiser.step()
    return [weight.detach().clone() for weight in _weights(groups)]


def _check_groups(make: Any) -> None:
    import torch

    groups = _example_groups()
    optimiser = make(groups)
    lacking = [name for name in _MEMBERS if not hasattr(optimiser, name)]
    assert not lacking, f"the factory gave {optimiser!r}, without {', '.join(lacking)}"
    rates = {id(weight): group["lr"] for group in optimiser.param_groups for weight in group["params"]}
    wanted = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    assert set(rates) == set(wanted), f"param_groups hold {len(rates)} weights; wanted the {len(wanted)} given"
    assert rates == wanted, f"rates are {sorted(set(rates.values()))}; wanted those of the groups, {sorted(_RATES)}"
    before = [weight.detach().clone() for weight in _weights(groups)]
    *after, still = _steps(optimiser, groups, range(3))
    assert all(bool(weight.isfinite().all()) for weight in after), "weights are not finite after three steps"
    assert not any(map(torch.equal, before, after)), "a weight with a gradient has not moved in three steps"
    assert torch.equal(before[-1], still), "a weight without a gradient moved"


def _check_rates(make: Any) -> None:
    import torch

    for resting in (0, 1):
        groups = _example_groups()
        optimiser = make(groups)
        silent = {id(weight) for weight in groups[resting]["params"]}
        for group in optimiser.param_groups:  # as a schedule does between two steps
            group["lr"] *= not silent & {id(weight) for weight in group["params"]}
        before = [weight.detach().clone() for weight in _weights(groups)]
        after = _steps(optimiser, groups, range(3))
        for weight, old, new in zip(_weights(groups)[:-1], before, after, strict=False):
            rests = id(weight) in silent
            assert torch.equal(old, new) == rests, f"a weight {'moved at' if rests else 'rests beside'} a rate of 0"


def _check_decay(make: Any) -> None:
    import torch

    groups = _example_groups()
    before = groups[1]["params"][0].detach().clone()
    after = _steps(make(groups), groups, range(3), size=0.0)[2]
    assert torch.equal(before, after), "a weight whose group says decays = False shrinks without a gradient"


def _check_state(make: Any) -> None:
    import torch

    groups, file = _example_groups(), io.BytesIO()
    optimiser = make(groups)
    copies = _steps(optimiser, groups, range(3))
    torch.save(optimiser.state_dict(), file)
    wanted = _steps(optimiser, groups, range(3, 6))
    resumed, place = _example_groups(seed=1), iter(copies)
    for weight in _weights(resumed):
        weight.data.copy_(next(place))
    file.seek(0)
    state = _loaded(file)
    fresh = make(resumed)
    fresh.load_state_dict(state)
    given = _steps(fresh, resumed, range(3, 6))
    assert all(map(torch.equal, wanted, given)), "a saved and loaded state gives other next steps"


def _loaded(file: io.BytesIO) -> Any:
    """Return a state as checkpoints are read: tensors and plain values only."""
    import pickle

    import torch

    try:
        return torch.load(file, weights_only=True)
    except pickle.UnpicklingError as error:
        raise AssertionError(f"state_dict() holds more than tensors and plain values: {error}") from error
