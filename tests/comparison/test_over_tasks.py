"""What comes out over several tasks, from models made by hand, and the report of it."""

import json
from dataclasses import replace

import pytest

from dnll_plugin.comparison import report
from dnll_plugin.comparison.over_tasks import compare_over_tasks
from dnll_plugin.comparison.plan import Run
from dnll_plugin.comparison.statistics import Model


def make_model(name: str, errors: dict[int, float], passes: float | None = 100.0) -> Model:
    """Errors by seed; each run has half of the way to its error at step 5, and ends at 10."""
    return Model(
        name=name,
        variant=name,
        nets=1,
        final=errors,
        best=errors,
        curves={seed: [(5, error + 4.0), (10, error)] for seed, error in errors.items()},
        seconds_per_step=dict.fromkeys(errors, 0.1),
        updates="10",
        ece={},
        passes=passes,
    )


FIXMATCH = {0: 9.0, 1: 11.0, 2: 10.0}
BETTER = {0: 3.1, 1: 5.0, 2: 3.9}
WORSE = {0: 15.1, 1: 17.0, 2: 15.9}


def test_ranks_standing_and_computing():
    models = {
        task: [
            make_model("fixmatch", FIXMATCH),
            make_model("better", BETTER, passes=150.0),
            make_model("worse", WORSE),
        ]
        for task in ("one", "two")
    }
    found = compare_over_tasks(models, "fixmatch")
    assert [line.name for line in found.lines] == ["better", "fixmatch", "worse"]
    better, base, worse = found.lines
    assert (better.mean_rank, base.mean_rank, worse.mean_rank) == (1.0, 2.0, 3.0)
    assert (better.standing, base.standing, worse.standing) == ((2, 0, 0), None, (0, 0, 2))
    assert (better.better, better.worse) == (6, 0)
    assert better.worst == 5.0
    assert better.mean_error == pytest.approx(4.0)
    # 8.0 at half of its steps, each of 1.5 times the baseline's passes
    assert (better.computing.median, better.computing.reached) == (0.75, 2)
    assert (worse.computing.median, worse.computing.reached) == (None, 0)
    assert found.seeds == {"one": (0, 1, 2), "two": (0, 1, 2)}
    assert found.critical == pytest.approx(2.343 * (12 / 12) ** 0.5, rel=1e-3)


def test_ranks_are_of_the_seeds_that_all_have():
    models = {
        "one": [make_model("fixmatch", FIXMATCH), make_model("few", {0: 9.5})],
        "two": [make_model("fixmatch", FIXMATCH), make_model("few", {0: 9.5, 1: 99.0})],
    }
    found = compare_over_tasks(models, "fixmatch")
    assert found.seeds == {"one": (0,), "two": (0, 1)}
    assert {line.name: line.mean_rank for line in found.lines} == {"fixmatch": 1.0, "few": 2.0}


def test_a_model_that_lacks_a_task_has_no_rank():
    models = {
        "one": [make_model("fixmatch", FIXMATCH), make_model("late", BETTER)],
        "two": [make_model("fixmatch", FIXMATCH)],
    }
    late = next(
        line for line in compare_over_tasks(models, "fixmatch").lines if line.mean_rank is None
    )
    assert (late.name, late.mean_error) == ("late", None)


@pytest.fixture
def plans(finished, make_plan, tmp_path):
    """Two tasks, two algorithms, two seeds."""
    made = []
    for task, shift in (("digits", 0.0), ("<b>usps", 3.0)):
        runs: list[Run] = []
        for name, error in (("fixmatch", 9.0), ("dnll_fixmatch", 6.0)):
            for seed in (0, 1):
                run = finished(
                    name,
                    seed if task == "digits" else seed + 2,
                    [40.0, error + shift + seed],
                    rows_forward=100,
                    rows_backward=50,
                    ece=3.0,
                )
                runs.append(replace(run, task=task))
        made.append(replace(make_plan(*runs), task=task))
    return made


def test_the_report_over_tasks_has_every_file(plans, tmp_path):
    (tmp_path / "out").mkdir()
    warnings = report.write_over_tasks(tmp_path / "out", plans, [], "fixmatch", "dnll compare")
    assert warnings == []
    for name in ("ranks.png", "error_over_time.png", "results.csv", "report.md", "report.html"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| dnll_fixmatch | 1 | 1.00 | 8.00 | 10.00 |" in text
    assert "&lt;b>usps" in text
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>usps" not in html
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [task["name"] for task in results["tasks"]] == ["digits", "<b>usps"]
    assert results["over_tasks"]["models"][0]["name"] == "dnll_fixmatch"


def test_other_code_is_said(finished, make_plan, tmp_path):
    runs = [
        finished("fixmatch", seed, [9.0], code=[f"0.2.0 (sources {digest}, commit {digest})"])
        for seed, digest in enumerate(("1a2b3c", "4d5e6f"))
    ]
    warnings = report.write(tmp_path, make_plan(*runs), [], "fixmatch", "dnll compare")
    assert [warning.partition(":")[0] for warning in warnings] == ["different code"] * 2
