"""The examples of docs/extending.md: short, and they run in every command."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "extending.md"
PACKAGE = ROOT / "dnll_plugin"

SETTINGS = {
    **{"algorithm": "dnll_single", "net": "perceptron", "dataset": "brightness"},
    **{"num_labels": 20, "img_size": 8, "num_train_iter": 60, "num_eval_iter": 30, "epoch": 2},
    **{"ema_m": 0.9, "negative_weight": 1.0, "negative_sampling": "unlikely", "num_workers": 0},
}


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_each_is_short():
    assert len(examples()) == 7
    for example in examples():
        assert len([line for line in example.splitlines() if line.strip()]) < 30


def test_they_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from semilearn.core.utils import ALGORITHMS

    from dnll_plugin.algorithms.table import OWN_ALGORITHMS
    from dnll_plugin.datasets import DATASETS
    from dnll_plugin.functional.negatives import NEGATIVE_SAMPLERS
    from dnll_plugin.nets.lookup import NETS

    # What the examples make known is forgotten after the test.
    monkeypatch.setitem(NETS, "perceptron", None)
    monkeypatch.setitem(OWN_ALGORITHMS, "dnll_strictmatch", None)
    OWN_ALGORITHMS.pop("dnll_strictmatch")
    monkeypatch.setitem(DATASETS, "brightness", None)
    monkeypatch.setitem(NEGATIVE_SAMPLERS, "unlikely", None)
    monkeypatch.setattr(ALGORITHMS, "_dict", ALGORITHMS._dict.copy())
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples():
        exec(compile(example, str(PAGE), "exec"), names)
    algorithm = names["algorithm"]
    assert algorithm.it == algorithm.num_train_iter
    assert algorithm.best_eval_acc > 0.2  # ten classes
    assert (tmp_path / "saved_models" / "single" / "latest_model.pth").is_file()


@pytest.fixture
def dnll(tmp_path):
    """Runs a command where ``my_plugin.py`` holds the examples and ``my.yaml`` names them."""
    (tmp_path / "my_plugin.py").write_text("\n".join(examples()[:-1]))
    lines = [f"{key}: {value}" for key, value in SETTINGS.items()]
    (tmp_path / "my.yaml").write_text("\n".join([*lines, ""]))
    # as the installed script does, unlike `python -m`, without the current folder in the path
    program = "import sys; from dnll_plugin.commands.main import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.slow
def test_they_go_through_every_command(dnll, tmp_path):
    plugin = ("--plugin", "my_plugin")
    train = ("train", "--save_dir", "runs", "--save_name", "one")
    refused = dnll(*train, "--c", "my.yaml")
    assert (refused.returncode, refused.stderr.count("unknown name")) == (2, 1), refused.stderr
    made = dnll(*train, "--c", "my.yaml", *plugin)
    assert made.returncode == 0, made.stderr
    run = tmp_path / "runs" / "one"
    assert json.loads((run / "result.json").read_text())["error_rate"] < 80  # ten classes
    assert "plugin: my_plugin  # command line" in (run / "config.yaml").read_text()

    (run / "result.json").unlink()  # its own config knows the plugin
    resumed = dnll(*train, "--c", "runs/one/config.yaml", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (run / "result.json").exists()

    images = tmp_path / "images"
    images.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(images / "black.png")
    predict = ("predict", "--run", "runs/one", "--images", "images", "--out", "labels.csv")
    refused = dnll(*predict)
    assert refused.returncode == 2
    assert refused.stderr.rstrip().endswith("give --plugin my_plugin")
    predicted = dnll(*predict, *plugin)
    assert predicted.returncode == 0, predicted.stderr
    with (tmp_path / "labels.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert row["label"].startswith("grey ")

    algorithms = ("--algorithms", "dnll_single", "dnll_strictmatch", "--seeds", "0")
    compared = dnll("compare", "--c", "my.yaml", *algorithms, "--out", "compared", *plugin)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert (tmp_path / "compared" / "report.html").exists()
    timed = dnll("bench", "--c", "my.yaml", "--rounds", "2", "--json", "times.json", *plugin)
    assert timed.returncode == 0, timed.stderr
    rows = json.loads((tmp_path / "times.json").read_text())
    assert rows[0]["algorithm"] == "dnll_single"


@pytest.mark.slow
def test_keys_of_data_sets_work_for_one_from_outside(dnll, tmp_path):
    (tmp_path / "labels.txt").write_text("".join(f"{index}\n" for index in range(20)))
    common = ("train", "--c", "my.yaml", "--plugin", "my_plugin", "--save_dir", "runs")
    listed = dnll(*common, "--save_name", "listed", "--set", "label_file=labels.txt")
    assert listed.returncode == 0, listed.stderr
    labeled = np.load(tmp_path / "runs" / "listed" / "split.npz")["labeled"]
    assert labeled.tolist() == list(range(20))
    ood = ("num_classes=6", "ood_classes=4", "ulb_ood=0.3", "num_labels=12")
    opened = dnll(*common, "--save_name", "opened", "--set", *ood)
    assert opened.returncode == 0, opened.stderr


def files_that_name(word: str) -> set[str]:
    """Files of the package in which a word stands by itself, in code or text.

    Those of ``upstream/files`` are for the toolbox, and stand on their own.
    """
    pattern = re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)")
    files = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    return {
        name
        for name, path in files.items()
        if not name.startswith("upstream/") and pattern.search(path.read_text())
    }


@pytest.mark.parametrize("key", ["stable_threshold", "stabilization_weight"])
def test_a_key_touches_two_files(key):
    """A key of dnll_dual: where it is declared and read, and its row."""
    assert files_that_name(key) == {"algorithms/dual.py", "settings/keys.py"}


def test_a_data_set_touches_two_files():
    """``usps``: its reader, and its row; ``usps2mnist`` is made from it."""
    assert files_that_name('"usps"') <= {"datasets/usps.py", "datasets/table.py"}


def test_a_sampler_touches_one_file():
    for name in ("without_replacement", "least_likely"):
        assert files_that_name(f'"{name}"') == {"functional/negatives.py"}
