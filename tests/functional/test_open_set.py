"""Measures of finding unknown images, against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from dnll_plugin.functional.negatives import below_average_negatives
from dnll_plugin.functional.open_set import (
    area_under_roc,
    balanced_accuracy,
    confidence_score,
    energy_score,
    false_alarm_rate,
    possible_share,
    reject,
    separating_threshold,
    threshold_at_share,
)

# few different values, so that there are ties
SCORES = st.lists(st.integers(-5, 5) | st.floats(-100, 100), min_size=1, max_size=30).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)
LOGITS = arrays(np.float64, (4, 5), elements=st.floats(-30, 30)).map(torch.from_numpy)


def positives(known, unknown):
    return np.repeat([0, 1], [len(known), len(unknown)]), torch.cat([known, unknown]).numpy()


@given(SCORES, SCORES)
def test_the_area_is_scikit_learns(known, unknown):
    expected = roc_auc_score(*positives(known, unknown))
    assert area_under_roc(known, unknown).item() == pytest.approx(expected, abs=1e-12)


@given(SCORES, SCORES)
def test_the_area_does_not_change_with_a_rising_function_and_is_turned_by_the_sign(known, unknown):
    area = area_under_roc(known, unknown)
    assert area_under_roc(4 * known, 4 * unknown).item() == pytest.approx(area.item())
    assert area_under_roc(-known, -unknown).item() == pytest.approx(1 - area.item())


@given(SCORES, SCORES, st.sampled_from([0.05, 0.5, 0.8, 0.95, 1.0]))
def test_false_alarms_are_those_of_scikit_learns_curve(known, unknown, found):
    wrong, right, _ = roc_curve(*positives(known, unknown), drop_intermediate=False)
    expected = wrong[right >= found - 1e-9][0]
    assert false_alarm_rate(known, unknown, found).item() == pytest.approx(expected, abs=1e-12)


def test_95_percent_of_twenty_are_nineteen():
    unknown = torch.arange(20.0)  # the threshold is 1
    assert false_alarm_rate(torch.tensor([0.0, 0.5, 1.0, 7.0]), unknown) == 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")
def test_balanced_accuracy_is_scikit_learns(rows):
    predicted, targets = (list(column) for column in zip(*rows, strict=True))
    got = balanced_accuracy(torch.tensor(predicted), torch.tensor(targets))
    assert got.item() == pytest.approx(balanced_accuracy_score(targets, predicted), abs=1e-12)


@given(SCORES)
def test_the_threshold_has_the_largest_variance_between_its_groups(scores):
    threshold = separating_threshold(scores).item()
    values = scores.numpy()

    def between(limit):
        low, high = values[values < limit], values[values >= limit]
        if len(low) == 0 or len(high) == 0:
            return -1.0
        shares = len(low) / len(values), len(high) / len(values)
        return shares[0] * shares[1] * (high.mean() - low.mean()) ** 2

    if len(set(values)) == 1:
        assert threshold == np.inf
        return
    assert threshold in values
    assert between(threshold) == pytest.approx(max(map(between, values)), rel=1e-9)


def test_two_heaps_are_told_apart():
    scores = torch.tensor([0.1, 0.12, 0.9, 0.13, 0.95])
    assert separating_threshold(scores).item() == pytest.approx(0.9)
    kept = reject(torch.tensor([0, 1, 2, 1, 0]), scores, separating_threshold(scores), 3)
    assert kept.tolist() == [0, 1, 3, 1, 3]


@given(LOGITS)
def test_confidence_and_energy_are_their_definitions(logits):
    probabilities = logits.softmax(dim=1)
    torch.testing.assert_close(confidence_score(logits), 1 - probabilities.amax(dim=1))
    torch.testing.assert_close(energy_score(logits), -logits.exp().sum(dim=1).log())
    assert confidence_score(logits.half()).dtype == torch.float64


def test_confident_rows_differ_although_their_probabilities_round_to_one():
    scores = confidence_score(torch.tensor([[40.0, 0.0], [50.0, 0.0]]))
    assert scores[0] > scores[1] > 0


@given(LOGITS)
def test_the_possible_classes_are_those_that_are_no_negatives(logits):
    share = possible_share(logits)
    ruled_out = below_average_negatives(logits, average=torch.full((5,), 0.2)).sum(dim=1)
    confidence = logits.double().softmax(dim=1).amax(dim=1)
    torch.testing.assert_close(share, (5 - ruled_out - confidence) / 5)
    alone = torch.cat([possible_share(row[None]) for row in logits])
    assert torch.equal(share, alone)


def test_the_number_of_classes_left_counts_before_the_confidence():
    logits = torch.tensor([[9.0, 0.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    surest, two, even = possible_share(logits).tolist()
    assert 0 < surest < 0.001
    assert 0.25 < two < 0.5
    assert even == 0.9375
    less_sure = torch.tensor([[4.0, 0.0, 0.0, 0.0]])
    assert surest < possible_share(less_sure).item() < two


@given(SCORES, st.floats(0.001, 0.999))
def test_at_most_the_share_of_known_images_is_above_and_no_lower_score_would_do(known, share):
    threshold = threshold_at_share(known, share)
    assert (known > threshold).sum() <= share * len(known)
    lower = known[known < threshold]
    if len(lower):
        assert (known > lower.max()).sum() > share * len(known)


def test_a_twentieth_of_a_hundred_are_five():
    known = torch.randperm(100).double()
    assert threshold_at_share(known, 0.05) == 94
    assert threshold_at_share(known, 0.01) == 98
