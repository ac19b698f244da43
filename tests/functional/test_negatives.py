import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from dnll_plugin.functional.full_match import choose_roles
from dnll_plugin.functional.negatives import (
    NEGATIVE_SAMPLERS,
    below_average_negatives,
    find_top_k,
    negative_accuracy,
    negative_sampler,
)

COUNTED = [name for name, sampler in NEGATIVE_SAMPLERS.items() if sampler.by_number]

shapes = st.tuples(st.integers(0, 20), st.integers(2, 1000))
seeds = st.integers(0, 2**31)


def select_logits(rows: int, classes: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=50, deadline=None)
@given(shape=shapes, seed=seeds, data=st.data())
def test_negatives_are_never_predicted_and_at_most_m(
    name: str, shape: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    logits = select_logits(*shape, seed)
    m = data.draw(st.integers(1, shape[1] - 1))
    negatives = NEGATIVE_SAMPLERS[name].choose(logits, m, torch.Generator().manual_seed(seed))
    assert negatives.shape == shape
    assert negatives.dtype == torch.bool
    assert not negatives.gather(1, logits.argmax(dim=1, keepdim=True)).any()
    count = negatives.sum(dim=1)
    assert (count >= 1).all()
    assert (count <= m).all()
    if name != "uniform":
        assert (count == m).all()


@pytest.mark.parametrize("name", ["uniform", "without_replacement"])
def test_negatives_are_uniform(name: str) -> None:
    logits = torch.zeros(20_000, 6)
    logits[:, 2] = 1.0
    negatives = NEGATIVE_SAMPLERS[name].choose(logits, 1, torch.Generator().manual_seed(0))
    counts = negatives.sum(dim=0)
    assert counts[2] == 0
    assert chisquare(counts[[0, 1, 3, 4, 5]].numpy()).pvalue > 1e-3


def test_uniform_draws_with_replacement() -> None:
    negatives = NEGATIVE_SAMPLERS["uniform"].choose(
        torch.zeros(20_000, 10), 2, torch.Generator().manual_seed(0)
    )
    once = (negatives.sum(dim=1) == 1).float().mean().item()
    assert once == pytest.approx(1 / 9, abs=0.01)


@pytest.mark.parametrize("name", NEGATIVE_SAMPLERS)
def test_negatives_are_reproducible_from_a_generator(name: str) -> None:
    logits = select_logits(32, 10, 0)
    choose = negative_sampler(name, 2).choose
    first, second = (choose(logits, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", COUNTED)
def test_ranks_together_draw_what_one_rank_draws(name: str) -> None:
    logits = select_logits(12, 7, 0)
    choose = negative_sampler(name, 2).choose
    alone = choose(logits, generator=torch.Generator().manual_seed(5))
    for rank in range(3):
        part = choose(logits[rank::3], generator=torch.Generator().manual_seed(5), shard=(rank, 3))
        assert torch.equal(part, alone[rank::3])


def test_with_two_classes_the_negative_is_the_other_class() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    for name in NEGATIVE_SAMPLERS:
        negatives = negative_sampler(name, 1).choose(logits)
        if name == "beyond_top_k":  # both are among the two likeliest
            assert not negatives.any()
        else:
            assert negatives.tolist() == [[False, True], [True, False]]


def test_least_likely_takes_the_smallest() -> None:
    negatives = NEGATIVE_SAMPLERS["least_likely"].choose(torch.tensor([[3.0, -1.0, 2.0, 0.0]]), 2)
    assert negatives.tolist() == [[False, True, False, True]]


def test_below_average_is_less_than_the_batch_gives_a_class() -> None:
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05]])
    # on average 0.767, 0.15 and 0.083: the second row is not of the class that all rows predict
    expected = [[False, True, False], [True, False, False], [False, True, True]]
    assert below_average_negatives(probabilities.log()).tolist() == expected
    part = below_average_negatives(probabilities[1:].log(), average=probabilities.mean(dim=0))
    assert part.tolist() == expected[1:]


@pytest.mark.parametrize("rows", [1, 3, 48, 84, 448])
@pytest.mark.parametrize(
    "row",
    [torch.zeros(10), torch.tensor([0.6, 0.4]).log(), torch.tensor([0.5, 0.3, 0.2, 0.0]).log()],
)
def test_rows_that_agree_have_no_negatives(row: torch.Tensor, rows: int) -> None:
    assert not below_average_negatives(row.repeat(rows, 1)).any()


@given(shape=shapes, seed=seeds)
def test_below_average_takes_no_class_above_it_and_leaves_one(
    shape: tuple[int, int], seed: int
) -> None:
    logits = select_logits(*shape, seed) * 20
    negatives = below_average_negatives(logits)
    probabilities = logits.softmax(dim=1)
    average = probabilities.mean(dim=0)
    assert not (negatives & (probabilities >= average)).any()
    assert (~negatives).any(dim=1).all()
    assert negatives.dtype == torch.bool


def test_beyond_top_k_is_what_neither_view_may_mean() -> None:
    weak = torch.tensor([[0.6, 0.3, 0.06, 0.04], [0.1, 0.2, 0.3, 0.4]]).log()
    strong = torch.tensor([[0.3, 0.4, 0.2, 0.1], [0.91, 0.04, 0.03, 0.02]]).log()
    choose = negative_sampler("beyond_top_k", 1).choose
    # of the first row the second is in agreement, and of class 0 of the second row it is sure
    first = [False, False, True, True]
    assert choose(weak[:1], learner=strong[:1]).tolist() == [first]
    # in the second row class 3 is the last of four, so that nothing lies beyond
    assert not choose(weak, learner=strong).any()
    by_two = choose(weak, learner=strong, top_k=torch.tensor(2))
    assert by_two.tolist() == [first, [False, True, False, False]]


@given(shape=st.tuples(st.integers(1, 20), st.integers(2, 100)), seed=seeds)
def test_beyond_top_k_is_the_choice_of_full_match(shape: tuple[int, int], seed: int) -> None:
    weak = select_logits(*shape, seed) * 4
    strong = weak + select_logits(*shape, seed + 1)
    roles = choose_roles(strong, weak, torch.zeros(shape[0]), find_top_k(weak, strong), 0.95)
    negatives = NEGATIVE_SAMPLERS["beyond_top_k"].choose(weak, learner=strong)
    assert torch.equal(negatives, roles.negatives)


def test_an_unknown_sampler_is_named() -> None:
    with pytest.raises(ValueError, match=r"negative_sampling must be one of uniform, .*'likely'"):
        negative_sampler("likely", 2)


def test_negative_accuracy_counts_known_labels_of_learning_rows() -> None:
    negatives = torch.tensor([[True, True, False], [True, False, False], [False, True, False]])
    labels = torch.tensor([0, -1, 1])
    everyone = torch.tensor([True, True, True])
    first = torch.tensor([True, False, False])
    assert negative_accuracy(negatives, labels, everyone).item() == pytest.approx(1 / 3)
    assert negative_accuracy(negatives, labels, first).item() == pytest.approx(1 / 2)
    assert negative_accuracy(negatives, labels, ~everyone).isnan()
    weighted = negative_accuracy(negatives, labels, torch.tensor([0.5, 1.0, 1.0]))
    assert weighted.item() == pytest.approx(0.5 / 2.0)
