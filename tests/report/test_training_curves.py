"""Which curves a training has."""

from __future__ import annotations

from fdakit.report.training_curves import curve_panels


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
