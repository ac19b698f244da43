"""The report of a comparison: of each task, and over several tasks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dnll_plugin.comparison.checks import (
    find_differing_code,
    find_differing_settings,
    find_differing_splits,
)
from dnll_plugin.comparison.data_files import write_csv, write_json
from dnll_plugin.comparison.over_tasks import OverTasks, compare_over_tasks
from dnll_plugin.comparison.plan import Plan, Run
from dnll_plugin.comparison.render import PAGES, Picture, Report, render
from dnll_plugin.comparison.running import Failure
from dnll_plugin.comparison.statistics import Model, list_models, metric_curve, read_result
from dnll_plugin.comparison.tables import (
    Table,
    class_tables,
    error_table,
    open_set_tables,
    over_tasks_table,
    seed_table,
    settings_tables,
    task_table,
    versions_in_words,
)

TEACHING = {
    "train/negative_acc": ("negatives.png", "negatives that are right"),
    "train/pseudo_label_acc": ("pseudo_labels.png", "pseudo-labels that are right"),
}
"""What runs record of their teaching, the picture of it, and what it shows."""

ROWS, VALUES = "results.csv", "results.json"
CURVES, RANKS, OVER_TIME = "curves.png", "ranks.png", "error_over_time.png"
FILES = (*PAGES, ROWS, VALUES, CURVES, RANKS, OVER_TIME, *(name for name, _ in TEACHING.values()))
"""What a report may be made of, in its folder."""


def write(
    out: Path,
    plan: Plan,
    failures: Sequence[Failure],
    baseline: str,
    command: str,
) -> list[str]:
    """Writes ``report.md``, ``report.html``, ``results.csv``, ``results.json`` and ``curves.png``.

    Args:
        out: folder of the comparison, or of its task.
        plan: its runs and settings.
        failures: runs that failed in this call.
        baseline: variant that the others are compared with.
        command: the command line, to show.

    Returns:
        Warnings that the report holds: what should be equal and is not.
    """
    out.mkdir(parents=True, exist_ok=True)
    results, finished = read_results([plan])
    models = collect_models(plan, results)
    picture = out / CURVES
    if models:
        from dnll_plugin.comparison.curves import draw

        draw(models, picture)
    else:
        picture.unlink(missing_ok=True)
    pictures = [Picture(picture, "error rates over the steps and at the end")] if models else []
    pictures += draw_all_teaching([plan], finished, out)
    shared = plan.shared
    warnings = find_warnings(plan, finished, results)
    report = Report(
        title=f"{shared['dataset']}, {shared['num_labels']} labels: {', '.join(plan.own)}",
        command=command,
        warnings=warnings,
        facts=list(collect_facts([plan], finished, results, warnings)),
        tables=list_tables(models, plan, baseline),
        failures=[failure for failure in failures if failure.run in plan.runs],
        settings=settings_tables(plan),
        pictures=pictures,
    )
    write_csv(out / ROWS, finished, results)
    write_json(out / VALUES, [plan], results, warnings, None)
    render(report, out)
    return warnings


def write_over_tasks(
    out: Path, plans: Sequence[Plan], failures: Sequence[Failure], baseline: str, command: str
) -> list[str]:
    """Writes the report of each task into its folder, and one over all of them.

    Args:
        out: folder of the comparison.
        plans: one a task.
        failures, baseline, command: see `write`.

    Returns:
        Warnings that the reports hold.
    """
    warnings = [
        f"{plan.task}: {warning}"
        for plan in plans
        for warning in write(out / plan.task, plan, failures, baseline, command)
    ]
    results, finished = read_results(plans)
    models = {plan.task: found for plan in plans if (found := collect_models(plan, results))}
    across = find_differing_code(finished, results)
    # what each task says of itself is not said again
    warnings = [w for w in warnings if ": different code: " not in w] + across
    over_tasks = compare_over_tasks(models, baseline) if models else None
    names = list(dict.fromkeys(name for plan in plans for name in plan.own))
    report = Report(
        title=f"{len(plans)} tasks, {len(names)} algorithms",
        command=command,
        warnings=warnings,
        facts=[*collect_facts(plans, finished, results, warnings), *collect_rank_facts(over_tasks)],
        tables=[] if over_tasks is None else [over_tasks_table(over_tasks), task_table(over_tasks)],
        failures=failures,
        settings=[],
        pictures=[*draw_over_tasks(over_tasks, out), *draw_all_teaching(plans, finished, out)],
        pages=[plan.task for plan in plans],
    )
    write_csv(out / ROWS, finished, results)
    write_json(out / VALUES, plans, results, warnings, over_tasks)
    render(report, out)
    return warnings


def read_results(plans: Iterable[Plan]) -> tuple[dict[str, dict[str, Any]], list[Run]]:
    """``result.json`` of the finished runs by their names, and these runs."""
    runs = [run for plan in plans for run in plan.runs]
    found = {run.name: read_result(run) for run in runs}
    results = {name: result for name, result in found.items() if result is not None}
    return results, [run for run in runs if run.name in results]


def collect_models(plan: Plan, results: Mapping[str, Mapping[str, Any]]) -> list[Model]:
    """The models that the finished runs of a task trained, in the order of the variants."""
    return [
        model
        for name in plan.own
        for model in list_models([run for run in plan.runs if run.variant == name], results)
    ]


def list_tables(models: Sequence[Model], plan: Plan, baseline: str) -> list[Table]:
    """The tables of a task's results; none where no run is finished."""
    if not models:
        return []
    found = open_set_tables(models)
    by_class = class_tables(models)
    return [error_table(models, baseline), *found, seed_table(models, plan.runs), *by_class]


