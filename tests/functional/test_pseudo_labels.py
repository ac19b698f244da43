import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.pseudo_labels import (
    PseudoLabels,
    find_pseudo_labels,
    join_pseudo_labels,
    strong_view_losses,
)


def random_rows(rows: int, classes: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, classes, generator=generator, dtype=torch.float64)


@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 99), st.floats(0, 1))
def test_rows_predicted_with_confidence_learn_their_class(rows, classes, seed, threshold):
    logits = random_rows(rows, classes, seed)
    found = find_pseudo_labels(logits, threshold)
    confidence = logits.softmax(dim=1)[torch.arange(rows), logits.argmax(dim=1)]
    assert found.classes.equal(logits.argmax(dim=1))
    assert found.sure.equal(confidence >= threshold)


def test_each_row_learns_its_pseudo_label_or_its_negatives():
    labeled, strong = random_rows(4, 3, 0), random_rows(5, 3, 1)
    labels = torch.tensor([0, 1, 2, 0])
    classes, sure = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([True, False, True, False, False])
    negatives = torch.tensor([[False, True, True]] * 4 + [[False, False, False]])
    terms = strong_view_losses(labeled, strong, labels, PseudoLabels(classes, sure), negatives)
    own = strong.softmax(dim=1)
    assert terms["sup"].item() == pytest.approx(F.cross_entropy(labeled, labels).item())
    right = -torch.log(own[0, 0]) - torch.log(own[2, 2])
    assert terms["pseudo_label"].item() == pytest.approx(right.item() / 5)
    ruled_out = -torch.log(own[1, 0]) - torch.log(own[3, 0])
    assert terms["negative"].item() == pytest.approx(ruled_out.item() / 5)


def test_the_terms_of_two_submodels_at_once_are_the_means_of_theirs():
    negatives = torch.tensor([[False, True, False], [True, True, False]])
    each, parts = [], []
    for seed in (0, 10):
        labeled, strong = random_rows(3, 3, seed), random_rows(2, 3, seed + 1)
        found = PseudoLabels(strong.argmax(dim=1), torch.tensor([seed == 0, False]))
        parts.append((labeled, strong, found))
        labels = torch.tensor([0, 1, 2])
        each.append(strong_view_losses(labeled, strong, labels, found, negatives))
    labeled, strong = (torch.cat([part[index] for part in parts]) for index in (0, 1))
    together = strong_view_losses(
        labeled,
        strong,
        torch.tensor([0, 1, 2]).repeat(2),
        join_pseudo_labels([found for _, _, found in parts]),
        negatives.repeat(2, 1),
    )
    for name, term in together.items():
        assert term.item() == pytest.approx((each[0][name] + each[1][name]).item() / 2)
