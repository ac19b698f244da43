"""``dnll train``: one run of an algorithm, from a config file to ``result.json``."""

import argparse
import logging
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rich.console import Console

from dnll_plugin.commands import settings as settings_module
from dnll_plugin.commands import signals
from dnll_plugin.commands.run_folder import RunFolder
from dnll_plugin.commands.run_log import ToolboxLog, run_logger
from dnll_plugin.errors import InputError

MAY_DIFFER_ON_RESUME = {"data_dir", "save_dir", "num_workers", "device"}
"""Keys that change nothing of what a run computes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll train``."""
    parser.add_argument("--c", required=True, metavar="FILE", help="config file (YAML)")
    parser.add_argument("--data_dir", metavar="D", help="folder of the data sets")
    parser.add_argument("--save_dir", metavar="D", help="folder of the run folders")
    parser.add_argument("--save_name", metavar="N", help="name of the run folder")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="key=value",
        help="settings that beat the file's; may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Trains, and returns the exit code.

    Raises:
        InputError: If settings, data, device or run folder are wrong.
    """
    logging.captureWarnings(True)
    settings = settings_module.resolve(
        Path(options.c),
        options.set,
        data_dir=options.data_dir,
        save_dir=options.save_dir,
        save_name=options.save_name,
        seed=options.seed,
    )
    folder = RunFolder(Path(settings["save_dir"]) / settings["save_name"])
    console = Console(file=sys.stdout)  # this one, also while the toolbox's prints are redirected
    if options.resume and folder.is_finished():
        console.print(f"{folder.path}: this run is finished; see {folder.result.name}")
        return 0
    folder.claim(options.resume)
    if folder.config.exists():
        check_same_settings(settings, folder.config)
    with run_logger(folder.log, console) as logger, signals.noted() as interruption:
        for note in settings.notes:
            logger.info(f"note: {note}")
        return train(settings, folder, options.resume, console, logger, interruption)


def train(
    settings: settings_module.Settings,
    folder: RunFolder,
    resume: bool,
    console: Console,
    logger: logging.Logger,
    interruption: signals.Interruption,
) -> int:
    """Builds the algorithm, trains it and writes the result; returns the exit code."""
    from dnll_plugin.commands.curves import draw_curves
    from dnll_plugin.commands.result import write_result
    from dnll_plugin.hooks.finite import FiniteHook
    from dnll_plugin.hooks.metrics import MetricsHook
    from dnll_plugin.hooks.progress import ProgressHook
    from dnll_plugin.toolbox import checkpoint
    from dnll_plugin.toolbox import device as devices
    from dnll_plugin.toolbox.build import build_algorithm
    from dnll_plugin.toolbox.saving import (
        Interrupted,
        QuietEvaluationHook,
        SavingHook,
        resume_from,
    )

    device = devices.choose(settings["device"])
    toolbox_log = ToolboxLog(logger)
    with redirect_stdout(toolbox_log):
        algorithm = build_algorithm(settings.namespace(), device, folder.path, toolbox_log)
    saving = SavingHook(folder.path, interruption)
    progress = ProgressHook(console, logger)
    algorithm.register_hook(QuietEvaluationHook(), "EvaluationHook", "HIGH")
    algorithm.register_hook(MetricsHook(folder.path), None, "ABOVE_NORMAL")
    algorithm.register_hook(FiniteHook(), "FiniteHook", "NORMAL")
    algorithm.register_hook(saving, None, "LOW")
    algorithm.register_hook(progress, None, "LOWEST")

    settings.dump(folder.config)
    start = checkpoint.latest_whole(folder.path)
    if start is not None:
        if start.name != checkpoint.LATEST:
            logger.info(f"{checkpoint.LATEST} is damaged: taking the one before")
        resume_from(start, algorithm, saving)
        logger.info(f"going on from step {algorithm.it} ({start.name})")
    elif resume:
        logger.info("no checkpoint yet: starting from the beginning")
    logger.info(f"{settings['algorithm']} on {device}, {settings['num_train_iter']} steps")
    try:
        if hasattr(algorithm, "warmup"):
            algorithm.warmup()
        algorithm.train()
    except Interrupted as signal_came:
        logger.info(f"{signal_came}: saved at step {algorithm.it + 1}; go on with --resume")
        return signal_came.exit_code
    finally:
        progress.stop()
    draw_curves(folder.metrics, folder.curves)
    result = write_result(folder, settings, algorithm, device, saving.seconds())
    logger.info(
        f"done: error {result['error_rate']:.2f}%, best {result['best_error_rate']:.2f}%, "
        f"{result['seconds']:.0f} s; see {folder.path}"
    )
    return 0


def check_same_settings(settings: settings_module.Settings, config: Path) -> None:
    """Compares the settings with those that the run in the folder was started with.

    Raises:
        InputError: If a setting that matters differs; the message names it.
    """
    before: dict[str, Any] = settings_module.read_yaml(config)
    for name in ("algorithm", *(before.keys() & settings.values.keys())):
        if name not in MAY_DIFFER_ON_RESUME and settings[name] != before[name]:
            raise InputError(
                f"{name}: the run in {config.parent} has {before[name]!r}, not {settings[name]!r}; "
                "resume it with its own settings, or give another --save_name"
            )
