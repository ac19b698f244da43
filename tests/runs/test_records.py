"""Records of a run are read up to where they are damaged."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.runs.records import read, truncate

GOOD = [{"step": step, "train/loss": 0.5, "lr": None} for step in (2, 4, 6)]
LINES = [json.dumps(record).encode() for record in GOOD]

BAD = [
    *(b"", b"words", b"3", b"[1]", b"null", b"{}", b'{"step": null}', b'{"step": "4"}'),
    *(b'{"step": NaN}', b'{"step": -1}', b'{"step": true}', b'{"step": 4.5}'),
    *(b'{"step": 4, "lr": [1]}', b'{"step": 4, "lr": Infinity}', b'{"step": 4', b"\xff\xfe"),
    *(b'{"step": 4, "lr": 1e999}', b"[" * 100_000, b'{"step": 4, "lr": ' + b"9" * 400 + b"}"),
]


@pytest.mark.parametrize("bad", BAD, ids=[line[:24] for line in BAD])
def test_what_stands_from_a_damaged_line_on_is_cut_off(tmp_path: Path, bad: bytes) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b"\n".join([LINES[0], bad, LINES[2], b""]))
    assert read(file) == GOOD[:1]
    assert truncate(file, 6) == 2
    assert file.read_bytes() == LINES[0] + b"\n"


def test_records_of_work_that_no_checkpoint_holds_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_bytes(b"\n".join([*LINES, b""]))
    assert truncate(file, 4) == 0
    assert read(file) == GOOD[:2]


def test_no_file_is_no_record(tmp_path: Path) -> None:
    assert read(tmp_path / "metrics.jsonl") == []
    assert truncate(tmp_path / "metrics.jsonl", 3) == 0


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "metrics.jsonl"
    file.write_bytes(data)
    truncate(file, 10)
    assert all(record["step"] <= 10 for record in read(file))
