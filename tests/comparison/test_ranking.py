"""Ranks and tests over tasks, against published values and by their properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.comparison.ranking import (
    correct_by_holm,
    count_standing,
    critical_difference,
    find_first_step,
    friedman_test,
    mean_ranks,
    paired_t_test,
    signed_rank_test,
)

# AUC of C4.5 with four settings on 14 data sets: Demšar (JMLR 7, 2006), table 6
DEMSAR = {
    "C4.5": [
        *(0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.94, 0.619),
        *(0.972, 0.957),
    ],
    "+m": [
        *(0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666),
        *(0.981, 0.978),
    ],
    "+cf": [
        *(0.771, 0.59, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614),
        *(0.9751, 0.946),
    ],
    "+m+cf": [
        *(0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669),
        *(0.975, 0.97),
    ],
}


def test_ranks_are_the_published_ones():
    errors = {name: [-value for value in values] for name, values in DEMSAR.items()}
    ranks = mean_ranks(errors)
    assert ranks["C4.5"] == pytest.approx(3.143, abs=5e-4)
    assert ranks["+m"] == pytest.approx(2.0, abs=5e-4)
    assert ranks["+cf"] == pytest.approx(2.893, abs=5e-4)
    assert ranks["+m+cf"] == pytest.approx(1.964, abs=5e-4)
    # the paper's chi squared of 9.28 is p = 0.026; scipy corrects it for the ties, to a smaller p
    p = friedman_test(errors)
    assert p is not None
    assert 0.01 < p < 0.026


@pytest.mark.parametrize(("models", "q"), [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_the_critical_difference_is_of_the_published_quantiles(models, q):
    """Demšar's table 5a."""
    expected = q * math.sqrt(models * (models + 1) / (6 * 14))
    assert critical_difference(models, 14) == pytest.approx(expected, rel=1e-3)


def test_too_little_to_test_is_no_test():
    assert friedman_test({"a": [1, 2], "b": [2, 1]}) is None
    assert friedman_test({"a": [1], "b": [2], "c": [3]}) is None
    assert paired_t_test({0: 1.0}, {0: 2.0}) is None
    assert paired_t_test({0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.0}) is None
    assert paired_t_test({0: 1.0, 1: 2.0}, {2: 2.0, 3: 3.0}) is None
    assert signed_rank_test([0.0, 0.0]) is None


def test_holms_correction():
    assert correct_by_holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert correct_by_holm([0.9, 0.8]) == [1.0, 1.0]
    assert correct_by_holm([]) == []


@given(st.lists(st.none() | st.floats(0, 1), max_size=8))
def test_a_correction_keeps_the_order_and_lowers_nothing(values):
    corrected = correct_by_holm(values)
    pairs = [(p, c) for p, c in zip(values, corrected, strict=True) if p is not None]
    assert all(p <= c <= 1 for p, c in pairs)
    assert [c for _, c in sorted(pairs)] == sorted(c for _, c in pairs)
    assert [p is None for p in values] == [c is None for c in corrected]


def test_wins_and_losses_are_clear_differences():
    assert count_standing([-1.0, 2.0, -3.0, 0.5], [0.01, 0.04, 0.2, None]) == (1, 2, 1)


def test_the_first_step_at_which_an_error_is_reached():
    assert find_first_step([(10, 9.0), (20, 5.0), (30, 6.0)], 5.0) == 20
    assert find_first_step([(10, 9.0)], 5.0) is None
