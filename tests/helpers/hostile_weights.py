"""Weights files made to harm: code, bombs, claims that cannot be, and files that are something else."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

SENTINEL = "code-was-run"
"""The file that appears in the working directory where code of a hostile file is run."""
BAD = "refused"
FLOATS = struct.pack("<4f", 1, 2, 3, 4)
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
HEAD = MAGIC + pickle.dumps(1001, protocol=2) + pickle.dumps({"little_endian": True}, protocol=2)

Case = tuple[str, Callable[[Path], object], str]
"""Name, what makes the file at a path, and `refused` or how many tensors are read."""


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(value: int) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


def wholes(values: Any) -> bytes:
    return b"(" + b"".join(pickle.dumps(value, protocol=2)[2:-1] for value in values) + b"t"


def storage(key: str = "0", kind: str = "FloatStorage", count: int = 4, module: str = "torch") -> bytes:
    return b"((" + text("storage") + f"c{module}\n{kind}\n".encode() + text(key) + text("cpu") + whole(count) + b"tQ"


def tensor(source: bytes | None = None, *, offset: int = 0, size: Any = (4,), stride: Any = (1,)) -> bytes:
    """The opcodes of one tensor."""
    rest = whole(offset) + wholes(size) + wholes(stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + (storage() if source is None else source) + rest


def state(*values: bytes, name: str = "w") -> bytes:
    """A pickle of a dictionary of tensors."""
    return b"\x80\x02}(" + b"".join(text(f"{name}{k}") + value for k, value in enumerate(values)) + b"u."


def archive(
    content: bytes,
    *,
    entries: Mapping[str, bytes] | None = None,
    code: str | None = None,
    squeezed: tuple[str, ...] = (),
    top: str = "archive",
) -> bytes:
    """A zip as torch writes it; with `code` a TorchScript one. `squeezed` entries are compressed."""
    found = {"data.pkl": content, "data/0": FLOATS, "byteorder": b"little", "version": b"3\n", **(entries or {})}
    if code is not None:
        found |= {"code/__torch__.py": code.encode(), "constants.pkl": b"\x80\x02)."}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        for name, value in found.items():
            made.writestr(f"{top}/{name}", value, zipfile.ZIP_DEFLATED if name in squeezed else zipfile.ZIP_STORED)
    return memory.getvalue()


def legacy(content: bytes, *, keys: Any = ("0",), count: int = 4, values: bytes = FLOATS) -> bytes:
    """A file as torch wrote it before 1.6."""
    return HEAD + content + pickle.dumps(list(keys), protocol=2) + struct.pack("<q", count) + values


class Touch:
    """Unpickling it makes the sentinel."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (SENTINEL,)


CALLS = {  # opcodes that leave the result of a call to os.mkdir on the stack
    "reduce": b"cposix\nmkdir\n(" + text(SENTINEL) + b"tR",
    "os": b"cos\nmkdir\n(" + text(SENTINEL) + b"tR",
    "stack global": text("posix") + text("mkdir") + b"\x93(" + text(SENTINEL) + b"tR",
    "inst": b"(" + text(SENTINEL) + b"iposix\nmkdir\n",
    "obj": b"(cposix\nmkdir\n" + text(SENTINEL) + b"o",
    "newobj": b"cpathlib\nPath\n(" + text(SENTINEL) + b"t\x81",
    "newobj ex": b"cpathlib\nPath\n(" + text(SENTINEL) + b"t}\x92",
    "eval": b"cbuiltins\neval\n(" + text(f"__import__('os').mkdir({SENTINEL!r})") + b"tR",
    "getattr": b"cbuiltins\ngetattr\n(cos\nmkdir\n" + text("__call__") + b"tR(" + text(SENTINEL) + b"tR",
    "torch.load": b"ctorch\nload\n(" + text("other.pt") + b"tR",
    "jit": b"ctorch.jit\nload\n(" + text("other.pt") + b"tR",
    "from_file": b"ctorch\nUntypedStorage.from_file\n(" + text(SENTINEL) + b"\x88K\x08tR",
    "rebuild": b"ctorch._utils\n_rebuild_wrapper_subclass\n(" + text(SENTINEL) + b"tR",
    "parameter of a call": b"ctorch._utils\n_rebuild_parameter\n(cposix\nmkdir\n(" + text(SENTINEL) + b"tR\x88}tR",
    "from type": b"ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nmkdir\nctorch\nTensor\n("
    + text(SENTINEL)
    + b"t}tR",
    "dotted": b"ccollections\nOrderedDict.__subclasses__\n)R",
    "not quite torchscript": b"c__torch__x\nmkdir\n(" + text(SENTINEL) + b"tR",
    "numpy": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85NtR",
    "extension": b"\x82\x01",
    "buffer": b"\x97",
}  # fmt: skip


