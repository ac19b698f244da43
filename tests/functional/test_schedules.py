import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.schedules import (
    cosine_to_zero,
    linear_to_zero,
    negative_label_weight,
    sigmoid_rampup,
)


def test_rampup_ends() -> None:
    assert sigmoid_rampup(0, 5) == pytest.approx(math.exp(-5))
    assert sigmoid_rampup(5, 5) == 1.0
    assert sigmoid_rampup(9, 5) == 1.0
    assert sigmoid_rampup(0, 0) == 1.0


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e3))
def test_rampup_rises_and_stays_in_range(first: float, second: float, length: float) -> None:
    low, high = sorted((first, second))
    assert 0 < sigmoid_rampup(low, length) <= sigmoid_rampup(high, length) <= 1


def test_negative_weight_drops_after_the_late_epoch() -> None:
    ramp = {"weight": 75, "rampup": 100, "late_epoch": 15, "late_weight": 2}
    assert negative_label_weight(15, **ramp) == pytest.approx(75 * math.exp(-5 * 0.85**2))
    assert negative_label_weight(16, **ramp) == 2
    ramp["late_epoch"] = None
    assert negative_label_weight(200, **ramp) == 75


@pytest.mark.parametrize("epoch", [0, 15, 16, 1000])
def test_negative_weight_zero_is_zero_at_any_time(epoch: int) -> None:
    assert negative_label_weight(epoch, 0, 100, 15, 2) == 0


def test_cosine_to_zero() -> None:
    assert cosine_to_zero(0, 100) == 1.0
    assert cosine_to_zero(50, 100) == pytest.approx(0.5)
    assert cosine_to_zero(100, 100) == pytest.approx(0.0)
    assert cosine_to_zero(5, 100, warmup_steps=10) == 0.5
    assert cosine_to_zero(10, 100, warmup_steps=10) == 1.0


def test_linear_to_zero() -> None:
    falls_late = [linear_to_zero(step, 100, 80) for step in (0, 80, 90, 100, 120)]
    assert falls_late == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert linear_to_zero(25, 100, 0) == 0.75
    assert linear_to_zero(99, 100, 100) == 1.0
