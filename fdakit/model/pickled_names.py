"""The meaning of the names in a weights file's pickle: tensors, storages, containers and TorchScript modules.

None of them is looked up in Python. Source: torch/_utils.py, torch/serialization.py, torch/jit/_pickle.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_TENSORS = 100_000
MOST_DIMENSIONS = 64
MOST_ITEMS = 4_000_000
"""Container items that one file may create, copy or visit; a tensor has some 20."""
LONGEST_CLASS = 1000
"""Characters of the name of a class."""
_LARGEST_KEY = 1 << 60  # larger numbers have the hashes of smaller ones, and equal hashes make a dictionary slow


class DamagedFileError(ValueError):
    """The file is truncated, inconsistent, or holds what no weights file holds."""


class CodeFoundError(ValueError):
    """The pickle names a class or function that is not part of a state dict."""


class Budget:
    """The work that one file may cause, over all of its pickles and modules."""

    def __init__(self) -> None:
        self._items, self._tensors = MOST_ITEMS, MOST_TENSORS

    def spend(self, items: int) -> None:
        """Count container items. Raises `DamagedFileError` if a file has more than any weights file."""
        self._items -= items
        if self._items < 0:
            raise DamagedFileError(f"it asks for more than {MOST_ITEMS:,} items of lists and dictionaries")

    def spend_tensor(self) -> None:
        """Count a tensor. Raises `DamagedFileError` as `spend`."""
        self._tensors -= 1
        if self._tensors < 0:
            raise DamagedFileError(f"its pickle makes more than {MOST_TENSORS:,} tensors")


@dataclass(frozen=True)
class Global:
    """The name of a class or function, never the object itself."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class StorageClaim:
    """A storage as described by the pickle: key in the file, class (`FloatStorage`), number of elements."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class TensorClaim:
    """A tensor as described by the pickle; `dtype` is None if the storage's class determines it."""

    storage: StorageClaim
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str | None = None


