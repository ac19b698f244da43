"""Comparing models over several tasks: ranks, tests, and their correction for many comparisons.

After Demšar, "Statistical comparisons of classifiers over multiple data sets" (JMLR 7, 2006).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dnll_plugin.comparison.statistics import BySeed, Curve

LEVEL = 0.05


class Standing(NamedTuple):
    """Tasks on which a model is clearly better than the baseline, not clearly different, worse."""

    wins: int
    ties: int
    losses: int


def mean_ranks(errors: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Mean rank of each model over the tasks: 1 is the lowest error, ties share their mean.

    Args:
        errors: by model, one error a task, in the same order; at least one model and task.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.array(list(errors.values()), dtype=np.float64), axis=0)
    return dict(zip(errors, ranks.mean(axis=1).tolist(), strict=True))


def friedman_test(errors: Mapping[str, Sequence[float]]) -> float | None:
    """Friedman's test that all models rank alike: p, None below 3 models or 2 tasks.

    Args:
        errors: as for `mean_ranks`.
    """
    table = np.array(list(errors.values()), dtype=np.float64)
    if table.shape[0] < 3 or table.shape[1] < 2:
        return None
    from scipy.stats import friedmanchisquare

    p = float(friedmanchisquare(*table).pvalue)
    return p if math.isfinite(p) else None


def critical_difference(models: int, tasks: int) -> float:
    """Nemenyi's critical difference of mean ranks at level 0.05.

    Args:
        models: at least 2.
        tasks: at least 1.
    """
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - LEVEL, models, math.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(models * (models + 1) / (6 * tasks)))


def paired_t_test(values: BySeed, baseline: BySeed) -> float | None:
    """Student's test of paired differences over the seeds of both: p, two-sided.

    Returns:
        None where there are fewer than two pairs, or the differences do not differ.
    """
    pairs = [values[seed] - baseline[seed] for seed in values if seed in baseline]
    if len(pairs) < 2 or np.ptp(pairs) < 1e-9:
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(pairs, 0.0).pvalue)


def signed_rank_test(differences: Sequence[float]) -> float | None:
    """Wilcoxon's signed-rank test of differences: p, two-sided; None if all are zero."""
    if not any(differences):
        return None
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)


def correct_by_holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of p values for their number.

    Args:
        values: in [0, 1]; None where a test could not be made, which is not counted.

    Returns:
        The corrected values in the same order, at most 1.
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected


def count_standing(differences: Sequence[float], corrected: Sequence[float | None]) -> Standing:
    """Wins, ties and losses from mean differences to the baseline and their corrected p values."""
    clear = [
        difference
        for difference, p in zip(differences, corrected, strict=True)
        if p is not None and p < LEVEL
    ]
    wins = sum(difference < 0 for difference in clear)
    losses = sum(difference > 0 for difference in clear)
    return Standing(wins, len(differences) - wins - losses, losses)


def find_first_step(curve: Curve, error: float) -> int | None:
    """The first step at which an error rate is at most ``error``, None if it never is."""
    return next((step for step, value in curve if value <= error + 1e-9), None)
