"""The report of a comparison: Markdown, one HTML file, CSV and a picture."""

import base64
import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnll_plugin.comparison.checks import find_differing_settings, find_differing_splits
from dnll_plugin.comparison.planning import Plan, Run
from dnll_plugin.comparison.running import Failure
from dnll_plugin.comparison.statistics import (
    Difference,
    Model,
    Spread,
    list_models,
    paired_difference,
    read_result,
    spread,
)

NOTHING = "–"  # noqa: RUF001 (typographic)

CSV_COLUMNS = (
    *("algorithm", "seed", "error_rate", "best_error_rate", "left_error_rate", "right_error_rate"),
    *("ensemble_error_rate", "student_error_rate", "iterations", "updates_left", "updates_right"),
    *("seconds", "seconds_per_step", "peak_memory_mb", "device", "folder"),
)


@dataclass(frozen=True)
class Table:
    """A table of text, first its header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """What the templates show."""

    title: str
    command: str
    warnings: Sequence[str]
    facts: Sequence[str]
    tables: Sequence[Table]
    failures: Sequence[Failure]
    settings: Sequence[Table]


def write(
    out: Path, plan: Plan, failures: Sequence[Failure], baseline: str, command: str
) -> list[str]:
    """Writes ``report.md``, ``report.html``, ``results.csv`` and ``curves.png``.

    Args:
        out: folder of the comparison.
        plan: its runs and settings.
        failures: runs that failed in this call.
        baseline: algorithm that the others are compared with.
        command: the command line, to show.

    Returns:
        Warnings that the report holds: what should be equal and is not.
    """
    found = {run: read_result(run) for run in plan.runs}
    results = {run.name: result for run, result in found.items() if result is not None}
    finished = [run for run in plan.runs if run.name in results]
    models = [
        model
        for algorithm in plan.own
        for model in list_models([run for run in plan.runs if run.algorithm == algorithm], results)
    ]
    report = build(plan, finished, results, models, failures, baseline, command)
    write_csv(out / "results.csv", finished, results)
    picture = out / "curves.png"
    if models:
        from dnll_plugin.comparison.curves import draw

        draw(models, picture)
    else:
        picture.unlink(missing_ok=True)
    render(report, out, picture)
    return list(report.warnings)


def build(
    plan: Plan,
    finished: Sequence[Run],
    results: Mapping[str, Mapping[str, Any]],
    models: Sequence[Model],
    failures: Sequence[Failure],
    baseline: str,
    command: str,
) -> Report:
    """Puts together what the report says."""
    shared = plan.shared
    warnings = [*find_differing_settings(shared, finished), *find_differing_splits(finished)]
    return Report(
        title=f"{shared['dataset']}, {shared['num_labels']} labels: {', '.join(plan.own)}",
        command=command,
        warnings=warnings,
        facts=list(facts(plan, finished, results, warnings)),
        tables=[error_table(models, baseline), seed_table(models, plan.runs)] if models else [],
        failures=failures,
        settings=[
            Table("Shared by all runs", ("key", "value"), [(k, str(v)) for k, v in shared.items()]),
            *(
                Table(
                    f"Own keys of {algorithm}",
                    ("key", "value", "from"),
                    [(key, str(value), origin) for key, (value, origin) in keys.items()],
                )
                for algorithm, keys in plan.own.items()
            ),
        ],
    )


def facts(
    plan: Plan,
    finished: Sequence[Run],
    results: Mapping[str, Mapping[str, Any]],
    warnings: Sequence[str],
) -> Iterable[str]:
    """What a reader must know to judge the numbers, one sentence each."""
    yield f"{len(finished)} of {len(plan.runs)} runs are finished."
    if not finished:
        return
    if not warnings:
        yield (
            "Checked: all of these runs had the same shared settings, and those of a seed the same "
            "labeled and unlabeled images."
        )
    devices = sorted({str(result["device"]) for result in results.values()})
    versions = sorted({_versions(result["versions"]) for result in results.values()})
    yield f"Run on {', '.join(devices)}; {'; '.join(versions)}."


def error_table(models: Sequence[Model], baseline: str) -> Table:
    """The main table: one line a model."""
    base = next((model for model in models if model.algorithm == baseline), None)
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
        )
        for model in models
    ]
    header = (
        *("model", "nets", "error at the end, %", "best error, %"),
        *(f"minus {baseline}, 95% interval", "s a step", "updates a submodel"),
    )
    return Table("Error rates on the test set", header, rows)


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


def write_csv(
    file: Path, finished: Sequence[Run], results: Mapping[str, Mapping[str, Any]]
) -> None:
    """One line a finished run, with all its numbers."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for run in finished:
            result = results[run.name]
            updates = {f"updates_{k}": n for k, n in result.get("updates", {}).items()}
            per_step = result["seconds"] / result["iterations"]
            writer.writerow(
                {**result, **updates, "seconds_per_step": per_step, "folder": run.folder.path}
            )


def render(report: Report, out: Path, picture: Path) -> None:
    """Writes the report as Markdown, and as HTML with the picture inside."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("dnll_plugin.comparison"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    has_picture = picture.exists()
    inside = base64.b64encode(picture.read_bytes()).decode("ascii") if has_picture else ""
    for name, image in (("report.md", picture.name), ("report.html", inside)):
        text = environment.get_template(name).render(
            report=report, image=image if has_picture else ""
        )
        (out / name).write_text(text, encoding="utf-8")


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


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
