"""What comes out over several tasks: the numbers of one line a model."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dnll_plugin.comparison.ranking import (
    Standing,
    correct_by_holm,
    count_standing,
    critical_difference,
    find_first_step,
    friedman_test,
    mean_ranks,
    paired_t_test,
    signed_rank_test,
)
from dnll_plugin.comparison.statistics import Model, paired_difference

ByTask = Mapping[str, Model]


class Computing(NamedTuple):
    """Computing until the baseline's final error, as a share of the baseline's whole run.

    Attributes:
        median: over the tasks where it was reached, None if on none.
        reached, tasks: number of tasks where it was reached, and where passes were counted.
    """

    median: float | None
    reached: int
    tasks: int


@dataclass(frozen=True)
class Line:
    """One model over the tasks.

    Attributes:
        mean_rank: among the single nets that all tasks have; None for any other.
        mean_error: in percent, over all tasks; None if the model lacks one.
        worst: highest error of any seed on any task.
        standing: against the baseline; None for the baseline itself.
        better, worse: pairs of the same task and seed in which the error is below or above the
            baseline's.
        p: signed-rank test of all pairs, corrected for the number of models.
        ece: mean over the tasks, in percent.
    """

    name: str
    nets: int
    by_task: ByTask
    mean_rank: float | None
    mean_error: float | None
    worst: float
    standing: Standing | None
    better: int
    worse: int
    p: float | None
    ece: float | None
    computing: Computing


@dataclass(frozen=True)
class OverTasks:
    """Models over tasks.

    Attributes:
        seeds: by task, those that all ranked models have, which ranks and mean errors are of.
        friedman: p that all rank alike, None where it cannot be tested.
        critical: Nemenyi's critical difference, None for a single model.
    """

    tasks: tuple[str, ...]
    baseline: str
    lines: tuple[Line, ...]
    seeds: Mapping[str, tuple[int, ...]]
    friedman: float | None
    critical: float | None


def compare_over_tasks(models: Mapping[str, Sequence[Model]], baseline: str) -> OverTasks:
    """Compares models over tasks.

    Args:
        models: by task; at least one task with a model.
        baseline: the variant that the others are compared with.
    """
    tasks = tuple(models)
    by_name: dict[str, dict[str, Model]] = {}
    for task in tasks:
        for model in models[task]:
            by_name.setdefault(model.name, {})[task] = model
    base = next(
        (found for found in by_name.values() if next(iter(found.values())).variant == baseline), {}
    )
    whole = {name: found for name, found in by_name.items() if len(found) == len(tasks)}
    seeds = {task: common_seeds([found[task] for found in whole.values()]) for task in tasks}
    errors = {
        name: [error_of_seeds(found[task], seeds[task]) for task in tasks]
        for name, found in whole.items()
    }
    ranked = {name: errors[name] for name in whole if whole[name][tasks[0]].nets == 1}
    ranks = mean_ranks(ranked) if ranked else {}
    standings = judge_tasks(by_name, base)
    p_values = judge_pairs(by_name, base)
    lines = [
        build_line(name, found, base, ranks, errors, standings, p_values)
        for name, found in by_name.items()
    ]
    lines.sort(key=_place)
    several = len(ranked) > 1
    return OverTasks(
        tasks,
        baseline,
        tuple(lines),
        seeds,
        friedman_test(ranked) if several else None,
        critical_difference(len(ranked), len(tasks)) if several else None,
    )


def common_seeds(models: Sequence[Model]) -> tuple[int, ...]:
    """The seeds that all models have; if there are none, no seed."""
    shared = set.intersection(*(set(model.final) for model in models)) if models else set()
    return tuple(sorted(shared))


def error_of_seeds(model: Model, seeds: Sequence[int]) -> float:
    """Mean error over some seeds; over all that the model has if there are none."""
    return statistics.fmean([model.final[seed] for seed in seeds] or model.final.values())


def judge_tasks(by_name: Mapping[str, ByTask], base: ByTask) -> dict[str, Standing]:
    """Wins, ties and losses of each model; the p values of all are corrected together."""
    places = [
        (name, task)
        for name, found in by_name.items()
        for task in found
        if task in base and found[task] is not base[task]
    ]
    pairs = [(by_name[name][task].final, base[task].final) for name, task in places]
    corrected = correct_by_holm([paired_t_test(mine, theirs) for mine, theirs in pairs])
    differences = [paired_difference(mine, theirs) for mine, theirs in pairs]
    standings = {}
    for name in dict.fromkeys(name for name, _ in places):
        at = [place for place, (other, _) in enumerate(places) if other == name]
        means = [0.0 if (d := differences[place]) is None else d.mean for place in at]
        standings[name] = count_standing(means, [corrected[place] for place in at])
    return standings


def paired_differences(found: ByTask, base: ByTask) -> list[float]:
    """Error minus the baseline's, of each task and seed that both have."""
    return [
        found[task].final[seed] - base[task].final[seed]
        for task in found
        if task in base
        for seed in found[task].final
        if seed in base[task].final
    ]


def judge_pairs(by_name: Mapping[str, ByTask], base: ByTask) -> dict[str, float | None]:
    """Signed-rank test of each model over all tasks and seeds, corrected for the models."""
    others = {name: found for name, found in by_name.items() if found is not base}
    tests = [signed_rank_test(paired_differences(found, base)) for found in others.values()]
    return dict(zip(others, correct_by_holm(tests), strict=True))


def build_line(
    name: str,
    found: ByTask,
    base: ByTask,
    ranks: Mapping[str, float],
    errors: Mapping[str, Sequence[float]],
    standings: Mapping[str, Standing],
    p_values: Mapping[str, float | None],
) -> Line:
    """Puts together what is known of a model."""
    differences = paired_differences(found, base)
    calibration = [statistics.fmean(m.ece.values()) for m in found.values() if m.ece]
    return Line(
        name=name,
        nets=next(iter(found.values())).nets,
        by_task=found,
        mean_rank=ranks.get(name),
        mean_error=statistics.fmean(errors[name]) if name in errors else None,
        worst=max(max(model.final.values()) for model in found.values()),
        standing=standings.get(name),
        better=sum(difference < 0 for difference in differences),
        worse=sum(difference > 0 for difference in differences),
        p=p_values.get(name),
        ece=statistics.fmean(calibration) if calibration else None,
        computing=measure_computing(found, base),
    )


def measure_computing(found: ByTask, base: ByTask) -> Computing:
    """Computing that a model needs to reach the baseline's final error, task by task."""
    shares, tasks = list[float](), 0
    for task, model in found.items():
        other = base.get(task)
        if other is None or model.passes is None or other.passes is None or not other.curves:
            continue
        tasks += 1
        step = find_first_step(model.mean_curve(), statistics.fmean(other.final.values()))
        whole = other.mean_curve()[-1][0] * other.passes
        if step is not None:
            shares.append(step * model.passes / whole)
    return Computing(statistics.median(shares) if shares else None, len(shares), tasks)


def _place(line: Line) -> tuple[float, float]:
    """What lines are sorted by: mean rank, then those without one by their mean error."""
    largest = float("inf")
    return (
        largest if line.mean_rank is None else line.mean_rank,
        largest if line.mean_error is None else line.mean_error,
    )
