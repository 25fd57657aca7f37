"""`fdakit weights`: what a file is, told by its keys, and its values kept bit for bit through `convert`."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from helpers.parity import build_clip
from safetensors import safe_open
from safetensors.torch import save_file

from fdakit import CheckpointError
from fdakit.model import read_clip_weights, recorded_preprocess
from fdakit.model.architecture import read_architecture
from fdakit.model.weight_conversion import convert_weights, inspect_weights
from fdakit.model.weight_formats import detect_format
from fdakit.model.weight_loading import load_towers

pytestmark = pytest.mark.integration

FIXTURES = Path(__file__).parents[1] / "fixtures"
VIT = FIXTURES / "alphaclip" / "vit_w64"
RESNET = FIXTURES / "alphaclip" / "rn_w4"
CLIP4CLIP = FIXTURES / "clip4clip" / "e2e_seqtransf_w64" / "checkpoint.bin"


@pytest.mark.parametrize(
    ("file", "layout", "container", "alpha"),
    [
        (VIT / "base_clip.pt", "CLIP (OpenAI's or open_clip's)", "torch file", False),
        (VIT / "base_clip_jit.pt", "OpenAI CLIP", "TorchScript archive", False),
        (VIT / "alpha_visual.pth", "Alpha-CLIP visual tower", "torch file", True),
        (VIT / "alpha_visual_ddp.pth", "Alpha-CLIP visual tower", "torch file", True),
        (RESNET / "alpha_visual.pth", "Alpha-CLIP visual tower", "torch file", True),
        (CLIP4CLIP, "CLIP4Clip", "torch file", False),
    ],
    ids=lambda value: value.parent.name + "-" + value.name if isinstance(value, Path) else None,
)
def test_a_file_is_recognised_by_its_keys(file: Path, layout: str, container: str, alpha: bool) -> None:
    found = inspect_weights(file)
    assert (found.format, found.container, found.alpha) == (layout, container, alpha)
    assert found.tensors == sum(found.types.values())
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_belongs_to_no_tower_is_named() -> None:
    found = inspect_weights(CLIP4CLIP)
    assert "frame_position_embeddings.weight" in found.other
    assert all(not name.startswith("clip.") for name in found.other)


@pytest.mark.parametrize(
    "file",
    [
        VIT / "base_clip_jit.pt",
        VIT / "alpha_visual_ddp.pth",
        RESNET / "base_clip.pt",
        RESNET / "alpha_visual.pth",
        CLIP4CLIP,
    ],
    ids=lambda file: f"{file.parent.name}-{file.name}",
)
def test_convert_keeps_every_value_and_says_where_it_came_from(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "model.safetensors"
    convert_weights(file, out)
    before, after = read_clip_weights(file), read_clip_weights(out)
    for kind in ("clip", "other"):
        old, new = getattr(before, kind), getattr(after, kind)
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) and old[name].dtype == new[name].dtype for name in old)
    assert len(before.alpha) == len(after.alpha)
    assert all(torch.equal(old, new) for old, new in zip(before.alpha, after.alpha, strict=True))
    with safe_open(out, "pt") as opened:
        header = opened.metadata()
    assert header["source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert header["source_format"] == before.format
    assert header["model"] == inspect_weights(file).architecture


@pytest.mark.integration
def test_the_published_vit_b16_layout_loads_strictly_and_round_trips(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    visual = open_clip_visual("ViT-B-16-quickgelu")
    published = {
        name.replace(".attn.in_proj_", ".attn.in_proj."): torch.randn(value.shape, generator=generator)
        for name, value in visual.items()
    }
    published["conv1_alpha.weight"] = torch.randn(768, 1, 16, 16, generator=generator)
    torch.save(published, tmp_path / "clip_b16.pth")
    found = convert_weights(tmp_path / "clip_b16.pth", tmp_path / "model.safetensors")
    assert found.format == "Alpha-CLIP visual tower"
    assert "ViT-B-16" in found.models
    again = read_clip_weights(tmp_path / "model.safetensors")
    assert all(
        torch.equal(again.visual()[name.replace(".attn.in_proj.", ".attn.in_proj_")], value)
        for name, value in published.items()
        if name != "conv1_alpha.weight"
    )
    assert torch.equal(again.alpha[0], published["conv1_alpha.weight"])


def open_clip_visual(name: str) -> dict[str, torch.Tensor]:
    import open_clip

    state: dict[str, torch.Tensor] = open_clip.create_model(name).visual.state_dict()
    return state


def test_another_resolution_interpolates_the_position_embedding_and_says_so(tmp_path: Path) -> None:
    from dataclasses import replace

    weights = read_clip_weights(VIT / "base_clip.pt")
    larger = build_clip(replace(read_architecture(weights), image_size=48), quick_gelu=True)
    with pytest.warns(UserWarning, match="made for 16 patches, this tower has 36"):
        load_towers(larger, weights, where=VIT / "base_clip.pt")
    loaded = larger.visual.positional_embedding  # type: ignore[union-attr]
    old = weights.clip["visual.positional_embedding"]
    assert torch.equal(loaded[0], old[0])  # type: ignore[index]
    torch.testing.assert_close(loaded[1:].mean(0), old[1:].mean(0), atol=0.05, rtol=0.05)  # type: ignore[index]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("harm-was-done"),))  # type: ignore[return-value]


@pytest.mark.parametrize("fault", ["absent", "folder", "truncated", "code", "text", "other model"])
def test_what_cannot_be_converted_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source, out = tmp_path / "in.pth", tmp_path / "out" / "model.safetensors"
    out.parent.mkdir()
    if fault == "folder":
        source.mkdir()
    elif fault == "truncated":
        source.write_bytes((VIT / "base_clip.pt").read_bytes()[:5000])
    elif fault == "code":
        source.write_bytes(pickle.dumps({"a": Harm()}))
    elif fault == "text":
        source.write_text("not weights")
    elif fault == "other model":
        save_file({"layer.weight": torch.zeros(2)}, tmp_path / "in.safetensors")
        source = tmp_path / "in.safetensors"
    with pytest.raises(CheckpointError, match=str(source.absolute())):
        convert_weights(source, out)
    assert list(out.parent.iterdir()) == []
    assert not (tmp_path / "harm-was-done").exists()


def test_a_state_of_no_known_layout_is_unknown() -> None:
    found = detect_format({"layer.weight": torch.zeros(2)})
    assert (found.format, found.clip) == ("unknown", {})
    with pytest.raises(CheckpointError, match="not the weights of a CLIP"):
        load_towers(None, found, where=Path("x.pth"))


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    weights = read_clip_weights(VIT / "base_clip.pt")
    whole = torch.arange(8.0)
    torch.save({**weights.clip, "extra.whole": whole, "extra.part": whole[2:4]}, tmp_path / "in.pt")
    convert_weights(tmp_path / "in.pt", tmp_path / "new" / "folder" / "out.safetensors")
    found = read_clip_weights(tmp_path / "new" / "folder" / "out.safetensors").other
    assert torch.equal(found["extra.part"], whole[2:4])
    assert torch.equal(found["extra.whole"], whole)


def test_where_nothing_can_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"file/out\.safetensors: cannot be written \("):
        convert_weights(VIT / "base_clip.pt", tmp_path / "file" / "out.safetensors")
    save_file({"a": torch.ones(1)}, tmp_path / "same.safetensors")
    with pytest.raises(CheckpointError, match="is the file to convert; name another"):
        convert_weights(tmp_path / "same.safetensors", tmp_path / "same.safetensors")


SHAPES: list[tuple[int, ...]] = [(), (0,), (0, 0), (1,), (3, 0, 8, 8), (2, 3), (1, 1, 1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "name",
    [
        "visual.conv1.weight",
        "visual.positional_embedding",
        "visual.class_embedding",
        "visual.proj",
        "token_embedding.weight",
        "positional_embedding",
        "ln_final.weight",
        "logit_scale",
    ],
)
def test_clip_keys_of_any_shape_are_told_and_never_loaded(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    weights = read_clip_weights(VIT / "base_clip.pt")
    clip = build_clip(read_architecture(weights), quick_gelu=True)
    torch.save({**weights.clip, name: torch.ones(shape)}, tmp_path / "odd.pt")
    found = inspect_weights(tmp_path / "odd.pt")
    assert found.tensors == len(weights.clip)
    odd = read_clip_weights(tmp_path / "odd.pt")
    if torch.ones(shape).numel() == 1 and name == "logit_scale":
        load_towers(clip, odd, where=tmp_path / "odd.pt")
    else:
        with pytest.raises(CheckpointError, match=rf"odd\.pt: .*{name.replace('.', '[.]')} is "):
            load_towers(clip, odd, where=tmp_path / "odd.pt")


def test_sizes_of_nothing_are_no_architecture() -> None:
    weights = read_clip_weights(VIT / "base_clip.pt")
    empty = detect_format({**weights.clip, "visual.conv1.weight": torch.ones(64, 3, 8, 0)})
    with pytest.raises(CheckpointError, match=r"size by itself \(patch would be 0\); name the model"):
        read_architecture(empty)


def test_what_a_file_tells_of_pictures_is_kept_and_shown(tmp_path: Path) -> None:
    convert_weights(VIT / "base_clip_jit.pt", tmp_path / "once.safetensors")
    kept = recorded_preprocess(tmp_path / "once.safetensors")
    assert kept is not None
    assert (kept.size, kept.mean[0], kept.std[0], kept.resize) == (32, 0.48145466, 0.26862954, "shortest")
    assert kept.source == "OpenAI's, by the layout OpenAI CLIP"
    convert_weights(tmp_path / "once.safetensors", tmp_path / "twice.safetensors")
    again = recorded_preprocess(tmp_path / "twice.safetensors")
    assert again is not None
    assert (again, again.source) == (kept, kept.source)
    assert inspect_weights(tmp_path / "twice.safetensors").pictures == (
        "32 px, shortest, bicubic, mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758 (OpenAI's, by the layout "
        "OpenAI CLIP)"
    )
    convert_weights(VIT / "base_clip.pt", tmp_path / "other.safetensors")
    assert recorded_preprocess(tmp_path / "other.safetensors") is None
    assert inspect_weights(VIT / "base_clip.pt").pictures == "not told by the file"
