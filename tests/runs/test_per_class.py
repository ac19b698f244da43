"""The error of each class in the record of a run, and the mean over runs."""

import json

from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.per_class import class_error_rates, mean_class_errors

RECORDS = [
    {"step": 1},
    {"step": 2, "eval/class/10": 0.5, "eval/class/2": 1.0, "eval/class/3": None},
]


def test_the_classes_have_their_names_in_the_order_of_the_labels(tmp_path):
    folder = RunFolder(tmp_path)
    assert class_error_rates(RECORDS, folder) == {"class_error_rates": {"2": 0.0, "10": 50.0}}
    folder.classes.write_text(json.dumps([f"c{label}" for label in range(11)]))
    found = class_error_rates(RECORDS, folder)["class_error_rates"]
    assert list(found.items()) == [("c2", 0.0), ("c10", 50.0)]


def test_nothing_where_they_were_not_recorded(tmp_path):
    assert class_error_rates(RECORDS[:1], RunFolder(tmp_path)) == {}


def test_the_mean_is_of_classes_that_every_run_has():
    runs = {0: {"class_error_rates": {"a": 1.0, "b": 2.0}}, 1: {"class_error_rates": {"b": 4.0}}}
    assert mean_class_errors(runs) == {"b": 3.0}
    assert mean_class_errors({0: {}}) == {}
