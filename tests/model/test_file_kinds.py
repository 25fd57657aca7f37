"""What a weights file is, told by its bytes; wrapped names and state dicts further down."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.hostile_weights import archive, legacy, state, storage, tensor, text
from safetensors.torch import save_file

from fdakit import CheckpointError
from fdakit.model import ClipEncoder, read_clip_weights, read_weights
from fdakit.model.weight_files import load_strictly, read_contents
from fdakit.model.weight_formats import detect_format

State = dict[str, torch.Tensor]
STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor([1.5, -2.0])}
FORMS: dict[str, Callable[[Any, Path], object]] = {
    "safetensors": save_file,
    "torch": torch.save,
    "old torch": lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
}


def same(found: State, wanted: State) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin", "w.pth", "w.pt", "w"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_as_what_it_is_under_any_name(tmp_path: Path, form: str, name: str) -> None:
    FORMS[form](STATE, tmp_path / name)
    found = read_contents(tmp_path / name)
    assert same(found.state, STATE)
    assert found.container == ("safetensors" if form == "safetensors" else "torch file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><head>", "is a web page, as after a failed download; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not .*; fetch it with git lfs pull"),
        (b"", "is empty; download it again"),
        (b"\x1f\x8b\x08\0\0", "is compressed with gzip; unpack it"),
        (b"GGUF\3\0\0\0", "is a GGUF file"),
        (b"Rate limit exceeded", r"is a text \(it begins with 'Rate limit exceeded'\)"),
    ],
)
def test_what_is_something_else_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"w\.pth: {words}"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize("form", ["torch", "old torch"])
def test_every_type_and_shape_comes_back_bit_for_bit(tmp_path: Path, form: str, dtype: str) -> None:
    whole = torch.arange(24).view(2, 3, 4).to(getattr(torch, dtype))
    content = {
        "whole": whole,
        "turned": whole.permute(2, 0, 1),
        "part": whole[1, 1:],
        "twice": whole,
        "scalar": whole[0, 0, 1],
        "nothing": whole[:0],
        "parameter": torch.nn.Parameter(whole.clone(), requires_grad=False),
    }
    FORMS[form](content, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    assert same(found, content)
    assert all(value.dtype == whole.dtype for value in found.values())


def test_a_broken_byte_of_a_storage_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1000), "b": torch.ones(1000)}, path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as opened:
        place = opened.getinfo(next(n for n in opened.namelist() if n.endswith("data/1"))).header_offset + 3000
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(CheckpointError, match=r"the checksum of storage '1' does not hold"):
        read_weights(path)


def test_checksums_that_torch_was_told_to_leave_out_are_not_asked_for(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert same(read_weights(tmp_path / "w.pth"), STATE)


def test_weights_saved_on_another_device_are_read_on_the_cpu(tmp_path: Path) -> None:
    content = state(tensor(storage().replace(text("cpu"), text("cuda:3"))))
    (tmp_path / "w.pth").write_bytes(archive(content))
    found = read_weights(tmp_path / "w.pth")["w0"]
    assert (found.device.type, found.tolist()) == ("cpu", [1, 2, 3, 4])


def test_what_lies_outside_of_its_storage_is_refused_in_both_forms(tmp_path: Path) -> None:
    claim = state(tensor(storage(count=4), offset=2, size=(3,)))
    for name, content in (("new.pth", archive(claim)), ("old.pth", legacy(claim))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"a tensor lies outside of its storage"):
            read_weights(tmp_path / name)


def test_weights_alone_declare_what_a_scripted_module_holds(tmp_path: Path) -> None:
    code = 'class M(Module):\n  __parameters__ = ["w0", ]\n  __buffers__ = ["w2", ]\n  w0 : Tensor\n'
    content = state(tensor(), tensor(offset=1, size=(2,)), tensor(size=(2, 2), stride=(2, 1))).removeprefix(
        b"\x80\x02}"
    )
    (tmp_path / "m.pt").write_bytes(archive(b"\x80\x02c__torch__\nM\n)\x81}" + content[:-1] + b"b.", code=code))
    found = read_contents(tmp_path / "m.pt")
    assert found.container == "TorchScript archive"
    assert same(found.state, {"w0": torch.tensor([1.0, 2, 3, 4]), "w2": torch.tensor([[1.0, 2], [3, 4]])})


WRAPPED = {
    "state_dict": {"state_dict": STATE, "epoch": 3},
    "DeepSpeed": {"module": STATE, "optimizer": None, "buffer_names": ["x"]},
    "any key": {"net": STATE, "epoch": 3},
    "two levels": {"checkpoint": {"model": STATE}},
    "an optimiser beside": {"model": STATE, "optimizer": {"state": {0: {"m": torch.ones(3)}}, "param_groups": [{}]}},
    "an optimiser by its form": {"model": STATE, "o": {"state": {0: {"m": torch.ones(3)}}, "param_groups": [{}]}},
    "counters beside": {"model": STATE, "step": torch.tensor(5), "rng_state": torch.zeros(9, dtype=torch.uint8)},
    "a loss with weights": {"state_dict": STATE, "loss": {"scale": torch.ones(1)}},
    "the same twice": {"model": STATE, "state_dict": STATE},
}


@pytest.mark.parametrize("form", ["torch", "old torch"])
@pytest.mark.parametrize("content", WRAPPED.values(), ids=WRAPPED)
def test_the_one_state_dict_is_found_where_it_lies(tmp_path: Path, content: Any, form: str) -> None:
    FORMS[form](content, tmp_path / "w.pt")
    assert same(read_weights(tmp_path / "w.pt"), STATE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": STATE, "ema": {k: v + 1 for k, v in STATE.items()}}, r"holds 2 sets of weights \(model, ema\)"),
        ({"a": {"student": STATE, "teacher": {k: v + 1 for k, v in STATE.items()}}}, r"\(a\.student, a\.teacher\)"),
        ({"models": [STATE, STATE]}, r"holds tensors, but no dictionary of them by name .*\(keys: models\)"),
        ({"epoch": 3}, r"holds no tensors \(keys: epoch\)"),
        (torch.ones(3), "holds one tensor without a name"),
    ],
)
def test_what_is_not_one_state_dict_is_refused_with_the_keys_found(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=words):
        read_weights(tmp_path / "w.pt")


PREFIXES = ["".join(parts) for count in (1, 2, 3) for parts in product(("_orig_mod.", "module."), repeat=count)]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_names_of_compiled_and_distributed_models_are_unwrapped(
    tmp_path: Path, make_encoder: Callable[..., ClipEncoder], prefix: str
) -> None:
    encoder = make_encoder("vit")
    own = encoder.clip.state_dict()
    outside = {prefix + name: value for name, value in own.items()}
    inside = {name.replace("visual.", f"visual.{prefix}"): value for name, value in own.items()}
    for wrapped in (outside, inside):
        torch.save(wrapped, tmp_path / "w.pt")
        assert same(read_clip_weights(tmp_path / "w.pt").clip, dict(own))
        load_strictly(encoder.clip, wrapped, where=tmp_path)


def test_names_that_would_become_one_are_left_as_they_are() -> None:
    state = {"visual.proj": torch.ones(1), "module.visual.proj": torch.zeros(1), "logit_scale": torch.ones(())}
    assert "module.visual.proj" in detect_format(state).other


def test_whole_numbers_are_no_weights(make_encoder: Callable[..., ClipEncoder], tmp_path: Path) -> None:
    encoder = make_encoder("vit")
    state = dict(encoder.clip.state_dict())
    state["visual.proj"] = state["visual.proj"].to(torch.int8)
    with pytest.raises(CheckpointError, match=r"visual\.proj is int8, wanted floating point"):
        load_strictly(encoder.clip, state, where=tmp_path)


RIGHT = {"compiled.pt": 38, "deepspeed.pt": 38, "safetensors_named.bin": 38, "torch_named.safetensors": 38}


def test_the_trials_of_the_data_folder_are_read_or_named(data_dir: Path) -> None:
    for name, count in RIGHT.items():
        weights = read_clip_weights(data_dir / "weights_trials" / name)
        assert len(weights.clip) == count, name
        assert not any("module" in name or "_orig_mod" in name for name in weights.clip)
    with pytest.raises(CheckpointError, match="is a web page"):
        read_weights(data_dir / "weights_trials" / "html.pth")
