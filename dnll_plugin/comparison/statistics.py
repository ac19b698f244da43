"""The numbers of a comparison: means, deviations, paired differences with their intervals."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dnll_plugin.comparison.plan import Run
from dnll_plugin.errors import InputError
from dnll_plugin.runs import records
from dnll_plugin.runs.open_set import read_rates
from dnll_plugin.runs.per_class import mean_class_errors

CONFIDENCE = 0.95

EVERY_RESULT = ("error_rate", "iterations", "seconds", "device", "versions")
"""What is in the ``result.json`` of every run, and is read here."""

BySeed = Mapping[int, float]
"""A value of each seed."""

Curve = list[tuple[int, float]]
"""Steps with the error rate, in percent, of each evaluation."""


class Spread(NamedTuple):
    """Mean, and standard deviation with n - 1 (None of a single value)."""

    mean: float
    deviation: float | None


class Difference(NamedTuple):
    """Mean of paired differences, and half the width of its interval (None of a single pair)."""

    mean: float
    half_width: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.half_width is not None and abs(self.mean) > self.half_width


@dataclass(frozen=True)
class Model:
    """What can be used after a run: the single net, or the ensemble of a pair, over the seeds.

    Attributes:
        name: as in the tables.
        variant: that trained it.
        nets: passes that a prediction takes.
        final, best: error rates in percent, by seed.
        curves: by seed; of the seeds whose records are whole.
        seconds_per_step: by seed; evaluation and saving included.
        updates: in words, those that each submodel got.
        ece: expected calibration error in percent, by seed; of the seeds that recorded it.
        passes: computing of a step in rows that go forward through a net, None if not recorded.
        open_set: how test images of no class are found: by score and measure (see
            `dnll_plugin.runs.open_set`) percent by seed; empty where there are none.
        by_class: error at the end in percent by class, the mean of the seeds; empty for an ensemble
            and where it was not recorded.
    """

    name: str
    variant: str
    nets: int
    final: BySeed
    best: BySeed
    curves: Mapping[int, Curve]
    seconds_per_step: BySeed
    updates: str
    ece: BySeed
    passes: float | None
    open_set: Mapping[str, Mapping[str, BySeed]] = field(default_factory=dict)
    by_class: Mapping[str, float] = field(default_factory=dict)

    def mean_curve(self) -> Curve:
        """Mean error over the seeds at the steps that every seed evaluated at."""
        by_step = [dict(curve) for curve in self.curves.values()] or [{}]
        return [
            (step, statistics.fmean(errors[step] for errors in by_step))
            for step in by_step[0]
            if all(step in errors for errors in by_step)
        ]


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation.

    Args:
        values: at least one.
    """
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation)


def paired_difference(values: BySeed, baseline: BySeed) -> Difference | None:
    """Mean of ``values - baseline`` over the seeds of both, with its 95% interval (Student's t).

    Returns:
        None if they have no seed in common.
    """
    differences = [values[seed] - baseline[seed] for seed in values if seed in baseline]
    if not differences:
        return None
    mean, deviation = spread(differences)
    if deviation is None:
        return Difference(mean, None)
    number = len(differences)
    return Difference(mean, t_quantile(number - 1) * deviation / math.sqrt(number))


