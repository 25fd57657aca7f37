"""The code that a part runs: what is followed, what is not, and that moved or renamed code is other code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import invalidate_caches
from pathlib import Path

import pytest

from fdakit.data_pipeline import code_digests
from fdakit.data_pipeline.code_digests import STEPS, code_digest, imported_files
from fdakit.errors import FdakitError

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """`write(masks="from .steps import mark", steps=...)`: the modules of a package `drift` as files."""
    package = tmp_path / "drift"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "drift", raising=False)

    def files(**modules: str | None) -> None:
        for name, text in modules.items():
            path = package / f"{name}.py"
            path.unlink() if text is None else path.write_text(text)
        invalidate_caches()

    return files


def digest(module: str = "drift.masks") -> str | None:
    return code_digest.__wrapped__(module)


def test_what_a_module_imports_is_followed_and_nothing_else(write: Write) -> None:
    write(masks="from .steps import mark\n", steps="mark = 1\n", another="x = 1\n")
    first = digest()
    write(another="x = 2\n")
    assert digest() == first
    write(steps="mark = 2\n")
    assert digest() != first


def test_imports_in_functions_count_and_those_for_type_checkers_do_not(write: Write) -> None:
    write(
        masks="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .types import T\n"
        "def mask():\n    from .steps import mark\n    return mark\n",
        steps="mark = 1\n",
        types="T = int\n",
    )
    assert {"drift.masks", "drift.steps"} == {name for name in imported_files(["drift.masks"]) if "drift." in name}


def test_a_module_that_was_renamed_is_other_code_though_its_text_is_the_same(write: Write) -> None:
    """A clip that was made before a rename must never be taken for one of the code after it."""
    write(masks="from . import steps\n", steps="mark = 1\n")
    before = digest()
    write(masks="from . import stages\n", steps=None, stages="mark = 1\n")
    after = digest()
    assert after != before
    write(masks="from . import steps\n", steps="mark = 1\n", stages=None)
    assert digest() == before


def test_a_name_out_of_a_namespace_counts_as_the_module_that_has_it(write: Write) -> None:
    write(masks="from fdakit.mask_ops import get_backend\nfrom fdakit.plugin import keyed_rng\n")
    files = imported_files(["drift.masks"])
    assert {"fdakit.mask_ops.backends", "fdakit.mask_ops.numpy_backend", "fdakit.random_keys"} <= files.keys()
    assert "fdakit.mask_ops.camera_motion" not in files
    assert all(path.is_file() for path in files.values())


@pytest.mark.parametrize(
    ("part", "step"),
    [
        ("fdakit.builtin.masks.frame_difference", "fdakit.mask_ops.opencv_backend"),
        ("fdakit.builtin.masks.motion_vectors", "fdakit.mask_ops.motion_residual"),
        ("fdakit.builtin.readers.pyav", "fdakit.video.timestamps"),
        ("fdakit.builtin.samplers.uniform", "fdakit.values"),
    ],
)
def test_the_built_in_parts_reach_the_code_that_decides_their_pixels(part: str, step: str) -> None:
    assert step in imported_files([part])


def test_a_data_set_decides_no_pixels_of_a_mask() -> None:
    followed = imported_files(["fdakit.builtin.masks.frame_difference", "fdakit.builtin.readers.pyav"])
    assert [name for name in followed if "dataset" in name] == []


def test_nothing_is_kept_for_code_in_no_file_and_a_step_that_is_gone_is_an_error(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert digest("made_in_memory") is None
    assert all(code_digests._own_path(step).is_file() for step in STEPS)
    monkeypatch.setattr(code_digests, "STEPS", ("fdakit.data_pipeline.gone",))
    write(masks="x = 1\n")
    with pytest.raises(FdakitError, match=r"fdakit\.data_pipeline\.gone: its file cannot be found"):
        digest()
