"""Rates against scikit-learn's, calibration against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, log_loss, recall_score

from dnll_plugin.prediction.evaluation import BINS, calibrate, measure


def random_case(images, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, generator=generator, dtype=torch.float64)
    return (3 * logits).softmax(dim=1), torch.randint(classes, (images,), generator=generator)


@pytest.mark.parametrize("classes", [2, 7, 100])
def test_rates_are_scikit_learns(classes):
    probabilities, targets = random_case(400, classes)
    result = measure(probabilities, targets, [f"class {k}" for k in range(classes)])
    predicted, labels = probabilities.argmax(dim=1), list(range(classes))
    expected = confusion_matrix(targets, predicted, labels=labels)
    np.testing.assert_array_equal(result.confusion, expected)
    assert result.error_rate == pytest.approx(100 * (predicted != targets).double().mean().item())
    assert result.loss == pytest.approx(log_loss(targets, probabilities, labels=labels))
    recall = recall_score(targets, predicted, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose(result.recall, recall)


def test_a_class_without_images_has_no_accuracy():
    result = measure(torch.eye(3).double()[[0, 0]], torch.tensor([0, 0]), ["a", "b", "c"])
    told = result.summary()["classes"]
    assert told["a"] == {"images": 2, "accuracy": 1.0, "precision": 1.0}
    assert told["b"] == {"images": 0, "accuracy": None, "precision": None}


def test_calibration_of_four_images_by_hand():
    confidence = torch.tensor([1.0, 0.99, 0.5, 0.5], dtype=torch.float64)
    bins = calibrate(confidence, torch.tensor([True, False, True, True]))
    assert bins[:, 0].tolist() == [0] * 7 + [2] + [0] * 6 + [2]
    torch.testing.assert_close(bins[7], torch.tensor([2, 0.5, 1.0], dtype=torch.float64))
    torch.testing.assert_close(bins[14], torch.tensor([2, 0.995, 0.5], dtype=torch.float64))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_bins_hold_every_image_and_nothing_leaves_its_bin(cases):
    confidence = torch.tensor([case[0] for case in cases], dtype=torch.float64)
    bins = calibrate(confidence, torch.tensor([case[1] for case in cases]))
    assert bins[:, 0].sum() == len(cases)
    edges = torch.arange(BINS + 1, dtype=torch.float64) / BINS
    there = bins[:, 0] > 0
    assert (bins[there, 1] >= edges[:-1][there] - 1e-12).all()
    assert (bins[there, 1] <= edges[1:][there] + 1e-12).all()
    share = bins[:, 0] @ bins[:, 2] / len(cases)
    assert float(share) == pytest.approx(sum(case[1] for case in cases) / len(cases))