class OpaqueModule:
    """An object of a TorchScript class (`kind`) and its attributes, or the state that its code would unpack."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.attributes: Any = {}


def shown(value: Any) -> str:
    """Return an unchecked value for an error message: a short scalar or a name, or the type of anything else."""
    if isinstance(value, str | bytes):
        return str(value[:80])
    if value is None or isinstance(value, int | float | Global):
        return str(value)[:80]
    return f"a {type(value).__name__}"


_TENSORS = "torch._utils"
_EMPTY_DICTS = {("collections", "OrderedDict"), ("collections", "Counter"), ("collections", "defaultdict")}
_COLLECTIONS = {
    (home, kind) for home in ("builtins", "__builtin__") for kind in ("set", "frozenset", "list", "tuple")
}
_SCRIPT = "torch.jit._pickle"  # lists of numbers and of tensors: build_intlist and its like, restore_type_tag
_OTHERS = {
    ("torch", "Size"),
    ("torch", "device"),
    ("_codecs", "encode"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.storage", "UntypedStorage"),
    ("torch.storage", "TypedStorage"),
    *((home, kind) for home in ("builtins", "__builtin__") for kind in ("dict", "int", "float", "bytearray")),
}
_REBUILDERS = (
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
)
_KNOWN = {*_EMPTY_DICTS, *_COLLECTIONS, *_OTHERS, *((_TENSORS, name) for name in _REBUILDERS)}
DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip
STORAGES: Mapping[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}


def known(module: str, name: str) -> Global:
    """Return the placeholder of a class or function.

    Raises `CodeFoundError` for one that is not part of a state dict.
    """
    torchs = module == "torch" and (name in STORAGES or name in DTYPES)
    if len(module) + len(name) > LONGEST_CLASS:
        raise DamagedFileError(f"its pickle names a class with more than {LONGEST_CLASS:,} characters")
    if (module, name) in _KNOWN or torchs or module.partition(".")[0] == "__torch__" or module == _SCRIPT:
        return Global(module, name)
    raise CodeFoundError(f"{module}.{name}")


def made(called: Any, arguments: Any, *, budget: Budget) -> Any:
    """Return the placeholder result of calling a known name. Raises `DamagedFileError` or `CodeFoundError`."""
    if not isinstance(called, Global) or not isinstance(arguments, tuple):
        raise DamagedFileError("its pickle calls what cannot be called")
    name = (called.module, called.name)
    if called.module.partition(".")[0] == "__torch__":
        return OpaqueModule(str(called))
    if called.module == _TENSORS or name == ("torch._tensor", "_rebuild_from_type_v2"):
        budget.spend_tensor()
        return _tensor(called.name, arguments)
    if name in _EMPTY_DICTS:
        return _filled(arguments, budget=budget)
    if name in _COLLECTIONS or name == ("torch", "Size") or called.module == _SCRIPT:
        return _items(arguments)
    if name in (("_codecs", "encode"), ("torch", "device")):
        return None  # bytes and devices of a training state, which contain no weights
    raise CodeFoundError(str(called))


def _filled(arguments: tuple[Any, ...], *, budget: Budget) -> dict[Any, Any]:
    """Return an `OrderedDict` of pairs, as Python 2 wrote them, or an empty one."""
    filled: dict[Any, Any] = {}
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    budget.spend(len(pairs))
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DamagedFileError("its pickle fills a dictionary with what are no pairs")
        put(filled, list(pair), budget=budget)
    return filled


def _items(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments else ()


def _tensor(rebuild: str, arguments: tuple[Any, ...]) -> TensorClaim:
    if rebuild == "_rebuild_from_type_v2":  # (function, type, its arguments, state)
        function, kind, inner = arguments[:3]
        if not isinstance(kind, Global) or (kind.module, kind.name) not in _OTHERS:
            raise CodeFoundError(shown(kind))
        claim = _rebuilt(function, inner)
    elif rebuild.startswith("_rebuild_parameter"):
        claim = arguments[0]
    else:
        storage, offset, size, stride = arguments[:4]
        dtype = _dtype(arguments[6]) if rebuild == "_rebuild_tensor_v3" else None
        claim = TensorClaim(storage, _whole(offset), _sizes(size), _sizes(stride), dtype)
        if not isinstance(storage, StorageClaim) or len(claim.size) != len(claim.stride):
            raise DamagedFileError("its pickle describes a tensor that cannot be")
    if not isinstance(claim, TensorClaim):
        raise DamagedFileError("its pickle makes a parameter of what is no tensor")
    return claim


def _rebuilt(function: Any, arguments: Any) -> TensorClaim:
    """Return the tensor of a subclass; subclasses are not nested."""
    if not isinstance(function, Global) or function.module != _TENSORS or not isinstance(arguments, tuple):
        raise CodeFoundError(shown(function))
    return _tensor(function.name, arguments)


def _dtype(value: Any) -> str:
    if not isinstance(value, Global) or value.module != "torch" or value.name not in DTYPES:
        raise DamagedFileError(f"its pickle has a tensor of no type that is read ({shown(value)})")
    return value.name


def storage_claim(persistent: Any) -> StorageClaim:
    """Return the storage of a persistent id.

    The id is `("storage", class, key, location, count)`, in files before 2022 followed by None or a view of another
    storage.
    """
    if not isinstance(persistent, tuple) or len(persistent) < 5 or persistent[0] != "storage":
        raise DamagedFileError("its pickle refers to something that is no storage")
    _, kind, key, _, count, *view = persistent
    if not isinstance(kind, Global) or kind.name not in STORAGES:
        raise DamagedFileError(f"it holds values of a kind that fdakit does not read ({shown(kind)})")
    if any(part is not None for part in view):
        raise DamagedFileError("its storages are views of each other, as only torch before 0.4 wrote them")
    if not isinstance(key, str):
        raise DamagedFileError("its pickle refers to a storage without a name")
    return StorageClaim(key, kind.name, _whole(count))


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise DamagedFileError("its pickle has a size or an offset that no tensor has")
    return value


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or len(values) > MOST_DIMENSIONS:
        raise DamagedFileError("its pickle describes a tensor that cannot be")
    return tuple(map(_whole, values))


def put(target: Any, pairs: list[Any], *, budget: Budget) -> dict[Any, Any]:
    """Put alternating keys and values into a dictionary. Raises `DamagedFileError` if that is impossible."""
    if not isinstance(target, dict) or len(pairs) % 2:
        raise DamagedFileError(f"its pickle sets items of a {type(target).__name__}")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if isinstance(key, tuple):
            budget.spend(len(key))
        target[_key(key)] = value
    budget.spend(len(pairs))
    return target


def _key(key: Any) -> Any:
    """Return a key that is cheap to hash: nested tuples could take forever, or overflow the stack."""
    parts = key if isinstance(key, tuple) and len(key) < MOST_DIMENSIONS else (key,)
    if all(part is None or isinstance(part, str | bytes | float) or _is_small(part) for part in parts):
        return key
    raise DamagedFileError(f"its pickle has a {type(key).__name__} as a key")


def _is_small(value: Any) -> bool:
    return isinstance(value, int) and -_LARGEST_KEY < value < _LARGEST_KEY
