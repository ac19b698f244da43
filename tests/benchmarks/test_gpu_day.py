"""The day with a GPU, rehearsed on the CPU; and what it says where something is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_day.py"


def call(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--data_dir", str(out / "data"), "--out", str(out)]
    return subprocess.run([*command, *options], capture_output=True, text=True)


def read(out: Path, stage: str) -> dict:
    return json.loads((out / stage / "result.json").read_text())


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_what_is_missing_is_told_and_nothing_is_begun(tmp_path: Path) -> None:
    done = call(tmp_path, "--stage", "4")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"missing: data: {tmp_path / 'data/cifar10/cifar-10-batches-py'}",
        "missing: CUDA: torch sees no GPU here; --rehearse needs none",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["1_tests", "2_bench", "3_laptop", "4_cifar10"])
def test_every_stage_is_rehearsed_and_kept(tmp_path: Path, stage: str) -> None:
    options = ("--rehearse", "--stage", stage[0])
    done = call(tmp_path, *options, "--seconds", "3000")
    log = tmp_path / stage / "log.txt"
    assert done.returncode == 0, done.stderr + log.read_text()
    result = read(tmp_path, stage)
    assert result["finished"]
    assert result["rows"]
    page = (tmp_path / stage / "page.md").read_text().splitlines()
    assert len([line for line in page if line.startswith("| ")]) == 2 + len(result["rows"])
    again = call(tmp_path, *options)
    assert "finished already" in again.stdout
    assert read(tmp_path, stage) == result


@pytest.mark.slow
def test_a_stage_whose_time_is_up_says_so_and_goes_on_when_called_again(tmp_path: Path) -> None:
    assert call(tmp_path, "--rehearse", "--stage", "3", "--seconds", "0").returncode == 0
    assert not read(tmp_path, "3_laptop")["finished"]
    assert "goes on" in (tmp_path / "3_laptop" / "page.md").read_text()
    assert call(tmp_path, "--rehearse", "--stage", "3", "--seconds", "3000").returncode == 0
    assert read(tmp_path, "3_laptop")["finished"]
