"""The tables of a report: numbers as people read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dnll_plugin.comparison.over_tasks import Line, OverTasks
from dnll_plugin.comparison.plan import Plan, Run
from dnll_plugin.comparison.ranking import find_first_step
from dnll_plugin.comparison.statistics import (
    Difference,
    Model,
    Spread,
    paired_difference,
    spread,
)
from dnll_plugin.runs.open_set import MEASURES

NOTHING = "–"  # noqa: RUF001 (typographic)

CLASSES_SHOWN = 20
"""Most classes in a table of their errors."""


@dataclass(frozen=True)
class Table:
    """A table of text, first its header.

    Attributes:
        reading: name of the template that says how the table is read; empty for none.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    reading: str = ""


def error_table(models: Sequence[Model], baseline: str) -> Table:
    """The main table of a task: one line a model."""
    base = next((model for model in models if model.variant == baseline), None)
    rows = [
        (
            model.name,
            str(model.nets),
            _spread(spread(list(model.final.values()))),
            _spread(spread(list(model.best.values()))),
            _difference(None if base is None else paired_difference(model.final, base.final))
            if model is not base
            else "baseline",
            f"{spread(list(model.seconds_per_step.values())).mean:.4f}",
            model.updates,
            f"{max(model.final.values()):.2f}",
            f"{spread(list(model.ece.values())).mean:.2f}" if model.ece else NOTHING,
            NOTHING if model.passes is None else f"{model.passes:,.0f}",
            _reached(model, base),
        )
        for model in models
    ]
    header = (
        *("model", "nets", "error at the end, %", "best error, %"),
        *(f"minus {baseline}, 95% interval", "s a step", "updates a submodel", "worst seed, %"),
        *("ECE, %", "passes a step", f"step that reaches {baseline}'s error"),
    )
    return Table("Error rates on the test set", header, rows, "reading.txt")


def seed_table(models: Sequence[Model], runs: Sequence[Run]) -> Table:
    """The error at the end of each seed."""
    seeds = list(dict.fromkeys(run.seed for run in runs))
    rows = [
        (
            model.name,
            *(f"{model.final[seed]:.2f}" if seed in model.final else NOTHING for seed in seeds),
        )
        for model in models
    ]
    header = ("model", *(f"seed {seed}" for seed in seeds))
    return Table("Error at the end of each seed, %", header, rows)


def open_set_tables(models: Sequence[Model]) -> list[Table]:
    """How test images of no class are found: one line a model and score; none without any."""
    rows = [
        (
            model.name,
            score,
            *(
                _spread(spread(list(measures[measure].values())))
                if measure in measures
                else NOTHING
                for measure in MEASURES
            ),
        )
        for model in models
        for score, measures in model.open_set.items()
    ]
    header = ("model", "score", *(f"{heading}, %" for heading in MEASURES.values()))
    title = "Finding test images of no class"
    return [Table(title, header, rows, "reading_open_set.txt")] if rows else []


def class_tables(models: Sequence[Model]) -> list[Table]:
    """The error of each class, one column a model, the hardest class first.

    Of many classes the hardest `CLASSES_SHOWN` are shown; none where they were not recorded.
    """
    recorded = [model for model in models if model.by_class]
    errors = {
        name: [model.by_class.get(name) for model in recorded]
        for name in dict.fromkeys(name for model in recorded for name in model.by_class)
    }
    known = {name: [e for e in row if e is not None] for name, row in errors.items()}
    hardest = sorted(errors, key=lambda name: -spread(known[name]).mean)[:CLASSES_SHOWN]
    rows = [
        (name, *(NOTHING if error is None else f"{error:.1f}" for error in errors[name]))
        for name in hardest
    ]
    of = "" if len(rows) == len(errors) else f", the {len(rows)} hardest of {len(errors)}"
    header = ("class", *(model.name for model in recorded))
    return [Table(f"Error at the end of each class, %{of}", header, rows)] if rows else []


def settings_tables(plan: Plan) -> list[Table]:
    """The settings that the runs share, and each variant's own."""
    shared = [(key, str(value)) for key, value in plan.shared.items()]
    return [
        Table("Shared by all runs", ("key", "value"), shared),
        *(
            Table(
                f"Own keys of {name}",
                ("key", "value", "from"),
                [(key, str(value), origin) for key, (value, origin) in keys.items()],
            )
            for name, keys in plan.own.items()
        ),
    ]


def over_tasks_table(over_tasks: OverTasks) -> Table:
    """One line a model over all tasks, the best mean rank first."""
    header = (
        *("model", "nets", "mean rank", "mean error, %", "worst seed, %"),
        f"against {over_tasks.baseline}: wins / ties / losses",
        *("seeds better / worse", "p over all seeds (Holm)", "ECE, %"),
        f"computing to {over_tasks.baseline}'s error",
    )
    rows = [_over_tasks_row(line) for line in over_tasks.lines]
    return Table("Over all tasks", header, rows, "reading_tasks.txt")


def task_table(over_tasks: OverTasks) -> Table:
    """Mean error of each model on each task."""
    rows = [
        (
            line.name,
            *(
                _spread(spread(list(line.by_task[task].final.values())))
                if task in line.by_task
                else NOTHING
                for task in over_tasks.tasks
            ),
        )
        for line in over_tasks.lines
    ]
    return Table("Error at the end on each task, %", ("model", *over_tasks.tasks), rows)


def _over_tasks_row(line: Line) -> tuple[str, ...]:
    standing, share = line.standing, line.computing
    return (
        line.name,
        str(line.nets),
        NOTHING if line.mean_rank is None else f"{line.mean_rank:.2f}",
        NOTHING if line.mean_error is None else f"{line.mean_error:.2f}",
        f"{line.worst:.2f}",
        "baseline" if standing is None else " / ".join(map(str, standing)),
        NOTHING if standing is None else f"{line.better} / {line.worse}",
        NOTHING if line.p is None else f"{line.p:.3f}",
        NOTHING if line.ece is None else f"{line.ece:.2f}",
        f"{share.median:.2f} ({share.reached} of {share.tasks} tasks)"
        if share.median is not None
        else f"not reached ({share.tasks} tasks)"
        if share.tasks
        else NOTHING,
    )


def _reached(model: Model, base: Model | None) -> str:
    if base is None:
        return NOTHING
    step = find_first_step(model.mean_curve(), spread(list(base.final.values())).mean)
    return "never" if step is None else f"{step:,}"


def _spread(values: Spread) -> str:
    if values.deviation is None:
        return f"{values.mean:.2f}"
    return f"{values.mean:.2f} ± {values.deviation:.2f}"


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    if difference.half_width is None:
        return f"{difference.mean:+.2f} (one seed)"
    low, high = (difference.mean + sign * difference.half_width for sign in (-1, 1))
    mark = " *" if difference.is_clear else ""
    return f"{difference.mean:+.2f} [{low:+.2f}, {high:+.2f}]{mark}"


def versions_in_words(versions: Mapping[str, str]) -> str:
    """Names and versions of packages, one after the other."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
