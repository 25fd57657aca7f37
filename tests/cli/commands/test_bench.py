"""`fdakit bench encode`."""

from __future__ import annotations

from helpers.cli_output import Tell

SMALL = ("quickstart", "--set", "encoder.layers=1", "--batch", "2", "--rounds", "2", "--device", "cpu")


def test_a_table_and_what_was_measured(tell: Tell) -> None:
    told = tell("bench", "encode", *SMALL, "--fusion", "alpha-conv", "--fusion", "motion-tokens keep_tokens=4")
    assert told.code == 0
    for words in (
        "encoding 2 frames of 64 px, tiny",
        " open_clip ",
        " motion-tokens keep_tokens=4 ",
        "medians of 2 interleaved rounds; cpu",
        "vectors of alpha-conv and open_clip are bit-equal",
        "vectors of motion-tokens keep_tokens=4 and open_clip differ by up to",
    ):
        assert words in told.out
    assert told.err == "round 2 of 2\n"


def test_json_carries_the_same(tell: Tell) -> None:
    found = tell("bench", "encode", *SMALL, "--fusion", "none", "--json").json
    assert [row["name"] for row in found["timed"]] == ["open_clip", "none"]
    assert found["rounds"] == found["rounds_asked"] == 2


def test_what_is_wrong_is_worded(tell: Tell) -> None:
    for arguments, words in (
        (("--fusion", "alpha"), "bench: fusion.use: unknown fusion 'alpha'; did you mean 'alpha-conv'"),
        (("--model", "ViT-B-17"), "encoder.model: open_clip knows no model 'ViT-B-17'"),
        (("--device", "tpu"), "train.device: 'tpu' cannot be used"),
    ):
        told = tell("bench", "encode", *arguments)
        assert (told.code, told.out) == (2, "")
        assert words in told.err
