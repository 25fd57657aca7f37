"""Which curves a training has."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fdakit.report.training_curves import curve_panels, training_curves


def test_losses_by_name_chance_and_recalls_are_curves_of_the_epochs_that_have_them() -> None:
    history = [
        {"epoch": 1, "loss": 4.0, "a.one": 3.0, "chance": 4.1, "seconds": 1.0},
        {
            "epoch": 2,
            "loss": 2.0,
            "a.one": 1.0,
            "chance": 4.1,
            "seconds": 1.0,
            "val_t2v_R@1": 5.0,
            "val_v2t_MnR": 9.0,
        },
    ]
    assert curve_panels(history) == {
        "loss": {"loss": ([1, 2], [4.0, 2.0]), "a.one": ([1, 2], [3.0, 1.0]), "chance": ([1, 2], [4.1, 4.1])},
        "validation, %": {"R@1 text to video": ([2], [5.0])},
    }


def test_a_training_without_validation_has_losses_alone() -> None:
    assert curve_panels([{"epoch": 1, "loss": 1.0}])["validation, %"] == {}


@pytest.mark.parametrize("loss", [0.031, 0.9, 4.2, 7.3, 130.0])
@pytest.mark.parametrize("validated", [(), (3,), (1, 2, 3)])
def test_labels_are_inside_the_picture_and_legends_below_the_curves(loss: float, validated: tuple[int, ...]) -> None:
    pytest.importorskip("matplotlib")
    recalls = {f"val_{way}_R@{place}": 90.0 for way in ("t2v", "v2t") for place in (1, 5, 10)}
    history = [{"epoch": n, "loss": loss / n, **(recalls if n in validated else {})} for n in (1, 2, 3)]
    content = training_curves(history, title="trial")
    ink = np.asarray(Image.open(BytesIO(content)).convert("L")) < 250
    assert not ink[:, :2].any()
    assert not ink[:, -2:].any()
    assert not ink[-2:].any()


def test_panels_share_the_epochs_however_few_were_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure(layout="constrained")
    monkeypatch.setattr("fdakit.report.training_curves.png_image", lambda draw, size: draw(figure))
    epochs = [{"epoch": n, "loss": 1.0} for n in (1, 2, 3)]
    training_curves([*epochs, {"epoch": 4, "loss": 1.0, "val_t2v_R@1": 5.0}], title="trial")
    losses, validation = figure.axes
    assert losses.get_xlim() == validation.get_xlim() == pytest.approx((0.88, 4.12))
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0
        assert all(tick == round(tick) for tick in axes.get_xticks())