def find_warnings(
    plan: Plan, finished: Sequence[Run], results: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What should be equal in the finished runs of a task and is not."""
    return [
        *find_differing_settings(plan, finished),
        *find_differing_splits(finished),
        *find_differing_code(finished, results),
    ]


def collect_facts(
    plans: Sequence[Plan],
    finished: Sequence[Run],
    results: Mapping[str, Mapping[str, Any]],
    warnings: Sequence[str],
) -> Iterable[str]:
    """What a reader must know to judge the numbers, one sentence each."""
    yield f"{len(finished)} of {sum(len(plan.runs) for plan in plans)} runs are finished."
    if not finished:
        return
    if not warnings:
        yield (
            "Checked: all of these runs had the same shared settings, and those of a seed the same "
            "labeled and unlabeled images."
        )
    devices = sorted({str(result["device"]) for result in results.values()})
    versions = sorted({versions_in_words(result["versions"]) for result in results.values()})
    yield f"Run on {', '.join(devices)}; {'; '.join(versions)}."
    code = sorted({" then ".join(result.get("code", [])) for result in results.values()} - {""})
    if code:
        yield f"Code: dnll_plugin {'; '.join(code)}."


def collect_rank_facts(over_tasks: OverTasks | None) -> Iterable[str]:
    """What the ranks are of, one sentence each."""
    if over_tasks is None:
        return
    seeds = "; ".join(
        f"{task}: {', '.join(map(str, over_tasks.seeds[task])) or 'none in common'}"
        for task in over_tasks.tasks
    )
    yield f"Ranks and mean errors are of the seeds that all models have ({seeds})."
    lacking = [line.name for line in over_tasks.lines if line.mean_error is None]
    if lacking:
        yield f"Without a rank, because a task is not finished: {', '.join(lacking)}."
    if over_tasks.friedman is not None:
        yield f"Friedman's test that all rank alike: p = {over_tasks.friedman:.3g}."


def draw_over_tasks(over_tasks: OverTasks | None, out: Path) -> list[Picture]:
    """Draws the pictures over several tasks; none is left over from an earlier call."""
    ranks, over_time = out / RANKS, out / OVER_TIME
    for file in (ranks, over_time):
        file.unlink(missing_ok=True)
    if over_tasks is None:
        return []
    from dnll_plugin.comparison import pictures_over_tasks

    pictures = []
    if over_tasks.critical is not None:
        pictures_over_tasks.draw_ranks(over_tasks, ranks)
        pictures.append(Picture(ranks, "mean ranks with the critical difference"))
    models = [model for line in over_tasks.lines for model in line.by_task.values()]
    if pictures_over_tasks.has_passes(models):
        pictures_over_tasks.draw_error_over_computing(over_tasks, over_time)
        pictures.append(Picture(over_time, "error against computing on each task"))
    return pictures


def draw_all_teaching(plans: Sequence[Plan], finished: Sequence[Run], out: Path) -> list[Picture]:
    """Draws how right the teaching of unlabeled rows was over the steps, where it is recorded."""
    pictures = []
    for key, (name, title) in TEACHING.items():
        curves: dict[str, dict[str, dict[int, list[tuple[int, float]]]]] = {}
        for run in finished:
            curve = metric_curve(run, key)
            if curve:
                task = run.task or str(plans[0].shared["dataset"])
                curves.setdefault(task, {}).setdefault(run.variant, {})[run.seed] = curve
        (out / name).unlink(missing_ok=True)
        if curves:
            from dnll_plugin.comparison.pictures_over_tasks import draw_teaching

            draw_teaching(curves, title, out / name)
            pictures.append(Picture(out / name, f"{title}, over the steps"))
    return pictures
