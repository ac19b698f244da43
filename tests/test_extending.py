"""The examples of docs/extending.md: short, and they run."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_each_is_short():
    assert len(examples()) == 6
    for example in examples():
        assert len([line for line in example.splitlines() if line.strip()]) < 30


def test_they_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from semilearn.core.utils import ALGORITHMS

    from dnll_plugin.algorithms.table import OWN_ALGORITHMS
    from dnll_plugin.datasets import DATASETS
    from dnll_plugin.nets.lookup import NETS

    # What the examples make known is forgotten after the test.
    monkeypatch.setitem(NETS, "perceptron", None)
    monkeypatch.setitem(OWN_ALGORITHMS, "dnll_strictmatch", None)
    OWN_ALGORITHMS.pop("dnll_strictmatch")
    monkeypatch.setitem(DATASETS, "brightness", None)
    monkeypatch.setattr(ALGORITHMS, "_dict", ALGORITHMS._dict.copy())
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples():
        exec(compile(example, str(PAGE), "exec"), names)
    algorithm = names["algorithm"]
    assert algorithm.it == algorithm.num_train_iter
    assert algorithm.best_eval_acc > 0.2  # ten classes
    assert (tmp_path / "saved_models" / "single" / "latest_model.pth").is_file()
