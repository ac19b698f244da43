"""The guard against slower steps compares ratios, case by case."""

import json
import subprocess
import sys
from pathlib import Path

GUARD = Path(__file__).parents[2] / "benchmarks" / "guard.py"
CASE = {"algorithm": "dnll_dual", "net": "cnn3", "batch": "50 + 50"}


def judge(folder: Path, reference: float, now: float, **changes: str) -> tuple[int, str]:
    for name, ratio, case in (("before", reference, CASE), ("now", now, CASE | changes)):
        row = {**case, "step_over_floor": ratio, "iteration_over_step": 1.0}
        (folder / f"{name}.json").write_text(json.dumps([row]))
    command = [sys.executable, GUARD, folder / "now.json", "--reference", folder / "before.json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    return ended.returncode, ended.stdout


def test_a_ratio_within_the_tolerance_passes(tmp_path: Path) -> None:
    assert judge(tmp_path, 1.02, 1.06) == (0, "guard: 1 cases, no ratio has grown\n")


def test_a_ratio_beyond_it_is_named(tmp_path: Path) -> None:
    code, said = judge(tmp_path, 1.02, 1.10)
    assert code == 1
    assert said == "dnll_dual, cnn3, 50 + 50: step_over_floor 1.02 -> 1.1\n"


def test_nothing_to_compare_is_no_success(tmp_path: Path) -> None:
    assert judge(tmp_path, 1.02, 1.02, net="cnn13")[0] == 1
