"""The study runs through ``dnll compare``; the negatives of its ceiling are right."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "study.py"


@pytest.fixture(scope="module")
def variants() -> Iterator[ModuleType]:
    """The module; what it makes known is forgotten afterwards."""
    from semilearn.core.utils import ALGORITHMS

    from dnll_plugin.algorithms.table import OWN_ALGORITHMS

    with pytest.MonkeyPatch.context() as patch:
        names = ALGORITHMS.keys()  # ours too, from the first look
        patch.setattr(ALGORITHMS, "_dict", {name: ALGORITHMS[name] for name in names})
        for name in ("study_variants", "study", "gpu_stages"):
            patch.delitem(sys.modules, name, raising=False)
        patch.syspath_prepend(str(SCRIPT.parent))
        known = dict(OWN_ALGORITHMS)
        yield importlib.import_module("study_variants")
        for name in OWN_ALGORITHMS.keys() - known:
            del OWN_ALGORITHMS[name]
        for name in ("study_variants", "study", "gpu_stages"):
            sys.modules.pop(name, None)


@pytest.fixture
def study(variants: ModuleType) -> ModuleType:
    return importlib.import_module("study")


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=6), st.integers(0, 2**31))
def test_right_negatives_are_the_chosen_ones_that_are_wrong_classes(
    variants: ModuleType, labels: list[int], seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    chosen = torch.rand(len(labels), 5, generator=draws) < 0.5
    kept = variants.keep_right_negatives(chosen, torch.tensor(labels))
    for row, label in enumerate(labels):
        expected = set(chosen[row].nonzero().flatten().tolist()) - {label}
        assert set(kept[row].nonzero().flatten().tolist()) == expected


def test_all_wrong_classes_leave_the_true_one_and_an_image_of_no_class_none_to_learn(
    variants: ModuleType,
) -> None:
    found = variants.find_wrong_classes(torch.tensor([1, -1]), 3)
    assert found.tolist() == [[True, False, True], [False, False, False]]


def test_a_pseudo_label_of_an_image_of_no_class_is_wrong(variants: ModuleType) -> None:
    classes, labels = torch.tensor([0, 1, 2, 2]), torch.tensor([0, -1, 2, 1])
    learns = torch.tensor([True, True, True, False])
    assert variants.pseudo_label_accuracy(classes, labels, learns).item() == pytest.approx(2 / 3)


def test_every_line_is_of_an_algorithm_that_is_registered(
    study: ModuleType, variants: ModuleType
) -> None:
    lines = {line for groups in study.PARTS.values() for group in groups for line in group}
    assert {line.split(":")[0] for line in lines} == set(variants.VARIANTS)


def test_shares_are_of_the_first_the_middle_and_the_last_tenth(study: ModuleType) -> None:
    shares = {10: 0.1, 30: 0.9, 50: 0.5, 70: None, 100: 1.0}
    records = [{"step": step, "train/util_ratio": share} for step, share in shares.items()]
    assert study.average_over_run([records], "train/util_ratio") == "10 / 50 / 100"
    assert study.average_over_run([records], "train/negative_acc") == study.NOTHING


@pytest.mark.slow
def test_the_study_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--data_dir", str(tmp_path), "--out", str(tmp_path)]
    command += ["--part", "ceiling", "--algorithms", "fixmatch", "--seeds", "3"]
    command += ["--steps", "100", "--held_out", "300"]
    command += ["--c", str(ROOT / "config" / "laptop" / "digits_60.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "study.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    names = ["`dnll_…`", "`fixmatch`", "`fixmatch_right`", "`fixmatch_all`"]
    assert [row[0].removeprefix("| ") for row in rows] == names
    assert rows[2][-1].startswith("100 / 100 / 100")  # no negative is wrong
    results = {file: file.stat().st_mtime_ns for file in tmp_path.glob("runs/*/result.json")}
    assert len(results) == 3
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert {file: file.stat().st_mtime_ns for file in results} == results
    assert (tmp_path / "study.md").read_text() == page