def scripted(body: str, value: bytes = tensor()) -> bytes:
    """A TorchScript archive whose `__setstate__` does `body`."""
    code = (
        "class M(Module):\n"
        '  __parameters__ = ["w", ]\n'
        "  __buffers__ = []\n"
        "  w : Tensor\n"
        "  training : bool\n"
        "  def __getstate__(self: __torch__.M) -> Tensor:\n"
        "    return self.w\n"
        "  def __setstate__(self: __torch__.M,\n"
        "    state: Tensor) -> NoneType:\n"
        f"{body}"
        "    self.w = state\n"
        "    self.training = False\n"
        "    return None\n"
    )
    return archive(b"\x80\x02c__torch__\nM\n)\x81" + value + b"b.", code=code)


WRITES = f'    x = torch.from_file("{SENTINEL}", True, 10)\n    self.w = torch.add(state, torch.sum(x))\n'
LOOPS = "    i = 0\n    for j in range(9223372036854775807):\n      i = torch.add(i, j)\n"


def nested(count: int, opening: bytes, closing: bytes, inside: bytes = b"N") -> bytes:
    return opening * count + inside + closing * count


def _slow() -> Iterator[tuple[str, bytes, str]]:
    """Those that take a second to be made or refused."""
    zeros = bytes(64 << 20)
    yield "deflated pickle", archive(state(tensor()) + zeros, squeezed=("data.pkl",)), BAD
    yield (
        "deflated storage",
        archive(state(tensor(storage(count=1 << 24))), entries={"data/0": zeros}, squeezed=("data/0",)),
        BAD,
    )
    yield (
        "deflated code",
        archive(module_pickle(), code="#" + "\0" * (80 << 20), squeezed=("code/__torch__.py",)),
        BAD,
    )
    yield "key of 300,000 tuples", archive(b"\x80\x02}N" + b"\x85" * 300_000 + b"Ns."), BAD
    yield "7 million opcodes", archive(b"\x80\x02" + b"N0" * 3_500_000 + b"N."), BAD
    pairs = b"(" + b"".join(text(str(k)) + b"N\x86" for k in range(50_000)) + b"l\x85q\x01"
    again = b"ccollections\nOrderedDict\nh\x01R0"
    yield "50,000 pairs 50,000 times", archive(b"\x80\x02" + pairs + again * 50_000 + b"N."), BAD
    number = b"\x8b" + struct.pack("<i", 10 << 20) + b"\x7f" * (10 << 20)
    yield "number of 10 MiB", archive(b"\x80\x02" + number + b"q\x010}" + b"h\x01Ns" * 100_000 + b"."), BAD


