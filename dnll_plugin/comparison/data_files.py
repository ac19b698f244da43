"""The numbers of a comparison for other programs: CSV and JSON."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dnll_plugin.comparison.over_tasks import OverTasks
from dnll_plugin.comparison.plan import Plan, Run
from dnll_plugin.escaping import for_spreadsheet
from dnll_plugin.runs.open_set import list_columns

CSV_COLUMNS = (
    *("algorithm", "seed", "error_rate", "best_error_rate", "left_error_rate", "right_error_rate"),
    *("ensemble_error_rate", "student_error_rate", "iterations", "updates_left", "updates_right"),
    *("seconds", "seconds_per_step", "peak_memory_mb", "device", "folder"),
    *("task", "variant", "ece", "ensemble_ece", "rows_forward", "rows_backward", "code"),
)

Results = Mapping[str, Mapping[str, Any]]
"""``result.json`` of the finished runs, by the run's name."""


def write_csv(file: Path, finished: Iterable[Run], results: Results) -> None:
    """One line a finished run, with all its numbers.

    Columns of unknown test images are there where a run has such images.
    """
    columns = [*CSV_COLUMNS, *list_columns(results)]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for run in finished:
            result = results[run.name]
            updates = {f"updates_{k}": n for k, n in result.get("updates", {}).items()}
            row = {
                **result,
                **updates,
                "seconds_per_step": result["seconds"] / result["iterations"],
                "folder": str(run.folder.path),
                "task": run.task,
                "variant": run.variant,
                "code": " then ".join(result.get("code", [])),
            }
            writer.writerow({key: for_spreadsheet(value) for key, value in row.items()})


def write_json(
    file: Path,
    plans: Sequence[Plan],
    results: Results,
    warnings: Sequence[str],
    over_tasks: OverTasks | None,
) -> None:
    """Everything of the report in one file.

    Its keys: ``warnings``; ``tasks``, each with ``name``, ``settings`` and ``runs``, and of a run
    what is in its ``result.json``; over several tasks ``over_tasks``.
    """
    content: dict[str, Any] = {
        "warnings": list(warnings),
        "tasks": [
            {
                "name": plan.task,
                "settings": dict(plan.shared),
                "own_settings": {
                    name: {key: own.value for key, own in keys.items()}
                    for name, keys in plan.own.items()
                },
                "runs": [
                    {"variant": run.variant, "folder": str(run.folder.path), **results[run.name]}
                    for run in plan.runs
                    if run.name in results
                ],
            }
            for plan in plans
        ],
    }
    if over_tasks is not None:
        content["over_tasks"] = describe_over_tasks(over_tasks)
    file.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def describe_over_tasks(over_tasks: OverTasks) -> dict[str, Any]:
    """What comes out over several tasks, as JSON knows it."""
    return {
        "baseline": over_tasks.baseline,
        "seeds": over_tasks.seeds,
        "friedman_p": over_tasks.friedman,
        "critical_difference": over_tasks.critical,
        "models": [
            {
                **{"name": line.name, "nets": line.nets, "mean_rank": line.mean_rank},
                **{"mean_error": line.mean_error, "worst_seed": line.worst},
                "standing": None if line.standing is None else line.standing._asdict(),
                **{"seeds_better": line.better, "seeds_worse": line.worse, "p": line.p},
                **{"ece": line.ece, "computing": line.computing._asdict()},
                "errors": {task: model.final for task, model in line.by_task.items()},
            }
            for line in over_tasks.lines
        ],
    }
