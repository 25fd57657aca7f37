"""A reader of weights files' pickles that runs none of their code.

`read_pickle` interprets the opcodes itself. Callables and classes are only ever names: those of a state dict
(tensors, storages, containers) are replaced by values of `pickled_names`, classes of a TorchScript archive by
`OpaqueModule`, and any other name ends the reading. Opcodes: Lib/pickletools.py of CPython.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any, cast

from .pickled_names import (
    Budget,
    CodeFoundError,
    DamagedFileError,
    OpaqueModule,
    TensorClaim,
    known,
    made,
    put,
    storage_claim,
)

LARGEST_PICKLE = 64 << 20
"""Bytes of one pickle. That of a model of 2,000 million weights with its optimiser takes about 2 MB."""
MOST_OPERATIONS = 2_000_000
"""Opcodes of one pickle. A tensor takes some 45."""
_LARGEST_NUMBER = 256  # bytes of one integer; random states of NumPy and Python consist of small ones


def read_pickle(stream: IO[bytes], *, budget: Budget | None = None) -> Any:
    """Return the content of a pickle of plain values, containers, tensors and TorchScript modules.

    Reads up to its end. Sets become lists. `budget` counts the work of the file's other pickles. Raises
    `CodeFoundError` for any other name, `DamagedFileError` for all other faults.
    """
    machine = _Machine(budget or Budget())
    bounded = cast(IO[bytes], _Bounded(stream))
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(bounded)):
            if count > MOST_OPERATIONS:
                raise DamagedFileError(f"its pickle has more than {MOST_OPERATIONS:,} operations")
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except (DamagedFileError, CodeFoundError):
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedFileError(f"its pickle is damaged: {error}") from error
    raise DamagedFileError("its pickle has no end")


class _Bounded:
    """A stream of at most `LARGEST_PICKLE` bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = LARGEST_PICKLE

    def read(self, count: int) -> bytes:
        return self._counted(self._stream.read(min(count, self._left + 1)))

    def readline(self) -> bytes:
        return self._counted(self._stream.readline(self._left + 1))

    def _counted(self, content: bytes) -> bytes:
        self._left -= len(content)
        if self._left < 0:
            raise DamagedFileError(f"its pickle is larger than {LARGEST_PICKLE >> 20} MiB")
        return content


class _Machine:
    """A stack with marks, and the memo. Opcodes that are not listed here do not occur in weights files."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(_small(argument))
        elif name in _PLAIN:
            self._stack.append(_PLAIN[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise DamagedFileError(f"its pickle uses {name}, which no weights file does")

    def pop(self) -> Any:
        if not self._stack or (self._marks and self._marks[-1] >= len(self._stack)):
            raise DamagedFileError("its pickle pops more than it has pushed")
        return self._stack.pop()

    def _top(self) -> Any:
        self._stack.append(value := self.pop())
        return value

    def _marked(self) -> list[Any]:
        if not self._marks:
            raise DamagedFileError("its pickle pops more than it has pushed")
        place = self._marks.pop()
        found = self._stack[place:]
        self._budget.spend(len(found))
        del self._stack[place:]
        return found

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _drop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self.pop()

    def _drop_marked(self, _: Any) -> None:
        self._marked()

    def _double(self, _: Any) -> None:
        self._stack.append(self._top())

    def _tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def _short_tuple(self, length: int) -> None:
        self._budget.spend(length)
        found = [self.pop() for _ in range(length)]
        self._stack.append(tuple(reversed(found)))

    def _list(self, _: Any) -> None:
        self._stack.append(self._marked())

    def _dict(self, _: Any) -> None:
        pairs = self._marked()
        self._stack.append(put({}, pairs, budget=self._budget))

    def _append(self, _: Any) -> None:
        value = self.pop()
        self._list_at_top().append(value)

    def _extend(self, _: Any) -> None:
        values = self._marked()
        self._list_at_top().extend(values)

    def _list_at_top(self) -> list[Any]:
        top = self._top()
        if not isinstance(top, list):
            raise DamagedFileError(f"its pickle appends to a {type(top).__name__}")
        return top

    def _set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        put(self._top(), [key, value], budget=self._budget)

    def _set_items(self, _: Any) -> None:
        pairs = self._marked()
        put(self._top(), pairs, budget=self._budget)

    def _memoise(self, place: int | None) -> None:
        self._memo[len(self._memo) if place is None else int(place)] = self._top()

    def _recall(self, place: int) -> None:
        if int(place) not in self._memo:
            raise DamagedFileError(f"its pickle recalls {place}, which was never kept")
        self._stack.append(self._memo[int(place)])

    def _name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(known(module, name))

    def _name_from_stack(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise DamagedFileError("its pickle names something that is no text")
        self._stack.append(known(module, name))

    def _persistent(self, _: Any) -> None:
        self._stack.append(storage_claim(self.pop()))

    def _call(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        self._stack.append(made(called, arguments, budget=self._budget))

    def _build(self, _: Any) -> None:
        """Set the state of the object below.

        It is stored for a module, ignored for a dictionary (`_metadata`) or a tensor.
        """
        state, below = self.pop(), self._top()
        if isinstance(below, OpaqueModule):
            below.attributes = state
        elif not isinstance(below, dict | TensorClaim):
            raise DamagedFileError(f"its pickle gives a state to a {type(below).__name__}")


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_PLAIN: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._drop,
    "POP_MARK": _Machine._drop_marked,
    "DUP": _Machine._double,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._short_tuple(1),
    "TUPLE2": lambda machine, _: machine._short_tuple(2),
    "TUPLE3": lambda machine, _: machine._short_tuple(3),
    "LIST": _Machine._list,
    "FROZENSET": _Machine._list,
    "DICT": _Machine._dict,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._extend,
    "ADDITEMS": _Machine._extend,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine._memoise),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine._recall),
    "GLOBAL": _Machine._name,
    "STACK_GLOBAL": _Machine._name_from_stack,
    "BINPERSID": _Machine._persistent,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "BUILD": _Machine._build,
}


def _small(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > 8 * _LARGEST_NUMBER:
        raise DamagedFileError("its pickle holds a number that no weights file holds")
    return value
