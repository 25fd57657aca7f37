"""`fdakit index`, `search` and `embed`, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_output import Tell

pytest.importorskip("lance", reason='needs pip install "fdakit[search]"')
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:.*random weights:UserWarning")]

CUT = ("--window", "2", "--step", "1", "--workers", "0")


@pytest.fixture(scope="module")
def index(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands") / "index"


def test_two_commands_lead_from_a_folder_to_a_moment(tell: Tell, clips: Path, index: Path, tmp_path: Path) -> None:
    made = tell("index", str(clips), "--model", "quickstart", "--out", str(index), *CUT)
    assert made.code == 0, made.err
    assert "8 added, 0 unchanged (11 segments)" in made.out
    assert f'search it with: fdakit search {index} "' in made.out

    found = tell("search", str(index), "--like", str(clips / "pink-down.mp4"), "--from", "1", "--to", "3", "--k", "2")
    assert found.code == 0, found.err
    assert "pink-down.mp4" in found.out

    told = tell("search", str(index), "a pink square moves down", "--where", "duration > 2", "--json").json
    assert [Path(one["path"]).name for one in told["moments"]] == ["pink-down.mp4"] * len(told["moments"])
    assert told["line"] is not None
    assert tell("search", str(index), "a square", "--where", "name = 'absent'").out.startswith("nothing found")
    assert "moments" in tell("search", str(index), "--unusual", "--json").json

    again = tell("index", "--out", str(index), "--json").json
    assert (again["unchanged"], again["added"]) == (8, 0)
    assert tell("index", "--out", str(index), "--stats", "--json").json["segments"] == {"indexed": 11}
    assert "whole" in tell("index", "--out", str(index), "--verify").out


def test_damage_is_found_and_told(tell: Tell, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    tell("index", str(clips / "red-across.mp4"), "--model", "quickstart", "--out", str(folder), *CUT)
    (data,) = (folder / "segments.lance" / "data").iterdir()
    content = bytearray(data.read_bytes())
    content[7] ^= 1
    data.write_bytes(content)
    told = tell("index", "--out", str(folder), "--verify")
    assert told.code == 2
    assert data.name in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search", "INDEX"), "give one of TEXT"),
        (("search", "INDEX", "text", "--like", "x.mp4"), "give one of TEXT"),
        (("search", "INDEX", "text", "--from", "3"), "add --like FILE"),
        (("index", "--out", "INDEX", "--whole", "--window", "3"), "leave --window, --step and --cuts out"),
        (("index", "--out", "INDEX", "--verify", "--stats"), "give one of them"),
        (("index", "--out", "INDEX", "--watch", "--json"), "leave --json out"),
        (("index", "--out", "NEW"), "name the videos or their folder"),
        (("index", "CLIPS", "--out", "NEW"), "name the model"),
    ],
)
def test_what_makes_no_sense_is_told(
    tell: Tell, clips: Path, index: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    places = {"INDEX": str(index), "NEW": str(tmp_path / "new"), "CLIPS": str(clips)}
    told = tell(*(places.get(word, word) for word in words))
    assert told.code == 2
    assert said in told.err


def test_vectors_are_written_for_other_tools(tell: Tell, clips: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    told = tell("embed", str(clips), "--model", "quickstart", "--out", str(tmp_path / "videos"), "--workers", "0")
    assert told.code == 0, told.err
    vectors = np.load(tmp_path / "videos" / "vectors.npy")
    rows = pyarrow.parquet.read_table(tmp_path / "videos" / "rows.parquet").to_pylist()
    assert vectors.shape == (8, 128)
    assert [row["first"] for row in rows] == list(range(8))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps(["a red square", {"caption": "a blue square"}]))
    told = tell("embed", str(captions), "--model", "quickstart", "--out", str(tmp_path / "texts"))
    assert told.code == 0, told.err
    rows = pyarrow.parquet.read_table(tmp_path / "texts" / "rows.parquet").to_pylist()
    assert [row["caption"] for row in rows] == ["a red square", "a blue square"]
    captions.write_text("{}")
    assert "no caption" in tell("embed", str(captions), "--model", "quickstart", "--out", str(tmp_path / "x")).err
