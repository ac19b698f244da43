"""The report: tables, checks, and files that stand alone."""

import csv
import json
import re

import numpy as np
import pytest

from dnll_plugin.comparison import report
from dnll_plugin.comparison.checks import (
    find_differing_settings,
    find_differing_splits,
    was_begun_by_other_code,
)
from dnll_plugin.comparison.running import Failure


@pytest.fixture
def runs(finished, finished_pair):
    """Three seeds of a pair, two of FixMatch."""
    return [
        *(finished_pair(seed, [40, 10 + seed]) for seed in range(3)),
        *(finished("fixmatch", seed, [50, 15 + 2 * seed]) for seed in range(2)),
    ]


def write(tmp_path, plan, failures=(), baseline="fixmatch"):
    warnings = report.write(tmp_path, plan, failures, baseline, "dnll compare --c x.yaml <&>")
    return warnings, (tmp_path / "report.md").read_text(encoding="utf-8")


def lines_of(text, name):
    return [line for line in text.splitlines() if line.startswith(f"| {name} |")]


def test_the_table_has_mean_and_deviation_the_paired_difference_and_each_seed(
    tmp_path, runs, make_plan
):
    warnings, text = write(tmp_path, make_plan(*runs))
    assert warnings == []
    main, seeds = lines_of(text, "dnll_dual, one submodel")
    assert "| 1 | 11.00 ± 1.00 | 11.00 ± 1.00 | -5.50 [-11.85, +0.85] | 0.5000 | 5 |" in main
    assert seeds.endswith("| 10.00 | 11.00 | 12.00 |")
    ensemble, _ = lines_of(text, "dnll_dual, ensemble")
    assert "| 2 | 10.00 ± 1.00 |" in ensemble
    base, seeds = lines_of(text, "fixmatch")
    assert "| baseline |" in base
    assert seeds.endswith("| 15.00 | 17.00 | – |")  # noqa: RUF001
    assert "5 of 5 runs are finished." in text
    assert "Checked: all of these runs had the same shared settings" in text


def test_a_clear_difference_is_marked_and_a_single_seed_has_no_interval(
    tmp_path, finished, make_plan
):
    pairs = [(finished("flexmatch", s, [5 + s]), finished("fixmatch", s, [9 + s])) for s in (0, 1)]
    _, text = write(tmp_path, make_plan(*(run for pair in pairs for run in pair)))
    assert "| -4.00 [-4.00, -4.00] * |" in lines_of(text, "flexmatch")[0]
    _, text = write(tmp_path, make_plan(*pairs[0]))
    assert "| 5.00 | 5.00 | -4.00 (one seed) |" in lines_of(text, "flexmatch")[0]


def test_the_html_file_stands_alone_and_escapes(tmp_path, runs, make_plan):
    write(tmp_path, make_plan(*runs))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 1
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "&lt;&amp;&gt;" in text


def test_the_csv_file_has_every_number_of_every_finished_run(tmp_path, runs, make_plan, make_run):
    write(tmp_path, make_plan(*runs, make_run(seed=5)))
    with (tmp_path / "results.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    first, last = rows[0], rows[-1]
    assert (first["left_error_rate"], first["updates_left"]) == ("9.5", "5")
    assert (last["algorithm"], last["seed"], last["ensemble_error_rate"]) == ("fixmatch", "1", "")
    assert last["seconds_per_step"] == "0.5"


RATES = {"auroc": 80.0, "fpr95": 40.0, "balanced_accuracy": 60.0}
"""How a run found test images of no class."""


def rates(score, more=0.0):
    return {f"{score}_{measure}": rate + more for measure, rate in RATES.items()}


def test_without_unknown_test_images_the_report_says_nothing_of_them(tmp_path, runs, make_plan):
    _, text = write(tmp_path, make_plan(*runs))
    assert "of no class" not in text
    assert "auroc" not in (tmp_path / "results.csv").read_text()


def test_how_unknown_test_images_are_found_is_a_table_by_model_and_score(
    tmp_path, finished, make_plan
):
    pair = {"ensemble_error_rate": 9.0, **rates("energy"), **rates("ensemble_energy", 9)}
    runs = [
        finished("fixmatch", 0, [10.0], **rates("confidence")),
        finished("fixmatch", 1, [10.0], **rates("confidence", 2)),
        finished("iomatch", 0, [10.0], **rates("confidence"), **rates("own", 5)),
        finished("dnll_dual", 0, [10.0], **pair),
        finished("old", 0, [10.0]),
    ]
    _, text = write(tmp_path, make_plan(*runs))
    assert "| fixmatch | confidence | 81.00 ± 1.41 | 41.00 ± 1.41 | 61.00 ± 1.41 |" in text
    assert "| iomatch | own | 85.00 | 45.00 | 65.00 |" in text
    assert "| dnll_dual, one submodel | energy | 80.00 | 40.00 | 60.00 |" in text
    assert "| dnll_dual, ensemble | energy | 89.00 | 49.00 | 69.00 |" in text
    assert text.count("(Otsu's method)") == 1
    assert "Finding test images of no class" in (tmp_path / "report.html").read_text()
    with (tmp_path / "results.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["confidence_auroc"] for row in rows] == ["80.0", "82.0", "80.0", "", ""]
    saved = json.loads((tmp_path / "results.json").read_text())["tasks"][0]["runs"]
    assert saved[2]["own_fpr95"] == 45.0


def test_failed_runs_are_shown_with_their_last_lines(tmp_path, runs, make_plan, make_run):
    lost = make_run("uda", 0)
    _, text = write(
        tmp_path, make_plan(*runs, lost), [Failure(lost, "exit code 1", ("dnll: error: no",))]
    )
    assert "`uda_0`: exit code 1\n\n```\ndnll: error: no\n```" in text
    assert "5 of 6 runs are finished." in text


def test_a_report_of_nothing_can_be_written(tmp_path, make_run, make_plan):
    warnings, text = write(tmp_path, make_plan(make_run()))
    assert warnings == []
    assert "0 of 1 runs are finished." in text
    assert not (tmp_path / "curves.png").exists()


def test_a_setting_that_differs_is_a_warning_in_the_report(tmp_path, runs, make_plan):
    config = runs[1].folder.config
    config.write_text(config.read_text().replace("lr: 0.03", "lr: 0.1"))
    plan = make_plan(*runs)
    expected = "dnll_dual_1: lr is 0.1, not 0.03 as planned."
    assert find_differing_settings(plan, runs) == [expected]
    warnings, text = write(tmp_path, plan)
    assert warnings == [expected]
    assert f"**Not comparable:** {expected}" in text
    assert "Checked" not in text


def test_other_labeled_images_are_a_warning(runs):
    assert find_differing_splits(runs) == []
    np.savez(runs[3].folder.path / "split.npz", labeled=[7], unlabeled=[1, 2])
    assert find_differing_splits(runs) == [
        "fixmatch_0: other labeled or unlabeled images than dnll_dual_0."
    ]


def test_damaged_files_of_a_run_do_not_stop_a_comparison(runs):
    split = runs[3].folder.split
    split.write_bytes(b"PK\x03\x04 cut off")
    assert find_differing_splits(runs) == [f"fixmatch_0: {split} cannot be read."]
    runs[3].folder.code.write_bytes(b"\xff")
    assert was_begun_by_other_code(runs[3], "1.0")
