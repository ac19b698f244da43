"""One run, from its settings to its result."""

import logging
from contextlib import redirect_stdout
from typing import Any

import torch
from rich.console import Console

from dnll_plugin.errors import FileNotWrittenError
from dnll_plugin.hooks.finite import FiniteHook, NotFiniteError
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.curves import draw_curves
from dnll_plugin.runs.folder import LATEST, RunFolder
from dnll_plugin.runs.log import ToolboxLog
from dnll_plugin.runs.result import reset_peak_memory, write_result
from dnll_plugin.runs.same_settings import find_differences, is_longer
from dnll_plugin.runs.signals import Interruption
from dnll_plugin.settings.resolve import Settings
from dnll_plugin.training import checkpoint
from dnll_plugin.training import device as devices
from dnll_plugin.training.build import build_algorithm
from dnll_plugin.training.ddp import AgreementHook, distribute
from dnll_plugin.training.duration import DurationHook
from dnll_plugin.training.loaders import end_workers, lack_of_files_is_wrong_input
from dnll_plugin.training.longer import describe_schedules, follow_schedule
from dnll_plugin.training.metrics import MetricsHook
from dnll_plugin.training.own_images import about_data, describe_unreadable
from dnll_plugin.training.passes import PassesHook
from dnll_plugin.training.progress import ProgressHook
from dnll_plugin.training.ranks import Ranks
from dnll_plugin.training.saving import (
    Interrupted,
    NamingHook,
    QuietEvaluationHook,
    SavingHook,
    load_checkpoint,
)
from dnll_plugin.training.validation import end_early
from dnll_plugin.training.wandb_login import LoginHook


def train(
    settings: Settings,
    folder: RunFolder,
    resume: bool,
    console: Console,
    logger: logging.Logger,
    interruption: Interruption,
    ranks: Ranks,
) -> int:
    """Builds the algorithm, trains it and writes the result; returns the exit code."""
    device = ranks.run_on_all_ranks(
        lambda: ranks.device_for_rank(devices.select_device(settings["device"]))
    )
    with devices.use_device(device):
        reset_peak_memory(device)
        log = ToolboxLog(logger)
        with redirect_stdout(log):
            algorithm = ranks.run_on_rank0_first(
                lambda: build_algorithm(settings.namespace(), device, folder.path, log, ranks)
            )
        for line in about_data(algorithm).lines:
            logger.info(line)
        ranks.run_on_all_ranks(lambda: distribute(algorithm, ranks))
        progress = ProgressHook(console, logger)
        saving = add_hooks(algorithm, folder, interruption, progress, ranks)
        if ranks.is_first:
            algorithm.register_hook(NamingHook(settings, folder), None, "HIGHEST")
        restore_run(settings, folder, algorithm, saving, resume, logger)
        logger.info(f"{settings['algorithm']} on {device}, {settings['num_train_iter']} steps")
        try:
            with lack_of_files_is_wrong_input():
                code = run_steps(algorithm, logger, ranks)
        finally:
            end_workers(algorithm)
            progress.stop()
    for line in describe_unreadable(algorithm):
        logger.info(line)
    if code == 0:
        seconds = saving.seconds()
        ranks.run_on_rank0(lambda: finish(settings, folder, algorithm, seconds, device, logger))
    return code


def run_steps(algorithm: ToolboxAlgorithm, logger: logging.Logger, ranks: Ranks) -> int:
    """Trains an algorithm to its end, or until a signal comes; returns the exit code."""
    try:
        if hasattr(algorithm, "warmup"):
            algorithm.warmup()
        algorithm.train()
        if algorithm.it < algorithm.args.num_train_iter:
            logger.info(
                f"early_stopping: the validation error was lowest at step {algorithm.best_it + 1}; "
                f"ended at step {algorithm.it}"
            )
    except Interrupted as signal_came:
        logger.info(f"{signal_came}: saved at step {algorithm.it + 1}; go on with --resume")
        return signal_came.exit_code
    except NotFiniteError:  # the same in every process
        if ranks.is_first:
            raise
        return 1
    return 0


def add_hooks(
    algorithm: ToolboxAlgorithm,
    folder: RunFolder,
    interruption: Interruption,
    progress: ProgressHook,
    ranks: Ranks,
) -> Any:
    """Registers what happens around a step; of several processes rank 0 records and shows it.

    Returns:
        The hook that saves the run.
    """
    agreement = AgreementHook(interruption, ranks)
    saving = SavingHook(folder.path, agreement.agreed, ranks)
    finite = FiniteHook(saving.last_checkpoint, ranks.gather)
    algorithm.register_hook(agreement, None, "HIGHEST")
    algorithm.register_hook(QuietEvaluationHook(), "EvaluationHook", "HIGH")
    if ranks.is_first:
        # first of all, so that what evaluates after the step is not counted
        algorithm.register_hook(PassesHook(), None, "HIGHEST")
        algorithm.register_hook(MetricsHook(folder.path, progress.logger), None, "ABOVE_NORMAL")
    algorithm.register_hook(finite, "FiniteHook", "NORMAL")
    algorithm.register_hook(saving, None, "LOW")
    if ranks.is_first:
        algorithm.register_hook(DurationHook(progress.logger), None, "LOWEST")
        algorithm.register_hook(progress, None, "LOWEST")
        if algorithm.args.use_wandb:
            algorithm.register_hook(LoginHook(), "WANDBHook", "LOWEST")
    return saving


def restore_run(
    settings: Settings,
    folder: RunFolder,
    algorithm: ToolboxAlgorithm,
    saving: Any,
    resume: bool,
    logger: logging.Logger,
) -> None:
    """Puts an algorithm back to the last whole checkpoint of the run, if there is one."""
    ranks = saving.ranks
    start = ranks.run_on_rank0(lambda: checkpoint.find_latest_intact(folder.path))
    if start is not None:
        if start.name != LATEST:
            logger.info(f"{LATEST} is damaged or missing: taking the one before")
        reasons = ranks.run_on_all_ranks(lambda: load_checkpoint(start, algorithm, saving))
        end_early(algorithm, algorithm.it)
        logger.info(f"going on from step {algorithm.it} ({start.name})")
        if reasons:
            logger.info(f"not exactly, because {'; '.join(reasons)}")
        differences = ranks.run_on_rank0(lambda: find_differences(settings, folder))
        rates = follow_schedule(algorithm)  # also where a longer run ended before its next one
        if is_longer(differences):
            for line in describe_schedules(differences, settings["epoch"], rates):
                logger.info(line)
    elif resume:
        logger.info("no checkpoint yet: starting from the beginning")


def finish(
    settings: Settings,
    folder: RunFolder,
    algorithm: ToolboxAlgorithm,
    seconds: float,
    device: torch.device,
    logger: logging.Logger,
) -> None:
    """Draws the curves of a finished run and writes its result.

    Raises:
        FileNotWrittenError: If the result cannot be written; the last checkpoint is intact.
    """
    algorithm.hooks_dict[MetricsHook.__name__].flush()
    try:
        draw_curves(folder.metrics, folder.curves)
    except FileNotWrittenError as error:
        logger.info(f"{error}; the run is not concerned")
    result = write_result(folder, settings, algorithm, device, seconds)
    chosen = " by validation" if "val_error_rate" in result else ""
    logger.info(
        f"done: error {result['error_rate']:.2f}%, best{chosen} {result['best_error_rate']:.2f}%, "
        f"{result['seconds']:.0f} s; see {folder.path}"
    )
