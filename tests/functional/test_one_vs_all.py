"""One-vs-all classifiers and IOMatch's targets: worked examples, and what holds for every row."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnll_plugin.functional.io_match import fuse_targets
from dnll_plugin.functional.one_vs_all import (
    OneVsAll,
    fixmatch_loss,
    one_vs_all_consistency,
    one_vs_all_entropy,
    one_vs_all_loss,
    outlier_at_prediction,
    predict_or_reject,
    select_inliers,
)

SAYS = torch.tensor([[0.9, 0.2, 0.7], [0.4, 0.1, 0.6]], dtype=torch.float64)
"""Probabilities of "not of class k" of two rows."""
BINARY = torch.cat((SAYS.log(), (1 - SAYS).log()), dim=1)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Logits of the classes and of their one-vs-all classifiers."""
    number, classes = draw(st.integers(1, 9)), draw(st.integers(2, 30))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    shapes = (number, classes), (number, 2 * classes)
    closed, binary = (
        4 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    )
    return closed, binary


def test_the_layout_is_not_of_a_class_first() -> None:
    says = OneVsAll.of(BINARY)
    torch.testing.assert_close(says.outlier, SAYS)
    torch.testing.assert_close(says.inlier, 1 - SAYS)


def test_a_row_learns_its_class_and_the_likeliest_other() -> None:
    found = one_vs_all_loss(BINARY, torch.tensor([1, 2]))
    first = -math.log(0.8) - math.log(0.7)
    second = -math.log(0.4) - math.log(0.1)
    assert found.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_entropy_is_a_mean_and_consistency_a_sum_over_classes() -> None:
    entropy = [-p * math.log(p) - (1 - p) * math.log(1 - p) for p in SAYS.flatten().tolist()]
    assert one_vs_all_entropy(BINARY).item() == pytest.approx(sum(entropy) / 6, rel=1e-6)
    distance = 2 * (0.5**2 + 0.1**2 + 0.1**2)
    found = one_vs_all_consistency(BINARY[:1], BINARY[1:])
    assert found.item() == pytest.approx(distance, rel=1e-9)
    assert one_vs_all_consistency(BINARY, BINARY) == 0


def test_who_is_taken_for_an_inlier() -> None:
    closed = torch.tensor([[3.0, 1.0, 0.0], [0.0, 5.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(outlier_at_prediction(closed, BINARY), SAYS[[0, 1], [0, 1]])
    assert select_inliers(closed, BINARY).tolist() == [False, True]
    assert predict_or_reject(closed, BINARY).tolist() == [3, 1]


def test_the_target_of_a_row_over_the_classes_and_none_of_them() -> None:
    target = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    fused = fuse_targets(target, BINARY[:1])
    expected = [0.5 * 0.1, 0.3 * 0.8, 0.2 * 0.3, 0.5 * 0.9 + 0.3 * 0.2 + 0.2 * 0.7]
    torch.testing.assert_close(fused.open_set[0], torch.tensor(expected, dtype=torch.float64))
    assert fused.outlier_score.item() == pytest.approx(expected[-1])


def test_fixmatch_learns_above_the_threshold_only() -> None:
    weak = torch.tensor([[2.0, 0.0], [0.1, 0.0]], requires_grad=True)
    strong = torch.zeros(2, 2, requires_grad=True)
    loss, learns = fixmatch_loss(strong, weak, 0.8)
    loss.backward()
    assert learns.tolist() == [True, False]
    assert loss.item() == pytest.approx(math.log(2) / 2)
    assert weak.grad is None
    assert strong.grad is not None
    assert strong.grad[1].abs().sum() == 0


@given(rows(), st.booleans())
def test_targets_are_distributions_without_gradient(
    given: tuple[Tensor, Tensor], half: bool
) -> None:
    closed, binary = given
    if half:
        binary = binary.bfloat16()
    target = closed.softmax(dim=1)
    fused = fuse_targets(target, binary.requires_grad_())
    torch.testing.assert_close(fused.open_set.sum(dim=1), torch.ones(len(closed)).double())
    assert fused.open_set.shape == (len(closed), closed.shape[1] + 1)
    assert ((fused.outlier_score >= 0) & (fused.outlier_score <= 1 + 1e-9)).all()
    assert not fused.open_set.requires_grad


@given(rows())
def test_losses_are_finite_and_depend_on_no_order_of_rows(given: tuple[Tensor, Tensor]) -> None:
    closed, binary = given
    labels, turned = closed.argmax(dim=1), torch.arange(len(closed)).flip(0)
    for scale in (1.0, 1e4):  # certain to the last digit
        logits = (binary * scale).requires_grad_()
        loss = one_vs_all_loss(logits, labels) + one_vs_all_entropy(logits)
        loss = loss + one_vs_all_consistency(logits, -logits)
        loss.backward()
        assert loss.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
    again = one_vs_all_loss(binary[turned], labels[turned])
    torch.testing.assert_close(again, one_vs_all_loss(binary, labels))


@given(rows())
def test_rejected_rows_are_not_chosen(given: tuple[Tensor, Tensor]) -> None:
    closed, binary = given
    rejected = predict_or_reject(closed, binary) == closed.shape[1]
    assert not (rejected & select_inliers(closed, binary)).any()
    assert torch.equal(~rejected, outlier_at_prediction(closed, binary) <= 0.5)
