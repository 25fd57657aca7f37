"""A reader of pickles of plain values that knows nothing else: no imports, no calls, no objects.

The interpreter's own unpickler, even with imports forbidden, allocates gigabytes for a few bytes that name a far memo
cell and crashes on a dictionary key nested a million levels deep. This one allocates no more than a small multiple of
the file. Opcodes: the module `pickletools` of the standard library.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

_MARK = object()
_LARGEST_KEY = 1 << 60  # larger integers share hashes with smaller ones, and equal hashes make a dictionary slow


class PlainPickleError(ValueError):
    """The bytes are not a pickle of plain values."""


def read_plain_pickle(data: bytes) -> Any:
    """Return the strings, numbers, lists, tuples and dictionaries of a pickle of any protocol.

    Strings of Python 2 are read as UTF-8. Raises `PlainPickleError` for everything else, also if a dictionary has
    keys other than strings or numbers.
    """
    machine = _Machine(data)
    try:
        return machine.run()
    except PlainPickleError:
        raise
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, struct.error) as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, KeyError | IndexError) else str(error)
        raise PlainPickleError(f"damaged near byte {machine.place:,} ({said[:80]})") from error


class _Machine:
    """A stack of values with marks, and a memo, on which a pickle's opcodes operate."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        data, memo, stack, steps, end = self.data, self.memo, self.stack, _STEPS, len(self.data)
        while self.place < end:
            code = data[self.place]
            self.place += 1
            # Memo opcodes dominate a file of words; a step for each would take three times as long.
            if code == _BINGET:
                stack.append(memo[data[self.place]])
                self.place += 1
            elif code == _LONG_BINGET:
                stack.append(memo[int.from_bytes(data[self.place : self.place + 4], "little")])
                self.place += 4
            elif code == _BINPUT:
                memo[data[self.place]] = stack[-1]
                self.place += 1
            elif code == _LONG_BINPUT:
                memo[int.from_bytes(data[self.place : self.place + 4], "little")] = stack[-1]
                self.place += 4
            elif code == _MEMOIZE:
                memo[len(memo)] = stack[-1]
            elif code == _STOP:
                return stack.pop()
            elif code in steps:
                steps[code](self)
            else:
                raise self._refused(code)
        raise PlainPickleError(f"ends after {end:,} bytes, before its end mark")

    def _refused(self, code: int) -> PlainPickleError:
        name = _CALLS.get(code)
        if name is None:
            return PlainPickleError(f"byte {self.place - 1:,} begins nothing that plain values are made of")
        if name == "an import":
            named = self.stack[-2:] if code == 0x93 else [self.line(), self.line()]
            # Any other value may contain itself many times, and its text be endless.
            name = ".".join(part[:60] if isinstance(part, str) else type(part).__name__ for part in named)
        return PlainPickleError(f"it asks to run {name}, and fdakit runs no code from files")

    def take(self, count: int) -> bytes:
        """Return the next bytes of the file."""
        end = self.place + count
        if count < 0 or end > len(self.data):
            raise PlainPickleError(f"asks for {count:,} bytes at byte {self.place:,} of {len(self.data):,}")
        found = self.data[self.place : end]
        self.place = end
        return found

    def number(self, kind: struct.Struct) -> Any:
        """Return the next number."""
        return kind.unpack(self.take(kind.size))[0]

    def line(self) -> str:
        """Return the text up to the end of the line."""
        end = self.data.index(b"\n", self.place)
        found = self.data[self.place : end].decode("latin-1")
        self.place = end + 1
        return found

    def since_mark(self) -> list[Any]:
        """Pop everything above the last mark, and the mark, from the stack."""
        stack = self.stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PlainPickleError("lacks a mark")
        found = stack[place + 1 :]
        del stack[place:]
        return found


_BYTE, _SHORT, _INT, _UINT, _LONG, _FLOAT = map(struct.Struct, ("<B", "<H", "<i", "<I", "<Q", ">d"))
_STOP, _MEMOIZE = ord("."), 0x94
_BINPUT, _LONG_BINPUT, _BINGET, _LONG_BINGET = b"qrhj"
_CALLS = {
    **dict.fromkeys((ord("c"), 0x93, ord("i")), "an import"),
    **dict.fromkeys((ord("R"), ord("b"), ord("o"), 0x81, 0x92, 0x82, 0x83, 0x84), "a call"),
    **dict.fromkeys((ord("P"), ord("Q"), 0x97, 0x98), "a call"),
}


def _text(machine: _Machine, size: struct.Struct) -> None:
    machine.stack.append(machine.take(machine.number(size)).decode("utf-8", "surrogatepass"))


