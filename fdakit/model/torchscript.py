"""The state dict of a TorchScript archive: the module attributes that its classes declare as weights.

A class definition is a text in the archive (`code/__torch__/….py`). Its lists `__parameters__` and `__buffers__` are
read as text; nothing of it is compiled or run.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from .file_kinds import ForeignFileError
from .pickled_names import MOST_TENSORS, Budget, DamagedFileError, OpaqueModule, TensorClaim
from .state_dicts import LONGEST_NAME

LARGEST_CODE = 64 << 20
"""Bytes of all class definitions together; only they may be compressed. OpenAI's archives have 0.3 MB."""
DEEPEST = 64
"""Largest nesting depth of modules."""
_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)
_LIST = re.compile(r"^  __(?:parameters|buffers)__ = \[([^\]\n]*)\]", re.MULTILINE)


def module_tensors(root: Any, archive: zipfile.ZipFile, *, top: str, budget: Budget) -> dict[str, TensorClaim]:
    """Return the tensors of a module and its submodules, by the names of its `state_dict()`.

    `budget` counts the attributes, those of a shared module once for each occurrence. Raises `DamagedFileError` if
    the root is not a module, or modules are nested endlessly, and `ForeignFileError` if only a module's code could
    determine its weights.
    """
    if not isinstance(root, OpaqueModule):
        raise DamagedFileError("it is a TorchScript archive without a module")
    declared = _Declarations(archive, top=top)
    found: dict[str, TensorClaim] = {}
    waiting: list[tuple[str, int, OpaqueModule]] = [("", 0, root)]
    looked_into, packed = 0, ""
    while waiting:
        prefix, depth, module = waiting.pop()
        looked_into += 1
        if depth > DEEPEST or looked_into > MOST_TENSORS or len(prefix) > LONGEST_NAME:
            raise DamagedFileError("its modules are nested without end")
        attributes = module.attributes if isinstance(module.attributes, dict) else {}
        packed = packed or (module.kind if attributes is not module.attributes else "")
        budget.spend(len(attributes))
        named = {name: value for name, value in attributes.items() if isinstance(name, str)}
        if any(len(name) > LONGEST_NAME for name in named):
            raise DamagedFileError(f"it has an attribute with more than {LONGEST_NAME} characters")
        weights = declared.of(module.kind)
        for name, value in named.items():
            if isinstance(value, TensorClaim) and (weights is None or name in weights):
                found[f"{prefix}{name}"] = value
        if len(found) > MOST_TENSORS:
            raise DamagedFileError(f"its modules hold more than {MOST_TENSORS:,} tensors")
        inner = [(f"{prefix}{n}.", depth + 1, m) for n, m in named.items() if isinstance(m, OpaqueModule)]
        waiting.extend(reversed(inner))
    if packed and not found:
        raise ForeignFileError(
            f"holds a module that only its own code ({packed[:80]}.__setstate__) could unpack, and fdakit runs no "
            "code from files; save its state dict by itself"
        )
    return found


class _Declarations:
    """The weights that each class declares, read on demand."""

    def __init__(self, archive: zipfile.ZipFile, *, top: str) -> None:
        self._archive = archive
        self._top = top
        self._left = LARGEST_CODE
        self._files: dict[str, Mapping[str, frozenset[str]]] = {}

    def of(self, kind: str) -> frozenset[str] | None:
        """Return the names of a class's parameters and buffers; None if the archive lacks its definition."""
        module, _, name = kind.rpartition(".")
        if module not in self._files:
            self._files[module] = _declared(self._text(module))
        return self._files[module].get(name)

    def _text(self, module: str) -> str:
        path = f"{self._top}/code/{module.replace('.', '/')}.py"
        try:
            if self._archive.getinfo(path).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DamagedFileError(f"its class {module} is compressed as torch never does")
            with self._archive.open(path) as file:
                content = file.read(self._left + 1)
        except KeyError:
            return ""
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DamagedFileError(f"its class {module} is damaged ({error})") from error
        self._left -= len(content)
        if self._left < 0:
            raise DamagedFileError(f"its class definitions are larger than {LARGEST_CODE >> 20} MiB")
        return content.decode("utf-8", "replace")


def _declared(text: str) -> dict[str, frozenset[str]]:
    starts = [(match[1], match.start()) for match in _CLASS.finditer(text)]
    ends = [*(start for _, start in starts), len(text)][1:]
    return {
        name: frozenset(re.findall(r'"([^"]+)"', " ".join(_LIST.findall(text, start, end))))
        for (name, start), end in zip(starts, ends, strict=True)
    }
