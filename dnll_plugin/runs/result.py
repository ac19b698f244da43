"""``result.json``: what came out of a run."""

import json
import platform
import resource
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from typing import Any

import torch

from dnll_plugin.files import write_text
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.code_version import note_code
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.open_set import open_set_rates
from dnll_plugin.runs.per_class import class_error_rates
from dnll_plugin.runs.records import Record, read
from dnll_plugin.settings.resolve import Settings

VALIDATED = "val/top-1-acc"

PACKAGES = ("dnll-plugin", "semilearn", "torch", "torchvision", "timm", "numpy")


def write_result(
    folder: RunFolder,
    settings: Settings,
    algorithm: ToolboxAlgorithm,
    device: torch.device,
    seconds: float,
) -> dict[str, Any]:
    """Writes ``result.json``, the last file of a run, and returns what it holds."""
    records = read(folder.metrics)
    rates = error_rates(records)
    best = "best_val_error_rate" if "best_val_error_rate" in rates else "best_error_rate"
    rates[best] = min(rates[best], _error(algorithm.best_eval_acc))
    result = {
        **{name: settings[name] for name in ("algorithm", "dataset", "num_labels", "seed")},
        "iterations": algorithm.it,
        **rates,
        **calibration_errors(records),
        **class_error_rates(records, folder),
        **open_set_rates(records),
        **count_rows(records),
        "world_size": algorithm.world_size,
        "seconds": seconds,
        "device": device_name(device),
        "peak_memory_mb": peak_memory_mb(device),
        "versions": versions(),
        "code": note_code(folder.code),
    }
    if "RoleSwapHook" in algorithm.hooks_dict:
        result["updates"] = algorithm.hooks_dict["RoleSwapHook"].updates(algorithm.it)
    write_text(folder.result, json.dumps(result, indent=2) + "\n")
    return result


def error_rates(records: list[Record]) -> dict[str, float]:
    """Error rates in percent of the last evaluation, and the best of all.

    Args:
        records: Those of ``metrics.jsonl``; evaluations hold ``eval/top-1-acc`` and, for a pair or
            a student, accuracies of single submodels such as ``eval/left-acc``.

    Returns:
        ``error_rate``, ``best_error_rate``, and one such as ``left_error_rate`` a submodel. Where
        there are validation images, the best evaluation is that of their lowest error; its test
        error is ``best_error_rate``, its step ``best_iteration``, and ``val_error_rate`` and
        ``best_val_error_rate`` are errors on the validation images.
    """
    evaluations = [record for record in records if record.get("eval/top-1-acc") is not None]
    rates = {name: _error(value) for name, value in evaluations[-1].items() if _is_rate(name)}
    return {
        "error_rate": rates.pop("eval/top-1-acc"),
        **best_rates(evaluations),
        **{
            f"{name.removeprefix('eval/').removesuffix('-acc')}_error_rate": rate
            for name, rate in rates.items()
        },
    }


def best_rates(evaluations: list[Record]) -> dict[str, float]:
    """Error rates of the best evaluation; see :func:`error_rates`."""
    validated = [record for record in evaluations if record.get(VALIDATED) is not None]
    if not validated:
        return {"best_error_rate": min(_error(record["eval/top-1-acc"]) for record in evaluations)}
    best = max(validated, key=lambda record: record[VALIDATED] or 0)  # the first of equals
    return {
        "best_error_rate": _error(best["eval/top-1-acc"]),
        "val_error_rate": _error(validated[-1][VALIDATED]),
        "best_val_error_rate": _error(best[VALIDATED]),
        "best_iteration": int(best["step"] or 0),
    }


def calibration_errors(records: list[Record]) -> dict[str, float]:
    """Expected calibration errors of the last step in percent: ``ece``, of a pair
    ``ensemble_ece`` too; nothing where they were not recorded."""
    last = records[-1]
    names = {"ece": "eval/ece", "ensemble_ece": "eval/ensemble-ece"}
    return {
        name: 100.0 * error for name, key in names.items() if (error := last.get(key)) is not None
    }


def count_rows(records: list[Record]) -> dict[str, float]:
    """Rows a step that went through a net, ``rows_forward``, and backward, ``rows_backward``: the
    mean of the logged steps; nothing where they were not recorded."""
    means = {}
    for name in ("rows_forward", "rows_backward"):
        counted = [rows for record in records if (rows := record.get(f"train/{name}")) is not None]
        if counted:
            means[name] = fmean(counted)
    return means


def device_name(device: torch.device) -> str:
    """Name of the device, with the model of a GPU."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def reset_peak_memory(device: torch.device) -> None:
    """Lets :func:`peak_memory_mb` start anew; on a host that is not Linux, it cannot."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak_memory_mb(device: torch.device) -> float:
    """Peak since the last reset of the memory allocated on CUDA, else of this process's, in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout of the toolbox is not an installed package
            found[package] = "not installed as a package"
    return found


def _is_rate(name: str) -> bool:
    return name == "eval/top-1-acc" or (
        name.startswith("eval/") and name.endswith("-acc") and "top-" not in name
    )


def _error(accuracy: Any) -> float:
    return 100.0 * (1.0 - accuracy)
