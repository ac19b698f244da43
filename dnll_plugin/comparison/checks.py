"""Checks that the runs of a comparison had the same settings and the same images."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dnll_plugin.comparison.planning import Run
from dnll_plugin.runs.same_settings import MAY_DIFFER_ON_RESUME
from dnll_plugin.settings.resolve import read_yaml

USES_EVERY_LABEL = "fullysupervised"
"""The algorithm that is given the label of every image, whatever the split."""


def find_differing_settings(shared: Mapping[str, Any], runs: Iterable[Run]) -> list[str]:
    """Compares the settings that runs used, by their ``config.yaml``, with those shared by all.

    Returns:
        One sentence for each setting of a run that differs.
    """
    differing = []
    for run in runs:
        used = read_yaml(run.folder.config)
        differing += [
            f"{run.name}: {key} is {used.get(key)!r}, not {value!r} as planned."
            for key, value in shared.items()
            if key not in MAY_DIFFER_ON_RESUME and used.get(key) != value
        ]
    return differing


def find_differing_splits(runs: Sequence[Run]) -> list[str]:
    """Compares which images were labeled and unlabeled, among the runs of each seed.

    Returns:
        One sentence for each run whose split differs from that of the first with its seed.
    """
    import numpy as np

    differing = []
    first: dict[int, Run] = {}
    for run in runs:
        split = run.folder.path / "split.npz"
        if run.algorithm == USES_EVERY_LABEL or not split.exists():
            continue
        other = first.setdefault(run.seed, run)
        with np.load(split) as mine, np.load(other.folder.path / "split.npz") as theirs:
            if not all(np.array_equal(mine[name], theirs[name]) for name in theirs):
                differing.append(
                    f"{run.name}: other labeled or unlabeled images than {other.name}."
                )
    return differing
