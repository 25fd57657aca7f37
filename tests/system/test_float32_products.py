"""TF32: said for matrix products and convolutions alike, and taken back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fdakit.system.float32_products import products_in_use, tf32


@pytest.mark.parametrize(
    ("allowed", "words"),
    [(False, "matrix products: full, convolutions: full"), (True, "matrix products: TF32, convolutions: TF32")],
)
def test_both_are_switched_and_put_back_after_an_error_too(allowed: bool, words: str) -> None:
    before = products_in_use()
    with pytest.raises(KeyError), tf32(allowed):
        assert products_in_use() == words
        with tf32(not allowed):
            assert products_in_use() != words
        assert products_in_use() == words
        raise KeyError
    assert products_in_use() == before


def test_older_torch_has_other_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda: Any = SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False))
    cudnn: Any = SimpleNamespace(allow_tf32=True)
    monkeypatch.setattr(torch.backends, "cuda", cuda)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    assert products_in_use() == "matrix products: full, convolutions: TF32"
    with tf32(False):
        assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == (False, False)
    with tf32(True):
        assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == (True, True)
    assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == (False, True)
