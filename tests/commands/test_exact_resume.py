"""20 steps and 20 more equal 40: every algorithm in every setting, as docs/resuming.md says.

``pytest -m slow tests/commands/test_exact_resume.py --write-docs`` writes the table of that page.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.commands.main import main
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, find_base
from dnll_plugin.training import run as training_run

from .test_every_algorithm import OWN_KEYS, TEXT_ONLY

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "config" / "dnll_digits_20.yaml"
PAGE = ROOT / "docs" / "resuming.md"
START, END = "<!-- exact resume -->", "<!-- end of exact resume -->"
FORTY_STEPS = [
    *("num_train_iter=40", "epoch=4", "num_eval_iter=20", "num_log_iter=10", "batch_size=4"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "num_labels=20", "net=cnn3"),
    *("use_tensorboard=false", "p_cutoff=0.2"),
]
SETTINGS = {
    "plain": [],
    "`data_on: device`": ["data_on=device"],
    "`channels_last`": ["channels_last=true"],
    "`amp`": ["amp=true"],
    "`ood_classes`": ["ood_classes=2", "num_classes=8", "num_labels=16"],
    "`num_workers: 2`": ["num_workers=2"],
    "`negative_source: peer`": ["negative_source=peer"],
}
PEER = list(SETTINGS)[-1]
OF_THE_CLOCK = {"seconds", "peak_memory_mb"}


def has_peer(algorithm: str) -> bool:
    row = OWN_ALGORITHMS.get(algorithm)
    return row is not None and "peer" in row.negative_sources


def find_difference(whole: Any, resumed: Any, place: str) -> str | None:
    """Where two states first differ, but for what a clock says; None if nowhere."""
    if isinstance(whole, dict) and isinstance(resumed, dict):
        if whole.keys() != resumed.keys():
            return place
        pairs = [(key, whole[key], resumed[key]) for key in whole if key not in OF_THE_CLOCK]
    elif isinstance(whole, list | tuple) and isinstance(resumed, list | tuple):
        if len(whole) != len(resumed):
            return place
        pairs = [(i, *pair) for i, pair in enumerate(zip(whole, resumed, strict=True))]
    elif isinstance(whole, torch.Tensor) and isinstance(resumed, torch.Tensor):
        alike = whole.shape == resumed.shape and whole.dtype == resumed.dtype
        same = alike and torch.allclose(whole, resumed, rtol=0, atol=0, equal_nan=True)
        return None if same else place
    else:
        return None if type(whole) is type(resumed) and whole == resumed else place
    found = (find_difference(first, second, f"{place}.{key}") for key, first, second in pairs)
    return next((each for each in found if each), None)


def read_run(run: Path) -> dict[str, Any]:
    """All that a run has come to: its last checkpoint, its metrics and its result."""
    return {
        "checkpoint": torch.load(run / "latest_model.pth", weights_only=True),
        "metrics": (run / "metrics.jsonl").read_text().splitlines(),
        "result": json.loads((run / "result.json").read_text()),
    }


def describe_resumed(
    folder: Path, algorithm: str, setting: str, capsys: pytest.CaptureFixture[str]
) -> str:
    """What stands in a cell: of a run that was killed after 20 of its 40 steps and went on."""
    own = OWN_KEYS.get(find_base(algorithm), [])
    changes = [*FORTY_STEPS, f"algorithm={algorithm}", *own, *SETTINGS[setting]]
    command = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", "run"]
    capsys.readouterr()
    code = main([*command, "--set", *changes])
    if code == 2:
        (line,) = (s for s in capsys.readouterr().err.splitlines() if s.startswith("dnll: error:"))
        return f"refused: {line.removeprefix('dnll: error: ')}"
    assert code == 0, capsys.readouterr().err
    run = folder / "run"
    whole = read_run(run)
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    assert torch.load(run / "latest_model.pth", weights_only=True)["it"] == 20
    assert main([*command, "--resume", "--set", *changes]) == 0, capsys.readouterr().err
    difference = find_difference(whole, read_run(run), "run")
    if difference is None:
        return "exact"
    if "not exactly" in capsys.readouterr().out:
        return "not exact, and says so"
    return f"differs: {difference}"


def rows_of_page() -> Iterator[str]:
    table = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    return (line for line in table.splitlines() if line.startswith("| `"))


def write_row(row: str) -> None:
    """Puts an algorithm's row into the table of the page, in the place of its old one."""
    text = PAGE.read_text(encoding="utf-8")
    rows = {each.split(" | ")[0]: each for each in [*rows_of_page(), row]}
    head = [f"| algorithm | {' | '.join(SETTINGS)} |", "| --- |" + " --- |" * len(SETTINGS)]
    table = "\n".join([START, "", *head, *(rows[name] for name in sorted(rows)), "", END])
    before, after = text.split(START)[0], text.split(END)[1]
    PAGE.write_text(before + table + after, encoding="utf-8")


def image_algorithms() -> list[str]:
    return sorted(algorithm_arguments().keys() - TEXT_ONLY)


def test_the_page_has_a_row_for_every_algorithm() -> None:
    names = [row.split("`")[1] for row in rows_of_page()]
    assert names == sorted(names)
    assert set(image_algorithms()) <= set(names)


def test_a_difference_is_found_and_named() -> None:
    def state(value: float) -> dict[str, Any]:
        return {"a": [1, {"b": torch.tensor([value, torch.nan])}], "seconds": value}

    assert find_difference(state(1.0), state(1.0), "run") is None
    assert find_difference(state(1.0), state(1.0 + 1e-7), "run") == "run.a.1.b"
    assert find_difference({"seconds": 1}, {"seconds": 2}, "run") is None
    assert find_difference([1], [1, 2], "run") == "run"
    assert find_difference(1, 1.0, "run") == "run"


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", image_algorithms())
def test_twenty_steps_and_twenty_more_equal_forty(
    tmp_path: Path,
    algorithm: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setattr(training_run, "draw_curves", lambda *files: None)  # a third of the time
    cells = []
    for number, setting in enumerate(SETTINGS):
        possible = setting != PEER or has_peer(algorithm)
        folder = tmp_path / str(number)
        cells.append(describe_resumed(folder, algorithm, setting, capsys) if possible else "")
    row = f"| `{algorithm}` | {' | '.join(cells)} |"
    with capsys.disabled():
        print(f"\n{row}", flush=True)
    assert not [cell for cell in cells if cell.startswith("differs")], row
    if request.config.getoption("--write-docs"):
        write_row(row)
    assert row in rows_of_page(), "stale: run this test with --write-docs"
