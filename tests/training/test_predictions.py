"""Predictions, and their calibration, are taken from the passes that an evaluation makes anyway."""

import pytest
import torch
from torch import nn

from dnll_plugin.functional.calibration import expected_calibration_error
from dnll_plugin.training.predictions import record_predictions


class Algorithm:
    def __init__(self, model, loader):
        self.model, self.loader_dict = model, {"eval": loader}

    def evaluate(self):
        for data in self.loader_dict["eval"]:
            self.model(data["x_lb"])


class Net(nn.Module):
    def __init__(self, pair):
        super().__init__()
        self.pair = pair

    def forward(self, x):
        sides = {"logits_left": x, "logits_right": x.flip(1)} if self.pair else {}
        return {"logits": 2 * x, **sides}


@pytest.fixture
def loader():
    generator = torch.Generator().manual_seed(0)
    return [
        {"x_lb": torch.randn(n, 3, generator=generator), "y_lb": torch.arange(n) % 3}
        for n in (4, 2)
    ]


def calibration(logits, labels):
    confidence, predicted = logits.softmax(1).max(1)
    return expected_calibration_error(confidence, predicted == labels).item()


@pytest.mark.parametrize("pair", [False, True])
def test_the_first_round_counts_and_the_loader_is_put_back(loader, pair):
    algorithm = Algorithm(Net(pair), loader)
    with record_predictions(algorithm) as predictions:
        algorithm.evaluate()
        algorithm.evaluate()
    assert algorithm.loader_dict["eval"] is loader
    x, y = (torch.cat([data[key] for data in loader]) for key in ("x_lb", "y_lb"))
    single = calibration(2 * x, y)
    if not pair:
        assert predictions.calibration_errors("eval") == {"eval/ece": pytest.approx(single)}
        return
    mean = (calibration(x, y) + calibration(x.flip(1), y)) / 2
    assert predictions.calibration_errors("eval") == {
        "eval/ece": pytest.approx(mean),
        "eval/ensemble-ece": pytest.approx(single),
    }


def test_nothing_is_said_of_a_net_that_was_not_called(loader):
    with record_predictions(Algorithm(Net(False), loader)) as predictions:
        pass
    assert predictions.calibration_errors("eval") == {}
    assert predictions.class_accuracies() == {}


@pytest.mark.parametrize("pair", [False, True])
def test_the_accuracy_of_each_class(loader, pair):
    algorithm = Algorithm(Net(pair), loader)
    with record_predictions(algorithm) as predictions:
        algorithm.evaluate()
    x, y = (torch.cat([data[key] for data in loader]) for key in ("x_lb", "y_lb"))
    right = (x.argmax(1) == y).double()
    if pair:
        right = (right + (x.flip(1).argmax(1) == y)) / 2
    expected = {label: right[y == label].mean().item() for label in range(3)}
    assert predictions.class_accuracies() == pytest.approx(expected)
