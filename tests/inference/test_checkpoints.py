"""Checkpoint folders: complete when copied, whole after a kill, and found under every name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from helpers.write_faults import count_changes, killed_at, refused_at
from safetensors.torch import save_file

from fdakit import CheckpointError
from fdakit.catalog import Catalog
from fdakit.experiment.run_folder import recipe_text
from fdakit.inference import save_checkpoint as writing
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import find_checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.factory import build_retriever
from fdakit.inference.save_checkpoint import save_checkpoint, weights_hash
from fdakit.inference.snapshot import take_snapshot
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

CPU = torch.device("cpu")


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe]) -> Recipe:
    return make_recipe(seed=5)


@pytest.fixture
def retriever(recipe: Recipe) -> Retriever:
    return build_retriever(recipe, device=CPU)


@pytest.fixture
def save(recipe: Recipe, retriever: Retriever) -> Callable[..., None]:
    """`save(folder, step)`: the retriever with all its weights at `step`."""

    def save(folder: Path, step: int) -> None:
        for weight in retriever.parameters():
            torch.nn.init.constant_(weight, step)
        state = {"position": [0, 0, step], "rng": torch.get_rng_state()}
        info = CheckpointInfo(step=step)
        save_checkpoint(folder, take_snapshot(retriever, state), recipe_text=recipe_text(recipe), info=info)

    return save


def step_of(folder: Path, retriever: Retriever) -> int:
    """What all parts of the checkpoint agree on."""
    found = Checkpoint.open(folder)
    found.load_into(retriever)
    steps = {float(value.detach().flatten()[0]) for value in retriever.parameters()}
    steps |= {found.info.step, found.state().position[2]}
    assert len(steps) == 1, steps
    return int(steps.pop())


def test_a_copied_folder_is_complete(
    tmp_path: Path, recipe: Recipe, save: Callable[..., None], catalog: Catalog
) -> None:
    save(tmp_path / "run" / "checkpoints" / "best", 3)
    copy = Path(shutil.copytree(tmp_path / "run" / "checkpoints" / "best", tmp_path / "copy"))
    shutil.rmtree(tmp_path / "run")
    found = Checkpoint.of_run(copy).recipe(catalog=catalog)
    assert found.document() == recipe.document()
    assert step_of(copy, build_retriever(found, device=CPU, pretrained=False)) == 3


def test_saving_again_replaces_everything_and_leaves_nothing_behind(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever
) -> None:
    for step in (1, 2, 3):
        save(tmp_path / "last", step)
        (tmp_path / "last" / f"of-{step}").touch()
    assert step_of(tmp_path / "last", retriever) == 3
    assert not (tmp_path / "last" / "of-2").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_a_kill_at_any_moment_leaves_the_former_or_the_new_checkpoint(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever
) -> None:
    save(tmp_path / "counted" / "last", 1)
    moments = count_changes(lambda: save(tmp_path / "counted" / "last", 2))
    found = set()
    for moment in [1, moments // 2, *range(moments - 6, moments + 1, 2), moments]:  # the renames come last
        folder = tmp_path / str(moment) / "last"
        save(folder, 1)
        assert killed_at(moment, lambda folder=folder: save(folder, 2))  # type: ignore[misc]
        found.add(step_of(folder, retriever))
        save(folder, 3)
        assert step_of(folder, retriever) == 3
        assert [path.name for path in folder.parent.iterdir()] == ["last"]
    assert found == {1, 2}


def test_a_first_checkpoint_that_was_finished_but_not_renamed_is_found(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever
) -> None:
    folder = tmp_path / "last"
    save(folder, 1)
    folder.rename(tmp_path / ".last.new")
    assert step_of(folder, retriever) == 1
    (tmp_path / ".last.new" / "SHA256SUMS").unlink()  # as long as that is lacking it was being written
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        find_checkpoint(folder)


@pytest.mark.parametrize("refused", ["weights", "state", "call"])
def test_a_full_disk_leaves_the_former_checkpoint_and_is_told_in_words(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "last"

    def fail(kind: str, words: str) -> Callable[..., None]:
        def call(_: Any, file: Any, **__: Any) -> None:
            if hasattr(file, "write"):
                file.write(b"half")
            else:
                Path(file).write_bytes(b"half")
            raise type(kind, (Exception,), {})(words)

        return call

    save(folder, 1)
    words = r"last: cannot be written \(.*No space left.*\); make room there .* `fdakit run --resume`"
    if refused == "call":
        for moment in range(1, 40):
            try:
                with refused_at(moment) as calls:
                    save(folder, 2)
            except CheckpointError as error:
                assert re.search(words, str(error)), error
            assert not (tmp_path / ".last.new").exists()
            assert step_of(folder, retriever) in (1, 2)
            if calls.count < moment:
                return
            save(folder, 1)
        pytest.fail("never came to an end")
    with monkeypatch.context() as patch:
        if refused == "weights":
            said = "Error while serializing: I/O error: No space left on device (os error 28)"
            patch.setattr(writing, "save_file", fail("SafetensorError", said))
        else:
            said = (
                "[enforce fail at inline_container.cc:783] . PytorchStreamWriter failed writing file: No space left"
            )
            patch.setattr(writing.torch, "save", fail("RuntimeError", said))
        with pytest.raises(CheckpointError, match=words):
            save(folder, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["last"]
    assert step_of(folder, retriever) == 1


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_disk_that_is_really_full(tmp_path: Path, save: Callable[..., None], retriever: Retriever) -> None:
    save(tmp_path / "measured", 1)
    size = sum(path.stat().st_size for path in (tmp_path / "measured").iterdir())
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={2 * size + 99_000}", "none", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        folder = disk / "last"
        save(folder, 1)
        for room in range(0, size - 4096, size // 6):
            (disk / "ballast").write_bytes(b"")
            free = os.statvfs(disk)
            (disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - room)))
            with pytest.raises(CheckpointError, match=r"last: cannot be written \(.*; make room there"):
                save(folder, 2)
            assert sorted(path.name for path in disk.iterdir()) == ["ballast", "last"]
            assert step_of(folder, retriever) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_checkpoint_is_found_by_every_name(tmp_path: Path, save: Callable[..., None]) -> None:
    best = tmp_path / "run" / "checkpoints" / "best"
    save(best, 1)
    save(tmp_path / "run" / "checkpoints" / "last", 2)
    for path in (best, best / "model.safetensors", tmp_path / "run", tmp_path / "run" / "checkpoints"):
        assert find_checkpoint(path) == best
    last = tmp_path / "run" / "checkpoints" / "last"
    assert find_checkpoint(last) == last
    for name in ("recipe.toml", "checkpoint.json"):
        with pytest.raises(CheckpointError):
            find_checkpoint(best / name)


def test_what_is_no_checkpoint_is_told(tmp_path: Path, catalog: Catalog) -> None:
    with pytest.raises(CheckpointError, match="nowhere: no such checkpoint"):
        find_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="neither a run folder nor a checkpoint folder"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"holds no recipe\.toml; name the recipe they belong to"):
        Checkpoint.of_run(tmp_path).recipe(catalog=catalog)
    assert Checkpoint.of_run(tmp_path).info == CheckpointInfo()


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("content", [b"", b"nothing of the kind", None, b"cut"])
def test_a_state_that_cannot_be_read_is_told(
    tmp_path: Path, save: Callable[..., None], content: Any, older: bool
) -> None:
    save(tmp_path / "last", 1)
    if older:
        (tmp_path / "last" / "SHA256SUMS").unlink()
    state = tmp_path / "last" / "training.pt"
    if content is None:
        state.unlink()
    else:
        state.write_bytes(state.read_bytes()[:200] if content == b"cut" else content)
    said = "absent" if content is None else "not readable" if older else "changed or damaged"
    with pytest.raises(CheckpointError, match=rf"training\.pt: {said}.* start (it|the run) again"):
        Checkpoint.of_run(tmp_path / "last").state()


def test_a_changed_bit_in_any_file_is_told_with_what_to_use_instead(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever, catalog: Catalog
) -> None:
    save(tmp_path / "best", 1)
    save(tmp_path / "last", 2)
    readers: dict[str, Callable[[], object]] = {
        "model.safetensors": lambda: Checkpoint.of_run(tmp_path / "last").load_into(retriever),
        "recipe.toml": lambda: Checkpoint.of_run(tmp_path / "last").recipe(catalog=catalog),
        "checkpoint.json": lambda: Checkpoint.of_run(tmp_path / "last").info,
        "training.pt": lambda: Checkpoint.of_run(tmp_path / "last").state(),
    }
    for name, read in readers.items():
        path = tmp_path / "last" / name
        content = path.read_bytes()
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        with pytest.raises(CheckpointError, match=rf"last/{name}: changed or damaged since .*{tmp_path / 'best'}"):
            read()
        path.write_bytes(content)
        read()


def test_weights_are_tied_to_the_state_that_was_saved_with_them(tmp_path: Path, save: Callable[..., None]) -> None:
    for step in (1, 2):
        save(tmp_path / f"of-{step}", step)
        (tmp_path / f"of-{step}" / "SHA256SUMS").unlink()
    shutil.copy(tmp_path / "of-2" / "model.safetensors", tmp_path / "of-1")
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: not the weights that its training\.pt belongs to"
    ):
        Checkpoint.of_run(tmp_path / "of-1").state()


def test_a_checkpoint_of_an_older_fdakit_is_read_with_a_warning_and_lost_digests_are_not_taken_for_one(
    tmp_path: Path, save: Callable[..., None], retriever: Retriever
) -> None:
    save(tmp_path / "best", 1)
    weights = tmp_path / "best" / "model.safetensors"
    (tmp_path / "best" / "SHA256SUMS").unlink()
    with pytest.raises(CheckpointError, match=r"SHA256SUMS: absent, though model\.safetensors was written with it"):
        Checkpoint.of_run(tmp_path / "best").load_into(retriever)
    save_file(retriever.state_dict(), weights, metadata={"format": "pt", "fdakit": "retriever"})
    with pytest.warns(UserWarning, match="best: was written by an older fdakit, without SHA256SUMS"):
        Checkpoint.of_run(tmp_path / "best").load_into(retriever)


WRONG = [
    *("[]", "3", '"text"', "null", '{"epoch": "one"}', '{"step": -1}', '{"chosen_by": 3}', '{"damage": []}'),
    *('{"damage": {"skipped": ["a"]}}', '{"training": {}}', '{"training": 1}', '{"chosen_on": {}}', "{", ""),
]


@pytest.mark.parametrize("content", WRONG)
def test_facts_that_hold_wrong_things_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "checkpoint.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json: .*; .*model\.safetensors alone"):
        assert Checkpoint.of_run(tmp_path).info


@pytest.mark.parametrize(
    "change",
    [
        *({"position": [1, 2]}, {"position": [0, 0, -1]}, {"position": None}, {"rng": 3}, {"losses": ["a"]}),
        *({"best": [1.0, 2.0, 3.0]}, {"damage": 1}, {"optimiser": []}, {"history": 4}),
    ],
)
def test_a_state_that_holds_wrong_things_is_told(
    tmp_path: Path, save: Callable[..., None], change: dict[str, Any]
) -> None:
    save(tmp_path / "last", 1)
    (tmp_path / "last" / "SHA256SUMS").unlink()
    path = tmp_path / "last" / "training.pt"
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(CheckpointError, match=r"training\.pt: .*; this state cannot be resumed: start the run again"):
        Checkpoint.of_run(tmp_path / "last").state()


def test_weights_of_another_recipe_are_refused(
    tmp_path: Path, save: Callable[..., None], make_recipe: Callable[..., Recipe]
) -> None:
    save(tmp_path / "best", 1)
    other = build_retriever(make_recipe(fusion={"use": "none"}), device=CPU)
    with pytest.raises(CheckpointError, match=r"another architecture: unexpected fusion\.convolutions\.0\.weight"):
        Checkpoint.of_run(tmp_path / "best").load_into(other)


def test_the_facts_are_plain_json(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "best", 4)
    assert json.loads((tmp_path / "best" / "checkpoint.json").read_text()) == {"step": 4}


def test_the_digest_of_weights_is_sha_256_over_names_types_shapes_and_bytes() -> None:
    module = torch.nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
        module.bias.fill_(3.0)
    told = b"bias torch.float32 (1,)\n" + struct.pack("<f", 3) + b"weight torch.float32 (1, 2)\n"
    assert weights_hash(cast(Retriever, module)) == hashlib.sha256(told + struct.pack("<2f", 1, 2)).hexdigest()


def test_the_digest_of_weights_tells_every_change(recipe: Recipe) -> None:
    retriever = build_retriever(recipe, device=CPU)
    first = weights_hash(retriever)
    assert weights_hash(build_retriever(recipe, device=CPU)) == first
    for name, value in retriever.state_dict().items():
        kept = value.clone()
        value.view(-1)[-1] += 1
        assert weights_hash(retriever) != first, name
        value.copy_(kept)
    assert weights_hash(retriever) == first


def test_a_fifo_or_a_device_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(CheckpointError, match=f"{path}: neither a folder nor a regular file; name a run folder"):
            find_checkpoint(path)