def t_quantile(degrees: int) -> float:
    """Student's t that |t| stays below with probability `CONFIDENCE`."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))


def read_result(run: Run) -> dict[str, Any] | None:
    """``result.json`` of a run, None if it is not finished.

    Raises:
        InputError: it lacks something that every run writes.
    """
    if not run.folder.is_finished():
        return None
    result: dict[str, Any] = json.loads(run.folder.result.read_text(encoding="utf-8"))
    lacking = [key for key in EVERY_RESULT if key not in result]
    if lacking:
        raise InputError(
            f"{run.folder.result}: lacks {', '.join(lacking)}; delete it, and it is written again"
        )
    return result


def list_models(runs: Sequence[Run], results: Mapping[str, Mapping[str, Any]]) -> list[Model]:
    """The models that the finished runs of a variant trained.

    Args:
        runs: those of one variant.
        results: of the finished runs, by the run's name.

    Returns:
        The single net (of a pair: the mean of its two submodels) and, of a pair, the ensemble.
    """
    done = {run.seed: run for run in runs if run.name in results}
    if not done:
        return []
    found = {seed: results[run.name] for seed, run in done.items()}
    first = next(iter(found.values()))
    is_pair = "ensemble_error_rate" in first
    variant = runs[0].variant

    def model(name: str, nets: int, metric: str, final_key: str, ece_key: str) -> Model:
        rates = {seed: read_rates(r, of_ensemble=nets > 1) for seed, r in found.items()}
        read = {seed: error_curve(run, metric) for seed, run in done.items()}
        curves = {seed: curve for seed, curve in read.items() if is_whole(curve, found[seed])}
        return Model(
            name=name,
            variant=variant,
            nets=nets,
            final={seed: result[final_key] for seed, result in found.items()},
            best={
                seed: find_best(read[seed], result[final_key], result.get("best_iteration"))
                for seed, result in found.items()
            },
            curves=curves,
            seconds_per_step={seed: r["seconds"] / r["iterations"] for seed, r in found.items()},
            updates=updates_in_words(first),
            ece={seed: r[ece_key] for seed, r in found.items() if ece_key in r},
            passes=count_passes(list(found.values())),
            open_set=gather_rates(rates),
            by_class=mean_class_errors(found) if nets == 1 else {},
        )

    name = f"{variant}, one submodel" if is_pair else variant
    models = [model(name, 1, "eval/top-1-acc", "error_rate", "ece")]
    if is_pair:
        name = f"{variant}, ensemble"
        models.append(model(name, 2, "eval/ensemble-acc", "ensemble_error_rate", "ensemble_ece"))
    return models


def gather_rates(
    rates: Mapping[int, Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, dict[int, float]]]:
    """By score, measure and seed what is by seed, score and measure."""
    gathered: dict[str, dict[str, dict[int, float]]] = {}
    for seed, by_score in rates.items():
        for score, measures in by_score.items():
            for measure, value in measures.items():
                gathered.setdefault(score, {}).setdefault(measure, {})[seed] = value
    return gathered


def count_passes(results: Sequence[Mapping[str, Any]]) -> float | None:
    """Computing of a step, in rows that go forward through a net.

    A row that goes backward too costs that twice more (the gradients of activations and weights).

    Args:
        results: of the runs of a variant, at least one.

    Returns:
        Mean of the runs that recorded their rows, None if none did.
    """
    counted = [
        result["rows_forward"] + 2 * result["rows_backward"]
        for result in results
        if "rows_forward" in result
    ]
    return statistics.fmean(counted) if counted else None


def find_best(curve: Curve, final: float, best_step: int | None) -> float:
    """The best error rate of a run.

    Args:
        curve: step and error of each evaluation on the test images.
        final: error at the end.
        best_step: step of the best evaluation on the validation images, whose error on the test
            images counts; None where there were none: then it is the lowest on the test images.
    """
    if best_step is not None:
        return dict(curve).get(best_step, final)
    return min([final, *(error for _, error in curve)])


def error_curve(run: Run, metric: str) -> Curve:
    """Error rates of a run, in percent, at each evaluation."""
    return [
        (int(record["step"] or 0), 100.0 * (1.0 - accuracy))
        for record in records.read(run.folder.metrics)
        if (accuracy := record.get(metric)) is not None
    ]


def is_whole(curve: Curve, result: Mapping[str, Any]) -> bool:
    """Whether the evaluations of a run go on to its last step; damaged records end before."""
    return bool(curve) and curve[-1][0] >= result["iterations"]


def metric_curve(run: Run, metric: str) -> Curve:
    """A recorded number of a run at each step that has it."""
    return [
        (int(record["step"] or 0), float(value))
        for record in records.read(run.folder.metrics)
        if (value := record.get(metric)) is not None
    ]


def updates_in_words(result: Mapping[str, Any]) -> str:
    """The updates that each submodel got: one number, or one a submodel where they differ."""
    updates = result.get("updates", {"": result["iterations"]})
    numbers = set(updates.values())
    if len(numbers) == 1:
        return f"{numbers.pop():,}"
    return ", ".join(f"{name} {number:,}" for name, number in updates.items())
