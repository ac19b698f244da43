import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.losses import Heads
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
def test_where_unlabeled_images_look_like_labeled_ones_nothing_is_aligned(
    rows, classes, seed, threshold
):
    probabilities = random_rows(rows, classes, seed).softmax(dim=1)
    average = probabilities.mean(dim=0)
    found = find_pseudo_labels(probabilities, average, average, torch.tensor(threshold))
    torch.testing.assert_close(found.logits.exp(), probabilities)
    assert found.classes.equal(probabilities.argmax(dim=1))
    assert found.sure.equal(found.logits.exp().amax(dim=1) >= threshold)


def test_a_class_that_is_predicted_too_often_is_held_back():
    probabilities = torch.tensor([[0.55, 0.45], [0.9, 0.1]], dtype=torch.float64)
    seen, expected = torch.tensor([0.8, 0.2]), torch.tensor([0.5, 0.5])
    found = find_pseudo_labels(probabilities, seen.double(), expected.double(), torch.tensor(0.7))
    # 0.55 * 0.5 / 0.8 against 0.45 * 0.5 / 0.2, and 0.9 * 0.5 / 0.8 against 0.1 * 0.5 / 0.2
    expected_rows = torch.tensor([[0.2340, 0.7660], [0.6923, 0.3077]], dtype=torch.float64)
    torch.testing.assert_close(found.logits.exp(), expected_rows, atol=1e-4, rtol=0)
    assert found.classes.tolist() == [1, 0]
    assert found.sure.tolist() == [True, False]


@pytest.mark.parametrize("heads", [1, 2])
def test_each_row_learns_its_pseudo_label_or_its_negatives(heads):
    labeled, strong = random_rows(4, 3, 0), random_rows(5, 3, 1)
    second = [random_rows(4, 3, 2), random_rows(5, 3, 3)] if heads == 2 else [labeled, strong]
    labels = torch.tensor([0, 1, 2, 0])
    classes, sure = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([True, False, True, False, False])
    negatives = torch.tensor([[False, True, True]] * 4 + [[False, False, False]])
    terms = strong_view_losses(
        Heads(labeled, second[0]),
        Heads(strong, second[1]),
        labels,
        PseudoLabels(classes, sure, strong),
        negatives,
    )
    own = second[1].softmax(dim=1)
    assert terms["sup"].item() == pytest.approx(F.cross_entropy(labeled, labels).item())
    right = -torch.log(own[0, 0]) - torch.log(own[2, 2])
    assert terms["pseudo_label"].item() == pytest.approx(right.item() / 5)
    ruled_out = -torch.log(own[1, 0]) - torch.log(own[3, 0])
    assert terms["negative"].item() == pytest.approx(ruled_out.item() / 5)
    assert ("logit_distance" in terms) == (heads == 2)


def test_the_terms_of_two_submodels_at_once_are_the_means_of_theirs():
    negatives = torch.tensor([[False, True, False], [True, True, False]])
    each, parts = [], []
    for seed in (0, 10):
        labeled, strong = random_rows(3, 3, seed), random_rows(2, 3, seed + 1)
        found = PseudoLabels(strong.argmax(dim=1), torch.tensor([seed == 0, False]), strong)
        parts.append((labeled, strong, found))
        heads = Heads(labeled, labeled), Heads(strong, strong)
        each.append(strong_view_losses(*heads, torch.tensor([0, 1, 2]), found, negatives))
    labeled, strong = (torch.cat([part[index] for part in parts]) for index in (0, 1))
    together = strong_view_losses(
        Heads(labeled, labeled),
        Heads(strong, strong),
        torch.tensor([0, 1, 2]).repeat(2),
        join_pseudo_labels([found for _, _, found in parts]),
        negatives.repeat(2, 1),
    )
    for name, term in together.items():
        assert term.item() == pytest.approx((each[0][name] + each[1][name]).item() / 2)
