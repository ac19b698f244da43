"""Checks that the runs of a comparison had the same settings and the same images."""

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from dnll_plugin.comparison.plan import Plan, Run
from dnll_plugin.runs.same_settings import MAY_DIFFER_ON_RESUME
from dnll_plugin.settings.resolve import read_yaml

USES_EVERY_LABEL = "fullysupervised"
"""The algorithm that is given the label of every image, whatever the split."""

Split = dict[str, list[int]]
"""Places of the labeled and of the unlabeled images in the training set, by these names."""

UNKNOWN_CODE = "an older version that does not say"


def find_differing_settings(plan: Plan, runs: Iterable[Run]) -> list[str]:
    """Compares the settings that runs used, by their ``config.yaml``, with those shared by all.

    Args:
        plan: of the task.
        runs: its finished runs.

    Returns:
        One sentence for each setting of a run that differs.
    """
    differing = []
    for run in runs:
        used = read_yaml(run.folder.config)
        differing += [
            f"{run.name}: {key} is {used.get(key)!r}, not {value!r} as planned."
            for key, value in plan.shared.items()
            if key not in MAY_DIFFER_ON_RESUME | plan.own[run.variant].keys()
            and used.get(key) != value
        ]
    return differing


def find_differing_code(runs: Iterable[Run], results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Compares the code that runs were made with, version, sources and commit.

    Args:
        runs: finished ones.
        results: their ``result.json``, by the run's name.

    Returns:
        One sentence for each code if there are several, else nothing.
    """
    made_with: dict[str, list[str]] = {}
    for run in runs:
        code = results[run.name].get("code", [UNKNOWN_CODE])
        made_with.setdefault(" then ".join(code), []).append(run.name)
    if len({find_sources(code) for code in made_with}) < 2:
        return []
    return [
        f"different code: {len(names)} run{'s' * (len(names) > 1)} by {code}, {names[0]} for one."
        for code, names in made_with.items()
    ]


def was_begun_by_other_code(run: Run, code: str) -> bool:
    """Whether a run, finished or not, was worked on by other code than ``code``."""
    if not run.folder.holds_run():
        return False
    file = run.folder.code
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else UNKNOWN_CODE
    known = text.splitlines()
    return any(find_sources(one) != find_sources(code) for one in known)


def find_sources(code: str) -> tuple[str, ...]:
    """What of a code's description must be the same: other commits may hold the same sources."""
    return tuple(re.findall(r"sources (\w+)", code)) or (code,)


def find_differing_splits(runs: Sequence[Run]) -> list[str]:
    """Compares which images were labeled and unlabeled, among the runs of each seed.

    Returns:
        One sentence for each run whose split cannot be read, or differs from that of the first with
        its seed.
    """
    differing = []
    first: dict[int, tuple[Run, Split]] = {}
    for run in runs:
        if run.algorithm == USES_EVERY_LABEL or not run.folder.split.exists():
            continue
        mine = read_split(run.folder.split)
        if mine is None:
            differing.append(f"{run.name}: {run.folder.split} cannot be read.")
            continue
        other, theirs = first.setdefault(run.seed, (run, mine))
        if mine != theirs:
            differing.append(f"{run.name}: other labeled or unlabeled images than {other.name}.")
    return differing


def read_split(file: Path) -> Split | None:
    """Which images of a run were labeled and which unlabeled; None where the file is damaged."""
    import numpy as np

    try:
        with np.load(file) as split:
            return {name: split[name].tolist() for name in split}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error):
        return None
