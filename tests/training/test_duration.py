import logging
from types import SimpleNamespace

import pytest

from dnll_plugin.training import duration


@pytest.mark.parametrize(
    ("seconds", "steps", "said"),
    [
        (1.0, 86_399, None),
        (4.0, 20_000, None),
        (4.5, 1_048_576, "4.5 s a step: the 1,048,576 steps left will take about 54.6 days"),
        (0.1, 2_000_000, "0.1 s a step: the 2,000,000 steps left will take about 2.3 days"),
    ],
)
def test_only_days_are_worth_a_warning(seconds, steps, said):
    found = duration.warn_of_days(seconds, steps)
    assert said in found if said else found is None
    assert found is None or len(found) < 120


@pytest.mark.parametrize(("seconds", "warnings"), [(10.0, 1), (0.1, 0)])
def test_it_is_said_once_after_the_first_steps(monkeypatch, caplog, seconds, warnings):
    run = SimpleNamespace(it=0, num_train_iter=20_000)
    # the first step is slow, as it is where workers start
    monkeypatch.setattr(duration.time, "monotonic", lambda: 5000.0 + run.it * seconds)
    hook = duration.DurationHook(logging.getLogger("test"))
    with caplog.at_level(logging.INFO):
        for run.it in range(40):
            hook.after_train_step(run)
    found = [record.getMessage() for record in caplog.records]
    assert len(found) == warnings
    assert all("10 s a step: the 19,987 steps left will take about 2.3 days" in f for f in found)
