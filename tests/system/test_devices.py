"""Devices, precision, loader workers and the cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fdakit import RecipeError
from fdakit.system.cache_folder import cache_folder
from fdakit.system.devices import autocast, choose_device, loader_workers, seed_draws

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_auto_takes_the_first_gpu_and_else_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "toaster", "", "cpu:x"])
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"train\.device: '{name}' cannot be used \(.+\); set it to auto or cpu"):
        choose_device(name)


def test_bf16_is_used_where_asked_and_nowhere_else_on_a_cpu() -> None:
    one = torch.ones(2, 2)
    for precision, kind in (("bf16", torch.bfloat16), ("auto", torch.float32), ("fp32", torch.float32)):
        with autocast(CPU, precision):
            assert (one @ one).dtype == kind


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize("able", [True, False])
def test_auto_is_bf16_on_a_gpu_that_has_it(monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able)
    assert isinstance(autocast(GPU, "auto"), torch.autocast) == able
    assert not isinstance(autocast(GPU, "fp32"), torch.autocast)


def test_workers_read_beside_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, expected in ((64, 16), (4, 3), (1, 1)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        assert loader_workers(None, GPU) == expected
        assert loader_workers(None, CPU) == 0
        assert loader_workers(5, CPU) == loader_workers(5, GPU) == 5
        assert loader_workers(0, GPU) == 0


@pytest.mark.parametrize(("told", "expected"), [("", 15), ("1", 15), ("4", 3), ("16", 1), ("32", 1), ("many", 15)])
def test_the_ranks_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch, told: str, expected: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", told)
    assert loader_workers(None, GPU) == expected


def test_cores_are_counted_where_no_affinity_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    for cores, expected in ((12, 11), (None, 1)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert loader_workers(None, GPU) == expected


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FDAKIT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path.home() / ".cache" / "fdakit"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "fdakit"
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_seeded_draws_are_those_of_a_manual_seed() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    seed_draws(7, torch.device("cpu"))
    assert torch.equal(torch.rand(3), wanted)
