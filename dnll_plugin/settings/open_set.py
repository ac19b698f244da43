"""Checks of what a config says of images of no class, as those of :mod:`checks`."""

from collections.abc import Mapping
from typing import Any

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.folders import find_layout, folder_facts
from dnll_plugin.settings.ranges import join_names
from dnll_plugin.settings.suggestions import suggest_name


def check_known_classes(values: Mapping[str, Any]) -> tuple[str, str] | None:
    known = values["known_classes"]
    if known is None:
        return None
    from dnll_plugin.datasets.known_classes import list_classes

    row = DATASETS[values["dataset"]]
    listed = list_classes(row, known)
    for name in listed:
        if name not in row.classes:
            hint = suggest_name(name, [*row.classes, *row.superclasses])
            return "known_classes", f"{values['dataset']} has no class {name!r}; {hint}"
    for name in listed:
        if listed.count(name) > 1:
            return "known_classes", f"lists {name!r} more than once; write each class once"
    if len(listed) != values["num_classes"]:
        return (
            "known_classes",
            f"lists {len(listed)} classes, but num_classes is {values['num_classes']}; "
            f"write num_classes={len(listed)}",
        )
    return None


def check_open_set(values: Mapping[str, Any]) -> tuple[str, str] | None:
    row, images = OWN_ALGORITHMS.get(values["algorithm"]), DATASETS[values["dataset"]]
    if row is None or not row.open_set:
        return None
    if images.read_facts is folder_facts and find_layout(values["data_dir"]).unlabeled is None:
        mend = "put unlabeled images into unlabeled/ beside labeled/"
    elif images.has_ood and not (values["ood_classes"] and values["ulb_ood"]):
        mend = "write ood_classes and ulb_ood"
    elif images.closed_set:
        able = sorted(name for name, other in DATASETS.items() if other.has_ood)
        mend = f"take {join_names(able)} with ood_classes and ulb_ood"
    else:  # unlabeled images of a set of their own may be of no class without anyone knowing
        return None
    return (
        "algorithm",
        f"{row.name} is for unlabeled images of no class, and there are none; {mend}, or take "
        "another algorithm",
    )
