"""Test images of none of the classes: measured at each evaluation, without disturbing the run."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch import Tensor, nn

import dnll_plugin
from dnll_plugin.commands.main import main
from dnll_plugin.training import checkpoint, saving
from dnll_plugin.training.open_set import UNKNOWN, measure_open_set
from dnll_plugin.training.predictions import record_predictions

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = [
    *("num_train_iter=8", "epoch=2", "num_eval_iter=4", "num_log_iter=4", "batch_size=12"),
    *("uratio=1", "img_size=8", "eval_batch_size=64", "net=cnn3", "num_classes=6"),
    *("num_labels=12", "ood_classes=4", "ulb_ood=0.3"),
]
MEASURES = ("auroc", "fpr95", "balanced_accuracy")


def train(folder: Path, *changes: str) -> Path:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", "run"]
    assert main([*command, "--set", *SHORT, *changes]) == 0
    return folder / "run"


def evaluations(run: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    return [record for record in records if "eval/top-1-acc" in record]


def measured(*scores: str) -> set[str]:
    return {f"{score}-{measure}" for score in scores for measure in MEASURES}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("open_set"), "algorithm=dnll_fixmatch")


def found(record: dict[str, Any]) -> set[str]:
    return {
        name.removeprefix("eval/") for name in record if name.endswith(MEASURES) and "eval/" in name
    }


def test_each_evaluation_and_the_result_have_every_score(finished: Path) -> None:
    records = evaluations(finished)
    assert len(records) == 2
    assert all(found(record) == measured("confidence", "energy", "own") for record in records)
    result = json.loads((finished / "result.json").read_text())
    for name in measured("confidence", "energy", "own"):
        assert result[name.replace("-", "_")] == pytest.approx(100 * records[-1][f"eval/{name}"])
    assert result["error_rate"] == pytest.approx(100 * (1 - records[-1]["eval/top-1-acc"]))


def test_the_area_is_that_of_the_trained_nets_predictions(finished: Path) -> None:
    from dnll_plugin.datasets.digits import load

    _, test = load("")
    predicted = dnll_plugin.load(finished).predict(list(test.data))
    confidence = predicted.probabilities.amax(dim=1).numpy()
    expected = roc_auc_score(test.targets >= 6, -confidence)
    area = evaluations(finished)[-1]["eval/confidence-auroc"]
    assert area == pytest.approx(expected, abs=1e-4)
    probabilities = predicted.probabilities.numpy()
    left_less_confidence = (probabilities >= 1 / 6).sum(axis=1) - probabilities.max(axis=1)
    own = evaluations(finished)[-1]["eval/own-auroc"]
    assert own == pytest.approx(roc_auc_score(test.targets >= 6, left_less_confidence), abs=1e-3)


@pytest.mark.parametrize("data_on", ["loaders", "device"])
def test_the_weights_are_those_of_a_run_that_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_on: str
) -> None:
    changes = ("algorithm=dnll_fixmatch", f"data_on={data_on}")
    weights = [checkpoint.read(train(tmp_path / "with", *changes) / "latest_model.pth")["model"]]
    monkeypatch.setattr(saving, "measure_open_set", lambda *_: {})
    weights += [checkpoint.read(train(tmp_path / "out", *changes) / "latest_model.pth")["model"]]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_a_pair_is_measured_as_submodels_and_as_an_ensemble(tmp_path: Path) -> None:
    scores = ("confidence", "energy", "ensemble-confidence", "ensemble-energy")
    last = evaluations(train(tmp_path, "algorithm=dnll_dual"))[-1]
    assert found(last) == measured(*scores)  # uniform negatives tell nothing


def test_without_unknown_test_images_nothing_is_said(tmp_path: Path) -> None:
    closed = ("num_classes=10", "num_labels=20", "ood_classes=0", "ulb_ood=0")
    run = train(tmp_path, "algorithm=dnll_fixmatch", *closed)
    assert all(found(record) == set() for record in evaluations(run))
    assert "auroc" not in (run / "result.json").read_text()


class Net(nn.Module):
    """Takes images for logits."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": x}


class Algorithm(SimpleNamespace):
    def classify_open_set(self, images: Tensor) -> Tensor:
        return images.argmax(dim=1).masked_fill(images.amax(dim=1) < 1, 3)

    def score_unknown(self, images: Tensor) -> Tensor:
        return -images.amax(dim=1)


def test_an_algorithms_own_score_and_its_own_decision_count() -> None:
    generator = torch.Generator().manual_seed(0)
    known, unknown = (
        [torch.randn(n, 3, generator=generator).double() for n in sizes]
        for sizes in ((9, 4), (5, 2))
    )
    targets = [torch.arange(len(rows)) % 3 for rows in known]
    algorithm = Algorithm(
        args=SimpleNamespace(seed=0),
        model=Net(),
        ema=SimpleNamespace(apply_shadow=lambda: None, restore=lambda: None),
        loader_dict={
            "eval": [{"x_lb": x, "y_lb": y} for x, y in zip(known, targets, strict=True)],
            UNKNOWN: [{"x_lb": x, "y_lb": torch.full((len(x),), -1)} for x in unknown],
        },
    )
    with record_predictions(algorithm) as predictions:
        for data in algorithm.loader_dict["eval"]:
            algorithm.model(data["x_lb"])
    got = measure_open_set(algorithm, predictions)
    rows = torch.cat([*known, *unknown]).numpy()
    truth = np.concatenate([*targets, [3] * 7])
    assert got["eval/own-auroc"] == pytest.approx(roc_auc_score(truth == 3, -rows.max(axis=1)))
    decided = np.where(rows.max(axis=1) < 1, 3, rows.argmax(axis=1))
    expected = balanced_accuracy_score(truth, decided)
    assert got["eval/own-balanced_accuracy"] == pytest.approx(expected)
    energy = -np.log(np.exp(rows).sum(axis=1))
    assert got["eval/energy-auroc"] == pytest.approx(roc_auc_score(truth == 3, energy))
