"""Every image algorithm of the toolbox trains, saves and loads on the CPU under ``dnll train``."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, find_base

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
TINY = [
    *("num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=2", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "num_labels=20", "net=cnn3"),
]
TEXT_ONLY = {"multimatch": "built on nets with several heads for text"}
OPEN_SET = ["ood_classes=2", "num_classes=8", "num_labels=16", "ulb_ood=0.1"]
OWN_KEYS = {
    "dash": ["num_wu_iter=2", "num_wu_eval_iter=1"],
    "crmatch": ["net=wrn_28_2", "img_size=32", "batch_size=2"],  # all that the toolbox's knows
    "iomatch": OPEN_SET,
    "openmatch": [*OPEN_SET, "start_fix=1"],
}


def algorithms() -> list[Any]:
    """All but ``dnll_dual``; those that only add negatives to another one are slow tests."""
    names = sorted(algorithm_arguments().keys() - {"dnll_dual"})
    return [
        pytest.param(name, marks=() if find_base(name) == name else pytest.mark.slow)
        for name in names
    ]


def test_net_that_the_toolboxs_algorithm_does_not_know_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", "run"]
    assert main([*command, "--set", *TINY, "algorithm=crmatch"]) == 2
    assert capsys.readouterr().err.startswith("dnll: error: net: the toolbox's crmatch")


@pytest.mark.parametrize("algorithm", algorithms())
def test_trains_saves_and_loads(tmp_path: Path, algorithm: str) -> None:
    if algorithm in TEXT_ONLY:
        pytest.skip(f"{algorithm}: {TEXT_ONLY[algorithm]}")
    command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", "run"]
    changes = ["--set", *TINY, f"algorithm={algorithm}", *OWN_KEYS.get(find_base(algorithm), [])]
    assert main([*command, *changes]) == 0
    run = tmp_path / "run"
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    assert main([*command, "--resume", *changes]) == 0
    assert json.loads((run / "result.json").read_text())["iterations"] == 4


WRN = ("net=wrn_28_2", "img_size=32", "batch_size=2")
ONCE_FAILED = [
    *(["algorithm=defixmatch", "data_on=device"], ["algorithm=dnll_defixmatch", "data_on=device"]),
    ["algorithm=simmatch", "amp=true", "channels_last=true"],
    ["algorithm=dnll_simmatch", "amp=true", "channels_last=true"],
    *(
        [f"algorithm={name}", "ood_classes=2", "num_classes=8", "num_labels=16"]
        for name in ("supervised", "fullysupervised")
    ),
    pytest.param(["algorithm=crmatch", "channels_last=true", *WRN], marks=pytest.mark.slow),
]


@pytest.mark.parametrize("changes", ONCE_FAILED, ids=" ".join)
def test_settings_that_the_toolbox_stumbles_over(tmp_path: Path, changes: list[str]) -> None:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", "run"]
    assert main([*command, "--set", *TINY, *changes]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("data_on", ["loaders", "device"])
def test_crmatch_goes_on_exactly(tmp_path: Path, data_on: str) -> None:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", "run"]
    changes = ["--set", *TINY, "algorithm=crmatch", *WRN, f"data_on={data_on}", "num_eval_iter=3"]
    assert main([*command, *changes]) == 0
    run = tmp_path / "run"
    whole = torch.load(run / "latest_model.pth", weights_only=True)["model"]
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    assert main([*command, "--resume", *changes]) == 0
    resumed = torch.load(run / "latest_model.pth", weights_only=True)["model"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
