"""Local clustering: the published numbers, the pairs by hand, and what the loss is made of."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnll_plugin.functional.clustering import local_clustering_loss, squared_distances


def by_pairs(labeled: Tensor, unlabeled: Tensor, threshold: float) -> Tensor:
    """The definition, with every difference of two rows written out."""

    def mean(rows: Tensor) -> Tensor:
        distance = (rows[:, None] - unlabeled).square().mean(dim=2)
        near = distance <= threshold
        return (distance * torch.exp(-distance / threshold) * near).sum() / near.sum().clamp(min=1)

    return mean(labeled) + mean(unlabeled)


def test_by_hand() -> None:
    labeled, unlabeled = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 1.0], [5.0, 5.0]])
    # labeled with unlabeled: 1 and 25; unlabeled with unlabeled: 0, 16, 16, 0
    wanted = math.exp(-1 / 4) + 0.0
    assert local_clustering_loss(labeled, unlabeled, 4.0).item() == pytest.approx(wanted)
    wanted = math.exp(-1 / 20) + 2 * 16 * math.exp(-16 / 20) / 4
    assert local_clustering_loss(labeled, unlabeled, 20.0).item() == pytest.approx(wanted)


@given(
    st.integers(0, 6), st.integers(1, 9), st.integers(1, 20), st.floats(0.1, 5), st.integers(0, 99)
)
def test_value_and_gradient_are_those_of_the_pairs(
    labeled_rows: int, unlabeled_rows: int, features: int, threshold: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = [
        torch.randn(n, features, generator=generator, dtype=torch.float64, requires_grad=True)
        for n in (labeled_rows, unlabeled_rows)
    ]
    found, wanted = local_clustering_loss(*rows, threshold), by_pairs(*rows, threshold)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(
        torch.autograd.grad(found, rows), torch.autograd.grad(wanted, rows), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_no_pair_within_the_threshold_is_zero_with_zero_gradient() -> None:
    labeled, unlabeled = torch.zeros(1, 2), torch.tensor([[9.0, 9.0]], requires_grad=True)
    loss = local_clustering_loss(labeled, unlabeled, 0.5)
    loss.backward()
    assert loss.item() == 0
    assert unlabeled.grad is not None
    assert not unlabeled.grad.any()


def test_equal_rows_have_distance_zero_and_no_gradient() -> None:
    rows = torch.full((4, 8), 1e3, requires_grad=True)
    loss = local_clustering_loss(rows[:2], rows[2:], 1.0)
    loss.backward()
    assert loss.item() == 0
    assert rows.grad is not None
    assert not rows.grad.any()


@given(st.floats(1e-3, 1e3))
def test_a_relative_threshold_knows_no_scale(scale: float) -> None:
    features = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = local_clustering_loss(features[:5], features[5:], 0.8, relative=True)
    scaled = local_clustering_loss(features[:5] * scale, features[5:] * scale, 0.8, relative=True)
    assert scaled.item() == pytest.approx(loss.item() * scale**2)


def test_distances_lose_little_far_from_the_origin() -> None:
    features = torch.randn(30, 16) + 1e3
    exact = by_pairs(features[:10].double(), features[10:].double(), 2.0)
    found = local_clustering_loss(features[:10], features[10:], 2.0)
    assert found.item() == pytest.approx(exact.item(), rel=1e-2)
    assert (squared_distances(features, features) >= 0).all()


def test_half_precision_is_computed_in_float32() -> None:
    features = torch.randn(12, 16).bfloat16()
    wanted = local_clustering_loss(features[:4].float(), features[4:].float(), 2.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = local_clustering_loss(features[:4], features[4:], 2.0)
    assert torch.equal(found, wanted)


def test_memory_grows_with_the_pairs_and_not_with_their_features() -> None:
    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                self.numbers = max(self.numbers, out.untyped_storage().nbytes() // out.itemsize)
            return out

    features = torch.randn(64, 200, requires_grad=True)
    with Largest() as largest:
        local_clustering_loss(features[:16], features[16:], 2.0).backward()
    assert largest.numbers <= features.numel()
