import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dnll_plugin.functional.losses import (
    EPSILON,
    NEGATIVE_LOSSES,
    Heads,
    NegativeLabels,
    consistency,
    dual_losses,
    head_distance,
    meanteacher_losses,
    negative_label_loss,
)
from dnll_plugin.functional.negatives import uniform_negatives

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
dtypes = st.sampled_from(DTYPES)


def extreme_logits(rows: int, classes: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    """Logits up to 1e4 either way, a few of them at the ends."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator) * 1e4
    return logits.clamp(-1e4, 1e4).to(dtype).requires_grad_()


def test_negative_loss_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], dtype=torch.float64))
    negatives = torch.tensor([[False, True, True], [True, False, False]])
    first = -(math.log(0.8 + EPSILON) + math.log(0.9 + EPSILON)) / 2
    second = -math.log(0.5 + EPSILON)
    assert negative_label_loss(logits, negatives).item() == pytest.approx((first + second) / 2)
    rows = torch.tensor([True, False])
    assert negative_label_loss(logits, negatives, rows).item() == pytest.approx(first)
    count = torch.tensor(4.0)
    assert negative_label_loss(logits, negatives, rows, count).item() == pytest.approx(first / 4)
    weights = torch.tensor([1.0, 0.5])
    weighted = negative_label_loss(logits, negatives, weights).item()
    assert weighted == pytest.approx((first + 0.5 * second) / 1.5)


def test_negatives_together_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], dtype=torch.float64))
    negatives = torch.tensor([[False, True, True], [True, False, False]])
    loss = negative_label_loss(logits, negatives, kind="together").item()
    assert loss == pytest.approx(-(math.log(0.7) + math.log(0.5)) / 2)
    cross_entropy = torch.nn.functional.cross_entropy(logits[:1], torch.tensor([0])).item()
    alone = negative_label_loss(logits[:1], negatives[:1], kind="together").item()
    assert alone == pytest.approx(cross_entropy)


def test_an_unknown_kind_of_negative_loss_is_named() -> None:
    with pytest.raises(ValueError, match=r"kind must be one of each, together, got 'all'"):
        negative_label_loss(torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool), kind="all")


@pytest.mark.parametrize("kind", NEGATIVE_LOSSES)
def test_no_row_or_no_negative_is_zero_with_zero_gradient(kind: str) -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    none = torch.zeros(3, 4, dtype=torch.bool)
    for negatives, rows in ((~none, none[:, 0]), (none, ~none[:, 0])):
        loss = negative_label_loss(logits, negatives, rows, kind=kind)
        loss.backward()
        assert loss.item() == 0.0
        assert logits.grad is not None
        assert not logits.grad.any()
    assert negative_label_loss(torch.zeros(0, 4), none[:0], kind=kind).item() == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9), st.integers(2, 1000), st.integers(0, 999), dtypes)
def test_extreme_logits_give_finite_losses_and_gradients(
    rows: int, classes: int, seed: int, dtype: torch.dtype
) -> None:
    own, other, labeled = (extreme_logits(rows, classes, seed + i, dtype) for i in range(3))
    labels = torch.arange(rows) % classes
    negatives = uniform_negatives(other, 2, torch.Generator().manual_seed(seed))
    for kind, negative_loss in (("mse", "each"), ("kl", "together")):
        terms = dual_losses(
            Heads(labeled, labeled),
            Heads(own, own),
            labels,
            other.detach(),
            other.detach(),
            NegativeLabels(negatives, torch.arange(rows) % 2 == 0, kind=negative_loss),
            kind,
        )
        total = torch.stack([term.float() for term in terms.values()]).sum()
        if rows == 0:
            continue
        gradients = torch.autograd.grad(total, (own, labeled))
        assert total.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_under_autocast(dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=dtype):
        logits = extreme_logits(8, 10, 0, torch.float32)
        half = torch.nn.functional.linear(logits, torch.eye(10))
        loss = negative_label_loss(half, uniform_negatives(half, 2))
        loss = loss + consistency(half, half.detach().flip(0), "kl").mean()
    loss.backward()
    assert half.dtype == dtype
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_consistency_of_the_same_prediction_is_zero() -> None:
    logits = torch.randn(5, 7, dtype=torch.float64)
    for kind in ("mse", "kl"):
        assert torch.allclose(consistency(logits, logits + 3.0, kind), torch.zeros(5).double())


def test_consistency_by_hand() -> None:
    p, q = torch.tensor([[0.9, 0.1]]).double(), torch.tensor([[0.6, 0.4]]).double()
    assert consistency(p.log(), q.log(), "mse").item() == pytest.approx(0.09)
    kl = 0.6 * math.log(0.6 / 0.9) + 0.4 * math.log(0.4 / 0.1)
    assert consistency(p.log(), q.log(), "kl").item() == pytest.approx(kl)


def test_unknown_criterion_is_named() -> None:
    with pytest.raises(ValueError, match="'mse' or 'kl', got 'l1'"):
        consistency(torch.zeros(1, 2), torch.zeros(1, 2), "l1")


def test_one_head_has_no_distance() -> None:
    heads = Heads.of({"logits": torch.randn(4, 3)})
    assert not head_distance(heads).any()
    two = Heads(torch.ones(4, 5), torch.zeros(4, 5))
    assert torch.equal(head_distance(two), torch.ones(4))


def test_targets_get_no_gradient_and_learners_do() -> None:
    labeled, own = torch.randn(2, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    teacher = torch.randn(4, 3)
    terms = meanteacher_losses(
        Heads(labeled, labeled),
        Heads(own, own),
        torch.tensor([0, 2]),
        teacher,
        uniform_negatives(teacher, 1),
    )
    torch.stack(list(terms.values())).sum().backward()
    assert own.grad is not None
    assert own.grad.any()
    assert labeled.grad is not None


def test_labeled_rows_take_part_in_consistency_only_with_a_second_view() -> None:
    labeled, own = torch.randn(2, 3), torch.randn(4, 3)
    other = own.flip(1)
    rest = {
        "labels": torch.tensor([0, 2]),
        "pull_target": other,
        "negatives": NegativeLabels(uniform_negatives(own, 1), torch.ones(4, dtype=torch.bool)),
    }
    one = dual_losses(Heads(labeled, labeled), Heads(own, own), other_view=other, **rest)
    both = torch.cat((labeled.flip(1), other))
    two = dual_losses(Heads(labeled, labeled), Heads(own, own), other_view=both, **rest)
    extra = consistency(labeled, labeled.flip(1)).sum() / 6
    assert two["consistency"].item() == pytest.approx((one["consistency"] + extra).item())
    assert one["stabilization"].item() == 0.0


@pytest.mark.parametrize("second_view", [False, True])
@pytest.mark.parametrize("kind", ["mse", "kl"])
@pytest.mark.parametrize("two_heads", [False, True])
def test_terms_of_both_submodels_at_once_are_the_means_of_theirs(
    second_view: bool, kind: str, two_heads: bool
) -> None:
    sides = [one_side(seed, second_view, two_heads) for seed in (0, 1)]
    alone = [dual_losses(**side, kind=kind) for side in sides]
    joined: dict[str, Any] = {name: torch.cat([side[name] for side in sides]) for name in TENSORS}
    heads = {name: Heads.join([side[name] for side in sides]) for name in ("labeled", "unlabeled")}
    other = [side["other_view"] for side in sides]
    joined["other_view"] = torch.cat([o[:-4] for o in other] + [o[-4:] for o in other])
    negatives = [side["negatives"] for side in sides]
    joined["negatives"] = NegativeLabels(
        torch.cat([chosen.classes for chosen in negatives]),
        torch.cat([chosen.rows for chosen in negatives]),
        torch.stack([chosen.rows.sum() for chosen in negatives]),
    )
    both = dual_losses(**heads, **joined, kind=kind)
    assert both.keys() == alone[0].keys()
    assert ("logit_distance" in both) == two_heads
    for name, term in both.items():
        assert term.item() == pytest.approx((alone[0][name] + alone[1][name]).item() / 2)


TENSORS = ("labels", "pull_target")


def one_side(seed: int, second_view: bool, two_heads: bool) -> dict[str, Any]:
    """What :func:`dual_losses` takes of a submodel with 2 labeled and 4 unlabeled rows."""
    generator = torch.Generator().manual_seed(seed)

    def logits(rows: int) -> torch.Tensor:
        return torch.randn(rows, 3, generator=generator, dtype=torch.float64)

    def heads(rows: int) -> Heads:
        of_class = logits(rows)
        return Heads(of_class, logits(rows) if two_heads else of_class)

    return {
        "labeled": heads(2),
        "unlabeled": heads(4),
        "labels": torch.tensor([seed, 2]),
        "other_view": logits(6 if second_view else 4),
        "pull_target": logits(4),
        "negatives": NegativeLabels(
            uniform_negatives(logits(4), 2, generator), torch.tensor([True, seed == 1, False, True])
        ),
    }