def _bytes(machine: _Machine, size: struct.Struct) -> None:
    machine.stack.append(machine.take(machine.number(size)))


def _number(machine: _Machine, kind: struct.Struct) -> None:
    machine.stack.append(machine.number(kind))


def _long(machine: _Machine, size: struct.Struct) -> None:
    machine.stack.append(int.from_bytes(machine.take(machine.number(size)), "little", signed=True))


def _line(machine: _Machine, read: Callable[[str], Any]) -> None:
    machine.stack.append(read(machine.line()))


def _quoted(text: str) -> str:
    """Return the value of a string as Python 2 wrote it, in quotes and with escapes."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        raise PlainPickleError("a string lacks its quotes")
    found: tuple[bytes, int] = codecs.escape_decode(text[1:-1].encode("latin-1"))
    return found[0].decode("utf-8")


def _constant(machine: _Machine, value: Any) -> None:
    machine.stack.append(value)


def _tuple(machine: _Machine, count: int) -> None:
    taken = tuple(machine.stack[-count:])
    if len(taken) < count or any(value is _MARK for value in taken):
        raise PlainPickleError("a tuple lacks its values")
    machine.stack[-count:] = [taken]


def _extend(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not list:
        raise PlainPickleError("adds to what is no list")
    target.extend(values)


def _fill(machine: _Machine, values: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not dict or len(values) % 2:
        raise PlainPickleError("sets keys of what is no dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str | int | float | bytes | None):
            raise PlainPickleError(f"a {type(key).__name__} as a key; wanted strings or numbers")
        if isinstance(key, int) and abs(key) >= _LARGEST_KEY:
            raise PlainPickleError("a number of more than 60 bits as a key")
        target[key] = value


def _taken(machine: _Machine, count: int) -> list[Any]:
    found = machine.stack[-count:]
    del machine.stack[-count:]
    return found


def _new(machine: _Machine, make: Callable[[list[Any]], Any]) -> None:
    machine.stack.append(make(machine.since_mark()))


def _new_dict(machine: _Machine) -> None:
    values = machine.since_mark()
    machine.stack.append({})
    _fill(machine, values)


def _int(text: str) -> int | bool:
    return bool(int(text)) if text in ("00", "01") else int(text)


_STEPS: Mapping[int, Callable[[_Machine], object]] = {
    0x80: lambda machine: machine.take(1),  # protocol
    0x95: lambda machine: machine.take(8),  # frame
    ord("("): partial(_constant, value=_MARK),
    ord("N"): partial(_constant, value=None),
    0x88: partial(_constant, value=True),
    0x89: partial(_constant, value=False),
    ord(")"): partial(_constant, value=()),
    ord("I"): partial(_line, read=_int),
    ord("L"): partial(_line, read=lambda text: int(text.rstrip("L"))),
    ord("F"): partial(_line, read=float),
    ord("S"): partial(_line, read=_quoted),
    ord("V"): partial(_line, read=lambda text: text.encode("latin-1").decode("raw-unicode-escape")),
    **{code: partial(_number, kind=kind) for code, kind in zip(b"JKMG", (_INT, _BYTE, _SHORT, _FLOAT), strict=True)},
    **{code: partial(_long, size=size) for code, size in ((0x8A, _BYTE), (0x8B, _INT))},
    **{code: partial(_text, size=size) for code, size in ((ord("T"), _INT), (ord("U"), _BYTE))},
    **{code: partial(_text, size=size) for code, size in ((ord("X"), _UINT), (0x8C, _BYTE), (0x8D, _LONG))},
    **{code: partial(_bytes, size=size) for code, size in ((ord("B"), _UINT), (ord("C"), _BYTE), (0x8E, _LONG))},
    ord("]"): lambda machine: machine.stack.append([]),
    ord("}"): lambda machine: machine.stack.append({}),
    ord("a"): lambda machine: _extend(machine, _taken(machine, 1)),
    ord("e"): lambda machine: _extend(machine, machine.since_mark()),
    ord("s"): lambda machine: _fill(machine, _taken(machine, 2)),
    ord("u"): lambda machine: _fill(machine, machine.since_mark()),
    ord("l"): partial(_new, make=list),
    ord("t"): partial(_new, make=tuple),
    ord("d"): _new_dict,
    **{0x84 + count: partial(_tuple, count=count) for count in (1, 2, 3)},
    ord("0"): lambda machine: machine.stack.pop(),
    ord("1"): lambda machine: machine.since_mark(),
    ord("2"): lambda machine: machine.stack.append(machine.stack[-1]),
    ord("p"): lambda machine: machine.memo.__setitem__(int(machine.line()), machine.stack[-1]),
    ord("g"): lambda machine: machine.stack.append(machine.memo[int(machine.line())]),
}
