"""Shrinking the class space: worked examples, and what holds for every prediction."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.class_shrinking import (
    shrunk_classes,
    shrunk_cross_entropy,
    uncertain_loss,
)

PROBABILITIES = torch.tensor(
    [
        [0.50, 0.40, 0.08, 0.02],  # 0.5 of 0.6 without the second, 0.5 of 0.52 without the third
        [0.97, 0.01, 0.01, 0.01],  # certain
        [0.10, 0.45, 0.03, 0.42],  # the first is class 1, the confusion class 3
        [0.25, 0.25, 0.25, 0.25],  # only alone is the first certain
    ],
    dtype=torch.float64,
)


def test_worked_examples() -> None:
    weak = PROBABILITIES.log()
    assert shrunk_classes(weak, 0.95).tolist() == [
        [True, False, False, True],
        [True, True, True, True],
        [False, True, False, False],
        shrunk_classes(weak, 0.95)[3].tolist(),
    ]
    assert shrunk_classes(weak, 0.95)[3].sum() == 1
    assert shrunk_classes(weak, 0.8)[0].tolist() == [True, False, True, True]
    assert shrunk_classes(weak, 0.9)[2].tolist() == [False, True, True, False]


@given(st.integers(0, 8), st.integers(2, 40), st.floats(0.3, 0.99), st.integers(0, 999))
def test_the_first_is_certain_and_no_more_is_removed_than_needed(
    rows: int, classes: int, threshold: float, seed: int
) -> None:
    weak = 3 * torch.randn(
        rows, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    space = shrunk_classes(weak, threshold)
    for row, stays in zip(weak.softmax(dim=1), space, strict=True):
        confidence = row.max() / row[stays].sum()
        assert stays[row.argmax()]
        assert confidence >= threshold - 1e-9
        removed = row[~stays]
        if len(removed):
            assert (
                removed.min() >= row[stays & (row < row.max())].max() if stays.sum() > 1 else True
            )
            assert row.max() / (row[stays].sum() + removed.min()) < threshold + 1e-9


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


def test_loss_weighs_rows_by_confidence_and_all_by_progress() -> None:
    weak, strong = PROBABILITIES.log(), torch.zeros(4, 4, dtype=torch.float64)
    certain = torch.tensor([0.0, 1.0, 0.0, 0.0])
    # spaces of 2, (4), 1 and 1 classes, all equally likely to the strong view
    wanted = 0.3 * (0.50 * math.log(2)) / 4
    assert uncertain_loss(strong, weak, certain, 0.95, 0.3).item() == pytest.approx(wanted)
    assert uncertain_loss(strong, weak, torch.ones(4), 0.95, 0.3).item() == 0


def test_half_precision_stays_finite() -> None:
    weak, strong = (
        torch.randn(6, 10).half() * 100,
        (torch.randn(6, 10).half() * 100).requires_grad_(),
    )
    loss = uncertain_loss(strong, weak, torch.zeros(6), 0.95, 1.0)
    loss.backward()
    assert loss.isfinite()
    assert strong.grad is not None
    assert strong.grad.isfinite().all()
