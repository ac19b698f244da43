"""The names of what a run measures on test images of none of its classes.

In ``metrics.jsonl`` they are ``eval/<score>-<measure>``, of a pair for the mean of its submodels,
with ``eval/ensemble-<score>-<measure>`` beside; in ``result.json`` the same in percent, without
``eval/`` and with underscores. Scores are ``confidence``, ``energy`` and ``own``.
"""

import re
from collections.abc import Mapping
from typing import Any

from dnll_plugin.runs.records import Record

MEASURES = {
    "auroc": "AUROC",
    "fpr95": "FPR at 95% TPR",
    "balanced_accuracy": "balanced accuracy of K + 1 classes",
}
"""What is measured of a score, with its heading."""

_PATTERN = re.compile(rf"(ensemble[-_])?([a-z]+)[-_]({'|'.join(MEASURES)})")


def name_metric(eval_dest: str, score: str, measure: str, of_ensemble: bool = False) -> str:
    """The name of a measure of a score in ``metrics.jsonl``."""
    return f"{eval_dest}/{'ensemble-' if of_ensemble else ''}{score}-{measure}"


def open_set_rates(records: list[Record]) -> dict[str, float]:
    """The measures of the last evaluation in percent, by their names in ``result.json``; nothing
    where they were not recorded."""
    rates = {}
    for name, value in records[-1].items():
        short = name.removeprefix("eval/")
        if short != name and value is not None and _PATTERN.fullmatch(short):
            rates[short.replace("-", "_")] = 100.0 * value
    return rates


def read_rates(result: Mapping[str, Any], of_ensemble: bool) -> dict[str, dict[str, float]]:
    """The measures in a ``result.json``, by score and measure.

    Args:
        result: What the file holds.
        of_ensemble: Those of the ensemble of a pair, or of the single model.
    """
    rates: dict[str, dict[str, float]] = {}
    for name, value in result.items():
        found = _PATTERN.fullmatch(name)
        if found is not None and bool(found[1]) == of_ensemble:
            rates.setdefault(found[2], {})[found[3]] = value
    return rates


def list_columns(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The names of all measures in the results of runs, each once."""
    names = (name for result in results.values() for name in result)
    return list(dict.fromkeys(name for name in names if _PATTERN.fullmatch(name)))
