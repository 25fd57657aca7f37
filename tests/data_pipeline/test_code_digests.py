"""The code that a part runs: what counts of fdakit's own and of others', and that renamed code is other code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import invalidate_caches
from pathlib import Path

import pytest

from fdakit.data_pipeline import code_digests
from fdakit.data_pipeline.code_digests import STEPS, code_digest, code_files, imported_files, is_edited
from fdakit.errors import FdakitError

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """`write({"drift/masks.py": "x = 1"})`: files of an importable folder; None removes one."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("drift")]:
        monkeypatch.delitem(sys.modules, name)

    def files(texts: dict[str, str | None]) -> None:
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        invalidate_caches()

    return files


def digest(module: str = "drift.masks", provider: str = "fdakit-drift") -> str | None:
    return code_digest.__wrapped__(module, provider)


DISTRIBUTION = {
    "fdakit_drift-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: fdakit-drift\nVersion: 1.0\n",
    "fdakit_drift-1.0.dist-info/entry_points.txt": "[fdakit]\ndrift = drift_plugin\n",
    "fdakit_drift-1.0.dist-info/RECORD": "drift_plugin.py,,\ndrift_core/__init__.py,,\n",
    "drift_plugin.py": "x = 1\n",
    "drift_core/__init__.py": "x = 1\n",
}


@pytest.mark.parametrize(
    ("init", "changed", "after"),
    [
        ("", "drift/steps.py", "mark = 2\n"),
        ("from .steps import mark\nmark *= 1\n", "drift/__init__.py", "from .steps import mark\nmark *= 3\n"),
        ("THRESHOLD = 1\n", "drift/__init__.py", "THRESHOLD = 2\n"),
        (None, "drift/steps.py", "mark = 2\n"),  # a namespace package
        ("", "drift/deep/er.py", "mark = 2\n"),
    ],
    ids=["a module", "a re-exported name", "a constant of the package", "a namespace package", "a folder below"],
)
def test_every_file_of_anothers_package_counts(write: Write, init: str | None, changed: str, after: str) -> None:
    write(
        {"drift/masks.py": "from . import steps\n", "drift/steps.py": "mark = 1\n", "drift/deep/er.py": "mark = 1\n"}
    )
    if init is not None:
        write({"drift/__init__.py": init})
    before = digest()
    assert before is not None
    write({changed: after})
    assert digest() != before


@pytest.mark.parametrize("changed", ["drift_plugin.py", "drift_core/__init__.py"])
def test_every_module_of_its_distribution_counts_wherever_build_comes_from(write: Write, changed: str) -> None:
    write({**DISTRIBUTION, "drift_makers.py": "def make(): ...\n"})
    before = digest("drift_makers")
    write({changed: "x = 2\n"})
    assert digest("drift_makers") != before


def test_code_that_cannot_be_parsed_or_imported_stops_nothing(write: Write) -> None:
    write({"drift/__init__.py": "", "drift/masks.py": "x = 1\n", "drift/old.py": "print 'two'\n"})
    write({"drift/win/__init__.py": "raise RuntimeError('windows only')\n", "drift/win/x.py": "V = 1\n"})
    assert digest() is not None
    assert "drift" not in sys.modules


def test_a_module_that_was_renamed_is_other_code_though_its_text_is_the_same(write: Write) -> None:
    """A clip that was made before a rename must never be taken for one of the code after it."""
    write({"drift/__init__.py": "", "drift/masks.py": "x = 1\n", "drift/steps.py": "mark = 1\n"})
    before = digest()
    write({"drift/steps.py": None, "drift/stages.py": "mark = 1\n"})
    assert digest() != before
    write({"drift/steps.py": "mark = 1\n", "drift/stages.py": None})
    assert digest() == before


def test_what_masks_are_made_of_counts_for_others_and_data_sets_do_not(write: Write) -> None:
    write({"drift.py": "import fdakit.mask_ops as ops\n"})
    files = code_files("drift", "drift")
    assert {"drift", "fdakit/mask_ops/differencing.py", "fdakit/video/timestamps.py"} <= files.keys()
    assert [name for name in files if "dataset" in name or "/cli/" in name] == []


def test_a_file_written_while_the_process_runs_may_not_be_what_was_loaded(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"drift.py": "x = 1\n"})
    assert is_edited("drift", "drift")
    monkeypatch.setattr(code_digests, "_STARTED", 2e10)
    assert not is_edited("drift", "drift")


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
    assert all(path.is_file() for path in followed.values())


def test_nothing_is_kept_for_code_in_no_file_and_a_step_that_is_gone_is_an_error(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert digest("made_in_memory") is None
    assert all(code_digests._own_path(step).is_file() for step in STEPS)
    monkeypatch.setattr(code_digests, "STEPS", ("fdakit.data_pipeline.gone",))
    write({"drift/__init__.py": "", "drift/masks.py": "x = 1\n"})
    with pytest.raises(FdakitError, match=r"fdakit\.data_pipeline\.gone: its file cannot be found"):
        digest()
