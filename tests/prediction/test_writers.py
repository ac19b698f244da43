"""The files that hold what is predicted: every format the same rows, and none of them harmful."""

import csv
import errno
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dnll_plugin.errors import FileNotWrittenError, InputError
from dnll_plugin.prediction import writers
from dnll_plugin.prediction.rows import Row
from dnll_plugin.prediction.writers import Record, as_record, choose_format, writer

ROWS = [
    Row("é, b.png", "bee", 0.51234, ("ant", "dog"), {"ant": 0.01, "bee": 0.51234, "dog": 2e-9}),
    Row("c.png", "cat", 1.0, (), {"ant": 0.0, "bee": 0.0, "dog": 0.0}),
]
FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"]


def write(out: Path, rows: Sequence[Row] = ROWS, probabilities: bool = False) -> Path:
    with writer(out, choose_format(None, out)) as write_record:
        for row in rows:
            write_record(as_record(row, probabilities))
    return out


def read(out: Path) -> list[Record]:
    """The records of a file, as what reads its format gives them."""
    if out.suffix == ".jsonl":
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(out).to_pylist()


def read_cells(out: Path) -> list[list[str]]:
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_csv(tmp_path: Path) -> None:
    assert read_cells(write(tmp_path / "o.csv")) == [
        ["file", "label", "confidence", "not"],
        ["é, b.png", "bee", "0.5123", "ant;dog"],
        ["c.png", "cat", "1.0000", ""],
    ]
    header, first, _ = read_cells(write(tmp_path / "p.csv", probabilities=True))
    assert header[4:] == ["p_ant", "p_bee", "p_dog"]
    assert first[4:] == ["0.010000", "0.512340", "0.000000"]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_other_formats_hold_values(tmp_path: Path, ending: str) -> None:
    expected = [
        {"file": "é, b.png", "label": "bee", "confidence": 0.5123, "not": ["ant", "dog"]},
        {"file": "c.png", "label": "cat", "confidence": 1.0, "not": []},
    ]
    assert read(write(tmp_path / f"o.{ending}")) == expected
    assert read(write(tmp_path / f"p.{ending}", probabilities=True)) == [
        {**expected[0], "p_ant": 0.01, "p_bee": 0.51234, "p_dog": 0.0},
        {**expected[1], "p_ant": 0.0, "p_bee": 0.0, "p_dog": 0.0},
    ]


UNKNOWN = [
    ROWS[0]._replace(known=False, unknown_score=0.123456789),
    ROWS[1]._replace(known=True, unknown_score=1.2345e-12),
]


def test_whether_an_image_is_known_stands_after_what_it_is_not(tmp_path: Path) -> None:
    header, *cells = read_cells(write(tmp_path / "o.csv", UNKNOWN, probabilities=True))
    assert header[3:7] == ["not", "known", "unknown_score", "p_ant"]
    assert [row[4:6] for row in cells] == [["false", "0.123457"], ["true", "1.2345e-12"]]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_other_formats_hold_whether_an_image_is_known(tmp_path: Path, ending: str) -> None:
    records = read(write(tmp_path / f"o.{ending}", UNKNOWN))
    assert [(record["known"], record["unknown_score"]) for record in records] == [
        (False, 0.123457),
        (True, 1.2345e-12),
    ]
    assert list(records[0])[3:] == ["not", "known", "unknown_score"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    row = Row(text, text, 0.5, ("ant", text), {text: 0.5})
    header, cells = read_cells(write(tmp_path / "o.csv", [row], probabilities=True))
    assert cells[:2] == [f"'{text}"] * 2
    assert cells[3] == f"ant;'{text}"
    assert header[-1] == f"p_{text}"
    assert cells[-1] == "0.500000"


@pytest.mark.parametrize("text", ["a\r=1", "a\n=1", 'a"\r\n=1', "a,=1"])
def test_no_text_ends_its_cell(tmp_path: Path, text: str) -> None:
    _, cells = read_cells(write(tmp_path / "o.csv", [Row(text, text, 0.5, (text,), {})]))
    assert cells == [text, text, "0.5000", text]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("text", FORMULAS)
def test_other_formats_hold_the_true_text(tmp_path: Path, ending: str, text: str) -> None:
    (record,) = read(write(tmp_path / f"o.{ending}", [Row(text, text, 0.5, (text,), {})]))
    assert [record["file"], record["label"], record["not"]] == [text, text, [text]]


@pytest.mark.parametrize(("ending", "name"), [("jsonl", "\udcff.png"), ("parquet", "\\udcff.png")])
def test_a_name_that_is_no_text(tmp_path: Path, ending: str, name: str) -> None:
    row = Row("\udcff.png", "bee", 0.5, (), {})
    assert read(write(tmp_path / f"o.{ending}", [row]))[0]["file"] == name
    assert read_cells(write(tmp_path / "o.csv", [row]))[1][0] == "\\udcff.png"


def test_parquet_is_written_group_by_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(writers, "WAITING", 12)  # of four columns: three rows
    out = write(tmp_path / "o.parquet", [Row(f"{k}", "bee", 0.5, (), {}) for k in range(7)])
    groups = parquet.ParquetFile(out).metadata
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [3, 3, 1]
    assert [record["file"] for record in read(out)] == [f"{k}" for k in range(7)]


def test_the_ending_says_the_format_unless_another_is_asked_for() -> None:
    assert choose_format(None, Path("o.CSV")) == "csv"
    assert choose_format("jsonl", Path("o.csv")) == "jsonl"
    with pytest.raises(InputError, match=r"o: must end in .csv, .jsonl or .parquet; or give"):
        choose_format(None, Path("o"))


def test_without_pyarrow_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'dnll-plugin\[parquet\]'"):
        choose_format(None, Path("o.parquet"))


def test_the_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    out.write_text("before")
    with pytest.raises(AttributeError), writer(out, "csv") as write_record:
        write_record("no record")  # type: ignore[arg-type]
    assert out.read_text() == "before"
    assert list(tmp_path.iterdir()) == [out]


def test_a_disk_that_is_full_is_named(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    with (
        pytest.raises(FileNotWrittenError, match=r"o.csv: could not be written"),
        writer(out, "csv"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not out.exists()