def _bombs() -> Iterator[tuple[str, bytes, str]]:
    yield "storage of a million million", archive(state(tensor(storage(count=10**12), size=(10**12,)))), BAD
    yield "the same, legacy", legacy(state(tensor(storage(count=10**12), size=(10**12,))), count=10**12), BAD
    yield "stride 0", archive(state(tensor(size=(10**12,), stride=(0,)))), BAD
    yield "stride 0 in 64 dimensions", archive(state(tensor(size=(2,) * 60, stride=(0,) * 60))), BAD
    yield "65 dimensions", archive(state(tensor(size=(1,) * 65, stride=(1,) * 65))), BAD
    shared = storage() + b"q\x01"
    copies = [b"ctorch._utils\n_rebuild_tensor_v2\n(h\x01" + whole(0) + wholes((999,)) + wholes((0,)) + b"\x89}tR"]
    big = b"\x80\x02" + shared + b"0}(" + b"".join(text(f"w{k}") + copies[0] for k in range(5000)) + b"u."
    yield "a storage claimed 5,000 times", archive(big), BAD
    yield "memo at 2**31", archive(b"\x80\x02Nr\xff\xff\xff\x7f."), BAD
    yield "bytes of 2**60", archive(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x."), BAD
    yield "bytearray of 2**40", archive(b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x."), BAD
    yield "text of 2**62", archive(b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x."), BAD
    yield "frame of 2**62", archive(b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N."), BAD
    yield "10,000 lists in each other", archive(b"\x80\x02" + nested(10_000, b"](", b"e", tensor()) + b"."), BAD
    deep = nested(10_000, b"}" + text("a"), b"s", tensor())
    yield "10,000 dictionaries in each other", archive(b"\x80\x02" + deep + b"."), BAD
    doubling = b"\x80\x02]q\x00" + b"".join(
        b"]q" + bytes([k + 1]) + b"(" + b"h" + bytes([k]) + b"h" + bytes([k]) + b"e" for k in range(100)
    )
    yield "lists of lists, 2**100 in all", archive(doubling + b"."), BAD
    yield "without end", archive(b"\x80\x02" + b"NNN" * 1000), BAD
    yield "a name of a million letters", archive(state(tensor(), name="n" * 1_000_000)), BAD
    yield "itself in itself", archive(b"\x80\x02}q\x01" + text("model") + b"h\x01s" + text("a") + b"h\x01s."), BAD
    inner = b"c__torch__\nM\n)\x81q\x00}b"
    for k in range(60):
        twice = b"}(" + text("a") + b"h" + bytes([k]) + text("b") + b"h" + bytes([k]) + b"ub"
        inner += b"0c__torch__\nM\n)\x81q" + bytes([k + 1]) + twice
    yield "2**60 modules", archive(b"\x80\x02" + inner + b".", code=""), BAD
    yield "a module in itself", archive(b"\x80\x02c__torch__\nM\n)\x81q\x00}" + text("a") + b"h\x00sb.", code=""), BAD


def module_pickle() -> bytes:
    return b"\x80\x02c__torch__\nM\n)\x81}(" + text("w") + tensor() + b"ub."


def _claims() -> Iterator[tuple[str, bytes, str]]:
    for what, value in {
        "offset outside": tensor(offset=1),
        "offset far outside": tensor(offset=1 << 61),
        "stride outside": tensor(stride=(2,)),
        "negative size": tensor(size=(-4,)),
        "negative stride": tensor(stride=(-1,)),
        "negative offset": tensor(offset=-1),
        "sizes without strides": tensor(size=(2, 2)),
        "a size that is true": tensor(size=(True,)),
        "a size of 0.5": tensor(size=(0.5,)),
        "a size that is a text": tensor(size=("4",)),
        "a size of 2**70": tensor(size=(1 << 70,)),
        "storage of another size": tensor(storage(count=5)),
        "storage of a negative size": tensor(storage(count=-4)),
        "storage that is absent": tensor(storage(key="9")),
        "storage with a path": tensor(storage(key="../../../etc/passwd")),
        "quantised storage": tensor(storage(kind="QInt8Storage")),
        "storage of no kind": tensor(storage(kind="EvilStorage", module="evil")),
        "storage that is a number": tensor(b"(K\x05Q"),
        "storage of three parts": tensor(b"((" + text("storage") + b"NNtQ"),
        "view of a storage": tensor(storage()[:-2] + b"(" + text("v") + b"K\x00K\x04ttQ"),
        "no storage": tensor(b"(N"),
    }.items():
        yield what, archive(state(value)), BAD
    yield "no size at all, at the end", archive(state(tensor(offset=4, size=(0, 3), stride=(3, 1)))), "1"
    yield "an expanded tensor", archive(state(tensor(size=(3, 4), stride=(0, 1)))), "1"


def _foreign() -> Iterator[tuple[str, bytes, str]]:
    memory = io.BytesIO()
    np.savez(memory, a=np.zeros(3))
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as made:
        made.addfile(tarfile.TarInfo("model.pt"))
    for what, content in {
        "nothing": b"",
        "web page": b"\xef\xbb\xbf\n  <!DOCTYPE HTML><html><title>Virus scan warning</title>",
        "error of a store": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        "index": b'{"metadata": {"total_size": 1}, "weight_map": {"a": "b"}}',
        "words": "Zugriff verweigert \u2014 bitte anmelden".encode(),
        "zeros": bytes(5000),
        "noise": np.random.default_rng(3).bytes(5000),
        "gzip": b"\x1f\x8b\x08" + bytes(50),
        "GGUF": b"GGUF\x03\0\0\0" + bytes(50),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(50),
        "npy": b"\x93NUMPY\x01\0v\0" + bytes(50),
        "npz": memory.getvalue(),
        "tar": tape.getvalue(),
        "ONNX": b"\x08\x08\x12\x07pytorch\x1a\x052.0.0" + bytes(50),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(50),
        "a zip in a zip": zipped({"model.pth": b"x"}),
        "a zip of nothing": zipped({}),
        "a zip cut short": archive(state(tensor()))[:-40],
        "a zip that says to hold 4 thousand million": zipped({"a/data.pkl": b"x"}).replace(
            b"\x01\x00\x01\x00", b"\xff\xff\xff\xff"
        ),
        "a zip whose entries overlap": overlapping(),
        "big-endian": archive(state(tensor()), entries={"byteorder": b"big"}),
    }.items():
        yield what, content, BAD


def zipped(entries: Mapping[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        for name, value in entries.items():
            made.writestr(name, value)
    return memory.getvalue()


def overlapping() -> bytes:
    """2,000 storages of 1 MiB, all at the same place of a file of 1 MiB."""
    million = bytes(1 << 20)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        values = [tensor(storage(key=str(k), count=1 << 18), size=(1 << 18,)) for k in range(2000)]
        made.writestr("a/data.pkl", state(*values))
        made.writestr("a/data/0", million)
        first = made.NameToInfo["a/data/0"]
        for k in range(1, 2000):
            twin = zipfile.ZipInfo(f"a/data/{k}")
            for field in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(twin, field, getattr(first, field))
            made.filelist.append(twin)
            made.NameToInfo[twin.filename] = twin
    return memory.getvalue()


def _safetensors() -> Iterator[tuple[str, bytes, str]]:
    def headed(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
        return struct.pack("<Q", len(header) if length is None else length) + header + data

    one = b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[%s]}}'
    for what, content in {
        "header of 2**63": headed(b"{}", length=1 << 63),
        "header longer than the file": headed(b'{"a":', length=90_000_000),
        "header that is no JSON": headed(b"{nonsense}"),
        "header nested 100,000 deep": headed(b'{"a":' + b"[" * 100_000),
        "offsets outside": headed(one % (b"4", b"0,16")),
        "offsets backwards": headed(one % (b"4", b"16,0"), FLOATS),
        "shape of 2**62 squared": headed(one % (b"4611686018427387904,4611686018427387904", b"0,16"), FLOATS),
        "shape unlike offsets": headed(one % (b"5", b"0,16"), FLOATS),
        "unknown type": headed((one % (b"4", b"0,16")).replace(b"F32", b"Q99"), FLOATS),
        "bytes left over": headed(one % (b"4", b"0,16"), FLOATS * 2),
        "cut short": save({"a": torch.arange(100.0)})[:-20],
        "no tensors": headed(b"{}"),
    }.items():
        yield f"safetensors: {what}", content, BAD


def _wrapped() -> Iterator[tuple[str, Any, str]]:
    some = {"a.weight": torch.ones(2), "b.weight": torch.ones(3)}
    yield "two models", {"model": some, "ema": {k: v + 1 for k, v in some.items()}}, BAD
    yield "two unknown", {"left": some, "right": {k: v + 1 for k, v in some.items()}}, BAD
    yield "an optimiser alone", {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}}, BAD
    yield "one tensor", torch.ones(2), BAD
    yield "tensors in a list", [torch.ones(2)], BAD
    yield "seven levels down", {"a": {"b": {"c": {"d": {"e": {"f": {"g": some}}}}}}}, BAD
    yield "numbers alone", {"epoch": 3, "loss": 0.5}, BAD
    yield "DeepSpeed", {"module": some, "optimizer": None, "epoch": 3}, "2"
    yield "two levels down", {"checkpoint": {"net": some}, "epoch": torch.tensor(3).item()}, "2"


def file_cases(*, slow: bool) -> list[Case]:
    """Every hostile regular file; without the `slow` ones, those that take milliseconds."""
    found: list[Case] = []
    for how, call in CALLS.items():
        for form, content in (
            ("zip", archive(b"\x80\x04}" + text("w") + call + b"s.")),
            ("legacy", legacy(b"\x80\x04}" + text("w") + call + b"s.")),
        ):
            found.append((f"code by {how}, {form}", _writer(content), BAD))
    found.append(("code in a bare pickle", _writer(pickle.dumps({"a": Touch()})), BAD))
    found.append(("code in a pickle of protocol 0", _writer(pickle.dumps({"a": Touch()}, protocol=0)), BAD))
    found.append(("TorchScript that writes", _writer(scripted(WRITES)), BAD))
    found.append(("TorchScript without end", _writer(scripted(LOOPS)), BAD))
    attributes = b"}(" + text("w") + tensor() + b"u"
    found.append(("TorchScript that writes, read all the same", _writer(scripted(WRITES, attributes)), "1"))
    for name, content, outcome in (*(_slow() if slow else ()), *_bombs(), *_claims(), *_foreign(), *_safetensors()):
        found.append((name, _writer(content), outcome))
    for name, value, outcome in _wrapped():
        memory = io.BytesIO()
        torch.save(value, memory)
        found.append((name, _writer(memory.getvalue()), outcome))
    return found


def _writer(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def special_cases() -> list[Case]:
    """Paths that lead to no regular file."""
    return [
        ("FIFO", lambda path: os.mkfifo(path), BAD),
        ("folder", lambda path: path.mkdir(), BAD),
        ("device without end", lambda path: path.symlink_to("/dev/zero"), BAD),
        ("device without content", lambda path: path.symlink_to("/dev/null"), BAD),
        ("link to nowhere", lambda path: path.symlink_to("nowhere"), BAD),
        ("link to itself", lambda path: path.symlink_to(path.name), BAD),
    ]
