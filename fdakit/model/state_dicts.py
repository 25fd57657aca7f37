"""The state dict in the content of a weights file, and the prefixes that training adds to a model's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from .pickled_names import shown

WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which training scripts store the model's state dict, next to other content."""
LONGEST_NAME = 500
"""Characters of a tensor's name."""
_DEEPEST = 6
_WRAPPING = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_SHOWN = 8

State = dict[str, Any]
Group = tuple[tuple[str, ...], State]
Value = TypeVar("Value")


class StateDictError(ValueError):
    """A file with no state dict, or several."""


def find_state(content: Any, kind: type) -> State:
    """Return the one state dict of `kind` nested in `content`; optimiser states are skipped.

    Raises `StateDictError` with the keys found if there is none, or more than one.
    """
    groups = list(_groups(content, (), kind, set()))
    chosen = groups if len(groups) == 1 else _models_own(groups)
    if chosen:
        return chosen[0][1]
    if groups:
        names = ", ".join(".".join(path)[:80] or "its top level" for path, _ in groups[:_SHOWN])
        raise StateDictError(f"holds {len(groups)} sets of weights ({names}); save the intended one by itself")
    if isinstance(content, kind):
        raise StateDictError("holds one tensor without a name; give a state dict")
    keys = ", ".join(shown(key)[:40] for key in list(content)[:_SHOWN]) if isinstance(content, Mapping) else "none"
    if any(True for _ in find_values(content, kind)):
        raise StateDictError(
            f"holds tensors, but no dictionary of them by name within {_DEEPEST} levels (keys: {keys}); save a state "
            "dict by itself"
        )
    raise StateDictError(f"holds no tensors (keys: {keys}); give a state dict")


def find_values(content: Any, kind: type[Value]) -> Iterator[Value]:
    """Yield every value of a kind in containers, however deep; each container is visited once."""
    seen: set[int] = set()
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, kind):
            yield one
        elif isinstance(one, Mapping | list | tuple) and id(one) not in seen:
            seen.add(id(one))
            waiting.extend(one.values() if isinstance(one, Mapping) else one)


def _models_own(groups: list[Group]) -> list[Group]:
    """Return the set under a usual key, if no other is a copy of it, such as an average of the weights."""
    usual = [group for group in groups if set(group[0]) & set(WRAPPERS)]
    if len(usual) != 1:
        return []
    names = {unwrapped(name) for name in usual[0][1]}
    others = (group for group in groups if group is not usual[0])
    return usual if all(names.isdisjoint(map(unwrapped, state)) for _, state in others) else []


def _groups(content: Any, path: tuple[str, ...], kind: type, seen: set[int]) -> Iterator[Group]:
    """Yield every state dict in `content`, once. Next to one under a usual key there are counters and metrics."""
    if not isinstance(content, Mapping) or len(path) >= _DEEPEST or id(content) in seen:
        return
    seen.add(id(content))
    if "state" in content and "param_groups" in content:  # an optimiser's
        return
    own = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, kind)}
    if any(len(name) > LONGEST_NAME for name in own):
        raise StateDictError(f"names a tensor with more than {LONGEST_NAME} characters; fetch it again")
    inner: list[Group] = []
    for key, value in content.items():
        if isinstance(key, str) and "optim" not in key[:80].lower():
            inner.extend(_groups(value, (*path, key), kind, seen))
    if own and not any(inside[len(path)] in WRAPPERS for inside, _ in inner):
        yield path, own
    yield from inner


def unwrapped(name: str) -> str:
    """Return a tensor's name without the prefixes that `torch.compile` and distributed training add."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPING)


def unwrap_names(state: Mapping[str, Any]) -> State:
    """Return a state dict under its unwrapped names; unchanged if two names would become one."""
    named = {unwrapped(name): value for name, value in state.items()}
    return named if len(named) == len(state) else dict(state)
