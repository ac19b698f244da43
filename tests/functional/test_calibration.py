"""Expected calibration error, against a loop over the bins and by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.functional.calibration import BINS, expected_calibration_error

ROWS = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=40)


def by_the_definition(rows):
    total = 0.0
    for m in range(BINS):
        inside = [(c, r) for c, r in rows if m < c * BINS <= m + 1 or (m == 0 and c * BINS <= 0)]
        total += abs(sum(r - c for c, r in inside))
    return total / len(rows)


@given(ROWS)
def test_it_is_the_definitions(rows):
    confidence, correct = (list(column) for column in zip(*rows, strict=True))
    confidence = torch.tensor(confidence, dtype=torch.float64)
    got = expected_calibration_error(confidence, torch.tensor(correct))
    assert got.item() == pytest.approx(by_the_definition(rows))
    assert 0 <= got.item() <= 1


def test_a_net_that_is_sure_and_wrong_is_off_by_one_and_an_honest_one_by_nothing():
    assert expected_calibration_error(torch.ones(3), torch.zeros(3).bool()) == 1
    honest = torch.full((4,), 0.75), torch.tensor([True, True, True, False])
    assert expected_calibration_error(*honest) == 0
