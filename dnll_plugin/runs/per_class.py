"""The error of each class: its names in ``metrics.jsonl`` and in ``result.json``."""

import json
from collections.abc import Mapping
from typing import Any

from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.records import Record

KEY = "class_error_rates"
"""In ``result.json``: percent by the name of the class."""

PREFIX = "eval/class/"
"""In ``metrics.jsonl``, before the label: the share of its test images that are right."""


def class_error_rates(records: list[Record], folder: RunFolder) -> dict[str, dict[str, float]]:
    """The error rates of the last step by class, as a part of ``result.json``.

    Args:
        records: Those of ``metrics.jsonl``.
        folder: The run folder, whose ``classes.json``, if it is there, names the classes.

    Returns:
        ``class_error_rates`` in percent, in the order of the labels; nothing where they were not
        recorded. A class without a test image has none.
    """
    accuracies = {
        int(name.removeprefix(PREFIX)): accuracy
        for name, accuracy in records[-1].items()
        if name.startswith(PREFIX) and accuracy is not None
    }
    if not accuracies:
        return {}
    names = json.loads(folder.classes.read_text("utf-8")) if folder.classes.exists() else None
    return {
        KEY: {
            names[label] if names else str(label): 100.0 * (1.0 - accuracy)
            for label, accuracy in sorted(accuracies.items())
        }
    }


def mean_class_errors(results: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """The mean over runs of each class's error, in percent; of classes that every run has."""
    found = [result[KEY] for result in results.values() if KEY in result]
    if not found:
        return {}
    shared = [name for name in found[0] if all(name in rates for rates in found)]
    return {name: sum(rates[name] for rates in found) / len(found) for name in shared}
