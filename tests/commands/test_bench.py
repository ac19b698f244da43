"""``dnll bench`` as a user runs it."""

import json
from pathlib import Path

import pytest

from dnll_plugin.commands.main import main

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
FIGURES = {
    *("algorithm", "net", "device", "batch", "floor_ms", "step_ms", "iteration_ms"),
    *("end_to_end_ms", "step_over_floor", "iteration_over_step", "peak_memory_mb"),
}


def test_writes_a_table_and_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--set", "img_size=8", "batch_size=4", "uratio=1", "eval_batch_size=500"]
    files = ["--json", str(tmp_path / "b.json"), "--picture", str(tmp_path / "b.png")]
    assert main(["bench", "--c", str(DIGITS), "--rounds", "2", *files, *tiny]) == 0
    rows = json.loads((tmp_path / "b.json").read_text())
    assert [row["algorithm"] for row in rows] == [
        "dnll_dual",
        "fixmatch",
        "flexmatch",
        "meanteacher",
    ]
    assert all(row.keys() >= FIGURES for row in rows)
    assert "step/floor" in capsys.readouterr().out
    assert (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--rounds", "1"], "--rounds"),
        (["--set", "lr=1"], "--set"),
        (["--json", "no/such/folder/b.json"], "--json"),
        (["--c", "missing.yaml"], "missing.yaml"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dnll: error:")
    assert named in error
    assert error.count("\n") == 1
