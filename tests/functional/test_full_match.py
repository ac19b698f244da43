"""FullMatch: worked examples, and what holds for every prediction."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnll_plugin.functional.full_match import (
    adaptive_negative_loss,
    choose_roles,
    entropy_meaning_loss,
)
from dnll_plugin.functional.negatives import find_top_k, rank_classes

WEAK = torch.tensor([[0.97, 0.01, 0.015, 0.005], [0.4, 0.3, 0.2, 0.1]], dtype=torch.float64).log()
STRONG = torch.tensor([[0.3, 0.5, 0.1, 0.1], [0.02, 0.01, 0.95, 0.02]], dtype=torch.float64).log()


@st.composite
def views(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Logits of the weak and the strong view, half of it the weak one's."""
    shape = draw(st.integers(1, 9)), draw(st.integers(2, 30))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    weak, noise = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in "ws")
    return 4 * weak, 2 * weak + 2 * noise


def test_ranks() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 2.0, 5.0]])
    assert rank_classes(logits).tolist() == [[2, 0, 1], [1, 2, 0]]


def test_the_worst_row_decides_how_many_classes_agree() -> None:
    assert find_top_k(WEAK[:1], STRONG[:1]) == 2
    assert find_top_k(STRONG, WEAK) == 3
    assert find_top_k(WEAK, WEAK) == 2


def test_worked_example() -> None:
    strong = STRONG.clone().requires_grad_()
    roles = choose_roles(strong, WEAK, torch.tensor([1.0, 0.0]), 2, 0.95)
    assert roles.rivals.tolist() == [[False, False, True, False], [False, True, False, False]]
    assert roles.evened.tolist() == [[False, False, True, False], [False] * 4]
    # of class 2 of the second row the strong view is sure
    assert roles.negatives.tolist() == [[False, True, False, True], [False, False, False, True]]
    negative = adaptive_negative_loss(strong, roles.negatives)
    expected = -(math.log(0.5) + math.log(0.9) + math.log(0.98)) / 2
    assert negative.item() == pytest.approx(expected, rel=1e-7)
    entropy = entropy_meaning_loss(strong, roles, 2)
    assert entropy.item() == pytest.approx(-0.1 * math.log(0.1) - 0.9 * math.log(0.9), rel=1e-5)


@given(views())
def test_k_is_the_smallest_that_agrees(pair: tuple[Tensor, Tensor]) -> None:
    weak, strong = pair
    top_k = int(find_top_k(weak, strong))
    predicted = weak.argmax(dim=1, keepdim=True)

    def agree(k: int) -> bool:
        return bool((strong.topk(k, dim=1).indices == predicted).any(dim=1).all())

    assert 2 <= top_k <= weak.shape[1]
    assert agree(top_k)
    assert top_k == 2 or not agree(top_k - 1)


@given(views(), st.floats(0.2, 0.99))
def test_roles_exclude_each_other(pair: tuple[Tensor, Tensor], threshold: float) -> None:
    weak, strong = pair
    mask = (weak.softmax(dim=1).amax(dim=1) >= threshold).double()
    top_k = find_top_k(weak, strong)
    roles = choose_roles(strong, weak, mask, top_k, threshold)
    assert (roles.rivals.sum(dim=1) == top_k - 1).all()
    assert not (roles.negatives & roles.rivals).any()
    assert not (roles.negatives | roles.rivals).gather(1, weak.argmax(dim=1, keepdim=True)).any()
    assert not (roles.evened & ~roles.rivals).any()
    assert not roles.evened[mask == 0].any()
    sure = strong.softmax(dim=1) > threshold**2
    assert not (sure & (roles.negatives | roles.evened)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_class_and_a_sure_one_give_finite_losses(dtype: torch.dtype) -> None:
    strong = torch.tensor([[200.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    roles = choose_roles(strong, torch.tensor([[0.0, 5.0, 1.0]]), torch.zeros(1), 2, 0.95)
    assert not roles.negatives.any()  # of class 0 the strong view is sure
    loss = adaptive_negative_loss(strong, roles.negatives) + entropy_meaning_loss(strong, roles, 2)
    loss.backward()
    assert loss.item() == 0
    assert strong.grad is not None
    assert strong.grad.isfinite().all()
