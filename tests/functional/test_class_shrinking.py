"""Shrinking the class space: worked examples, and what holds for every prediction."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.class_shrinking import (
    align_distribution,
    shrink_classes,
    shrink_loss,
    shrunk_cross_entropy,
    weigh_rows,
)

PROBABILITIES = torch.tensor(
    [
        [0.50, 0.40, 0.08, 0.02],  # 0.5 of 0.6 without the second, 0.5 of 0.52 without the third
        [0.97, 0.01, 0.01, 0.01],  # certain
        [0.10, 0.45, 0.03, 0.42],  # the first is class 1; 0.45 of 0.48 is not enough
        [0.60, 0.30, 0.10, 0.00],
    ],
    dtype=torch.float64,
)


def test_worked_examples() -> None:
    shrunk = shrink_classes(PROBABILITIES, 0.95)
    assert shrunk.kept.tolist() == [
        [True, False, False, True],
        [True, False, True, True],
        [False, True, True, False],
        [True, False, False, True],
    ]
    assert shrunk.label.tolist() == [0, 0, 1, 0]
    assert shrunk.first_kept_rank.tolist() == [3, 2, 3, 3]
    expected = torch.tensor([0.50 / 0.52, 0.97 / 0.99, 0.45 / 0.48, 1.0], dtype=torch.float64)
    torch.testing.assert_close(shrunk.confidence, expected)
    assert shrunk.satisfied.tolist() == [True, True, False, True]
    assert shrink_classes(PROBABILITIES, 0.8).first_kept_rank.tolist() == [2, 2, 3, 2]


def test_with_two_classes_there_is_nothing_to_remove() -> None:
    target = torch.tensor([[0.6, 0.4], [0.1, 0.9]])
    shrunk = shrink_classes(target, 0.95)
    assert shrunk.kept.all()
    assert not weigh_rows(shrunk, target, torch.zeros(2)).any()


@given(st.integers(0, 8), st.integers(3, 40), st.floats(0.3, 0.99), st.integers(0, 999))
def test_no_more_is_removed_than_needed(
    rows: int, classes: int, threshold: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = (3 * torch.randn(rows, classes, generator=generator).double()).softmax(dim=1)
    shrunk = shrink_classes(target, threshold)
    for row, label, kept, confidence, satisfied in zip(
        target, shrunk.label, shrunk.kept, shrunk.confidence, shrunk.satisfied, strict=True
    ):
        removed = row[~kept]
        assert label == row.argmax()
        assert kept[label]
        assert 1 <= len(removed) <= classes - 2
        assert confidence.item() == pytest.approx((row.max() / row[kept].sum()).item())
        assert satisfied == (confidence >= threshold)
        assert satisfied or len(removed) == classes - 2
        assert removed.min() >= row[kept & (row < row.max())].max()
        if len(removed) > 1:  # with one class less removed the first is not certain
            assert row.max() / (row[kept].sum() + removed.min()) < threshold


def test_cross_entropy_within_the_space() -> None:
    strong = torch.tensor([[0.2, 0.5, 0.2, 0.1]], dtype=torch.float64).log().requires_grad_()
    space = torch.tensor([[True, False, True, False]])
    loss = shrunk_cross_entropy(strong, space, torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log(2))
    loss.sum().backward()
    assert strong.grad is not None
    torch.testing.assert_close(
        strong.grad, torch.tensor([[-0.5, 0.0, 0.5, 0.0]], dtype=torch.float64)
    )


def test_a_space_of_one_class_teaches_nothing() -> None:
    strong = torch.randn(1, 4, requires_grad=True)
    loss = shrunk_cross_entropy(
        strong, torch.tensor([[False, True, False, False]]), torch.tensor([1])
    )
    loss.sum().backward()
    assert loss.item() == 0
    assert strong.grad is not None
    assert not strong.grad.any()


def test_rows_weigh_by_their_confidence_unless_they_are_certain_or_cannot_be() -> None:
    certain = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    shrunk = shrink_classes(PROBABILITIES, 0.95)
    weights = weigh_rows(shrunk, PROBABILITIES, certain)
    assert weights.tolist() == [0.50, 0, 0, 0.60]
    # spaces of two classes that are equally likely to the strong view
    loss = shrink_loss(torch.zeros(4, 4, dtype=torch.float64), shrunk, weights)
    assert loss.item() == pytest.approx((0.50 + 0.60) * math.log(2) / 4)


def test_half_precision_stays_finite() -> None:
    target = (torch.randn(6, 10) * 100).softmax(dim=1)
    auxiliary = (torch.randn(6, 10).half() * 100).requires_grad_()
    loss = shrink_loss(auxiliary, shrink_classes(target, 0.95), torch.ones(6))
    loss.backward()
    assert loss.isfinite()
    assert auxiliary.grad is not None
    assert auxiliary.grad.isfinite().all()


def test_alignment_divides_by_the_average() -> None:
    aligned = align_distribution(torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.tensor([0.3, 0.1]))
    torch.testing.assert_close(aligned, torch.tensor([[0.25, 0.75], [0.75, 0.25]]))


def test_a_class_that_is_never_predicted_stays_at_zero() -> None:
    aligned = align_distribution(torch.tensor([[0.6, 0.4, 0.0]]), torch.tensor([0.6, 0.4, 0.0]))
    assert aligned.tolist() == [[0.5, 0.5, 0.0]]
