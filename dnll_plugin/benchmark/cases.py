"""The cases of ``dnll bench``: which algorithm, net and batch."""

import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.log import ToolboxLog, run_logger
from dnll_plugin.runs.result import device_name, peak_memory_mb
from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.training.run import add_hooks

RIVALS = ("fixmatch", "flexmatch", "meanteacher")
"""The toolbox's algorithms that every config is also measured with."""

Own = dict[str, tuple[str, ...]]
"""By the label of an algorithm, the settings that make it."""

WEAK = "ulb_views=weak_weak"

OURS: Own = {
    "dnll_meanteacher, pseudo-labels": ("algorithm=dnll_meanteacher",),
    "dnll_dual, pseudo-labels": ("algorithm=dnll_dual",),
    "dnll_dual, mutual": ("algorithm=dnll_dual", "roles=mutual", WEAK),
    "dnll_dual, alternate": ("algorithm=dnll_dual", "roles=alternate", WEAK),
    "dnll_meanteacher": ("algorithm=dnll_meanteacher", "negative_source=teacher", WEAK),
}
THEIRS: Own = {name: (f"algorithm={name}",) for name in RIVALS}

NEVER = 10**7
"""An interval that no measurement reaches."""

ITERATIONS_AN_EPOCH = 100
"""Few enough that dealing the images of an epoch takes no time worth mentioning."""

MEASURED = (
    *(f"num_train_iter={NEVER}", f"num_eval_iter={NEVER}", f"num_log_iter={NEVER}"),
    f"epoch={NEVER // ITERATIONS_AN_EPOCH}",
)
"""Settings of every case: no step is one that is logged or evaluated."""


class Case(NamedTuple):
    """What is measured: the label of the algorithm, and the settings that make it."""

    name: str
    config: Path | None
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """An algorithm that is ready to be measured, and what describes it."""

    algorithm: ToolboxAlgorithm
    settings: settings_module.Settings
    device: torch.device

    def describe(self, name: str) -> dict[str, Any]:
        """What a row of the report says beside its times."""
        values = self.settings
        return {
            "algorithm": name,
            "net": values["net"],
            "device": device_name(self.device),
            "threads": torch.get_num_threads(),
            "batch": f"{values['batch_size']} + {values['batch_size'] * values['uratio']}",
            "image_size": values["img_size"],
            "classes": values["num_classes"],
            "amp": values["amp"],
            "peak_memory_mb": round(peak_memory_mb(self.device), 1),
        }


def standard_cases() -> list[Case]:
    """The cases without a config, on scikit-learn's digits, enlarged: nothing to download.

    Small batches of three nets for the cost of the method, and one with seven unlabeled images for
    each labeled one, as published configs have, beside the toolbox's algorithms.
    """
    digits = ("dataset=digits", "num_labels=20", "num_workers=0")
    small = ("net=cnn3", "img_size=28", "batch_size=50", "uratio=1")
    large = (
        ("net=cnn13", "img_size=32", "batch_size=10", "uratio=1", "channels_last=true"),
        ("net=timm_resnet18@32", "img_size=32", "batch_size=8", "uratio=1", "channels_last=true"),
    )
    published = ("net=cnn3", "img_size=28", "batch_size=12", "uratio=7")
    every = {**OURS, **THEIRS}
    of_large = {name: own for name, own in OURS.items() if name != "dnll_dual, alternate"}
    groups: list[tuple[tuple[str, ...], Own]] = [
        (small, OURS),
        *((net, of_large) for net in large),
        (published, every),
    ]
    return [
        Case(name, None, (*digits, *own, *net))
        for net, algorithms in groups
        for name, own in algorithms.items()
    ]


def list_cases(config: Path, overrides: Sequence[str]) -> list[Case]:
    """The algorithm of a config, and the toolbox's under the same settings."""
    own = settings_module.resolve(config, overrides)["algorithm"]
    names = dict.fromkeys([own, *RIVALS])
    return [Case(name, config, (*overrides, f"algorithm={name}")) for name in names]


def prepare(case: Case, folder: Path) -> Subject:
    """Builds the algorithm of a case as ``dnll train`` does, with the hooks of a run.

    Args:
        case: The case.
        folder: Where the hooks may write.
    """
    from dnll_plugin.training import device as devices
    from dnll_plugin.training.build import build_algorithm
    from dnll_plugin.training.progress import ProgressHook
    from dnll_plugin.training.ranks import ALONE

    settings = settings_module.resolve(case.config, [*case.overrides, *MEASURED])
    device = devices.select_device(settings["device"])
    nowhere = Console(file=StringIO(), force_terminal=False)
    with run_logger(None, nowhere) as logger, redirect_stdout(ToolboxLog(logger)) as log:
        algorithm = build_algorithm(settings.namespace(), device, folder, log)
    progress = ProgressHook(nowhere, logger)
    add_hooks(algorithm, RunFolder(folder), lambda: None, progress, ALONE)
    return Subject(algorithm, settings, device)


def measure_case(case: Case, rounds: int, warmup: int) -> dict[str, Any]:
    """Measures a case: a row of the report."""
    from dnll_plugin.benchmark.timing import STAGES, measure
    from dnll_plugin.training.device import use_device
    from dnll_plugin.training.loaders import end_workers

    with tempfile.TemporaryDirectory() as folder:
        subject = prepare(case, Path(folder))
        try:
            with use_device(subject.device):
                timings = measure(subject.algorithm, rounds, warmup)
        finally:
            end_workers(subject.algorithm)
        row = subject.describe(case.name) | timings.calls
    row |= {f"{stage}_ms": round(timings.median(stage), 3) for stage in STAGES}
    for stage, to in (("step", "floor"), ("iteration", "step")):
        ratio, spread = timings.ratio(stage, to)
        row |= {
            f"{stage}_over_{to}": round(ratio, 3),
            f"{stage}_over_{to}_spread": round(spread, 3),
        }
    return row
