import pytest

from dnll_plugin.runs.result import error_rates


def record(step, test, **others):
    return {"step": step, "eval/top-1-acc": test, **others}


def test_the_best_of_the_test_images_where_there_are_no_others():
    found = error_rates([record(1, 0.5), record(2, 0.75), {"step": 3}, record(4, 0.7)])
    assert found == pytest.approx({"error_rate": 30.0, "best_error_rate": 25.0})


def test_the_best_by_validation_and_never_by_the_test_images():
    records = [
        record(1, 0.9, **{"val/top-1-acc": 0.5}),
        record(2, 0.6, **{"val/top-1-acc": 0.8}),
        record(3, 0.7, **{"val/top-1-acc": 0.8}),  # as good, but later
        record(4, 0.8, **{"val/top-1-acc": 0.7, "eval/left-acc": 0.75}),
    ]
    assert error_rates(records) == pytest.approx(
        {
            **{"error_rate": 20.0, "best_error_rate": 40.0, "left_error_rate": 25.0},
            **{"val_error_rate": 30.0, "best_val_error_rate": 20.0, "best_iteration": 2},
        }
    )
