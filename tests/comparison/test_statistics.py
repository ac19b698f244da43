"""The numbers of a comparison, against scipy and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dnll_plugin.comparison.statistics import (
    Difference,
    find_best,
    list_models,
    paired_difference,
    read_result,
    spread,
)

ERRORS = st.lists(st.floats(0, 100), min_size=2, max_size=8)


@given(ERRORS)
def test_the_spread_is_numpys_with_n_minus_1(values):
    mean, deviation = spread(values)
    assert mean == pytest.approx(np.mean(values))
    assert deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_a_single_value_has_no_deviation():
    assert spread([3.0]) == (3.0, None)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=8))
def test_the_interval_is_that_of_the_paired_t_test(pairs):
    ours, theirs = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    got = paired_difference(ours, theirs)
    differences = np.subtract(list(ours.values()), list(theirs.values()))
    error = stats.sem(differences)
    if error < 1e-9:  # scipy has no interval of width 0
        return
    low, high = stats.t.interval(0.95, len(pairs) - 1, differences.mean(), error)
    assert (got.mean - got.half_width, got.mean + got.half_width) == pytest.approx((low, high))


def test_only_seeds_of_both_are_paired():
    assert paired_difference({0: 1.0, 1: 5.0}, {1: 3.0, 2: 9.0}) == (2.0, None)
    assert paired_difference({0: 1.0}, {1: 3.0}) is None


@pytest.mark.parametrize(
    ("difference", "clear"),
    [(Difference(-2.0, 1.0), True), (Difference(-2.0, 3.0), False), (Difference(5.0, None), False)],
)
def test_a_difference_is_clear_if_its_interval_leaves_out_zero(difference, clear):
    assert difference.is_clear is clear


def models(*runs):
    return list_models(runs, {run.name: read_result(run) for run in runs if read_result(run)})


def test_the_best_error_is_the_lowest_or_the_one_that_validation_chose():
    curve = [(10, 30.0), (20, 25.0), (30, 28.0)]
    assert find_best(curve, 28.0, None) == 25.0
    assert find_best(curve, 24.0, None) == 24.0
    assert find_best(curve, 28.0, 10) == 30.0
    assert find_best([], 28.0, 10) == 28.0


def test_a_single_net_is_one_model(finished, make_run):
    (model,) = models(
        finished("fixmatch", 0, [30, 10, 12]), finished("fixmatch", 1, [20]), make_run(seed=2)
    )
    assert (model.name, model.nets, model.updates) == ("fixmatch", 1, "10")
    assert model.final == {0: 12, 1: 20}
    assert model.best == {0: pytest.approx(10), 1: pytest.approx(20)}
    assert model.curves[0] == [
        (3, pytest.approx(30)),
        (6, pytest.approx(10)),
        (10, pytest.approx(12)),
    ]
    assert model.seconds_per_step == {0: 0.5, 1: 0.5}


def test_a_pair_is_a_submodel_and_an_ensemble_with_the_updates_of_a_submodel(finished_pair):
    single, ensemble = models(finished_pair(0, [30, 12]))
    assert (single.name, single.nets, single.final) == ("dnll_dual, one submodel", 1, {0: 12})
    assert (ensemble.name, ensemble.nets, ensemble.final) == ("dnll_dual, ensemble", 2, {0: 11})
    assert ensemble.best == {0: pytest.approx(11)}
    assert single.updates == ensemble.updates == "5"


def test_uneven_updates_are_named(finished):
    (model,) = models(finished("fixmatch", 0, [1.0], updates={"left": 1500, "right": 1499}))
    assert model.updates == "left 1,500, right 1,499"


def test_no_finished_run_is_no_model(make_run):
    assert models(make_run()) == []
