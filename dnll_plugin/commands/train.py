"""``dnll train``: one run of an algorithm, from a config file to ``result.json``."""

import argparse
import logging
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.runs import signals
from dnll_plugin.commands.options import add_set
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.log import ToolboxLog, run_logger
from dnll_plugin.errors import InputError

if TYPE_CHECKING:  # with it comes torch, which --help need not import
    from dnll_plugin.training.ranks import Ranks

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
    add_set(parser)


def run(options: argparse.Namespace) -> int:
    """Trains, and returns the exit code.

    Raises:
        InputError: If settings, data, device or run folder are wrong.
    """
    from dnll_plugin.training.ranks import joined

    logging.captureWarnings(True)
    with joined() as ranks, ExitStack() as held:
        settings = ranks.together(lambda: settings_of(options))
        folder = RunFolder(Path(settings["save_dir"]) / settings["save_name"])
        # this stdout, also while the toolbox's prints are redirected
        console = Console(file=sys.stdout, quiet=not ranks.is_first)
        if not ranks.once(lambda: claim(folder, settings, options.resume, held)):
            console.print(f"{folder.path}: this run is finished; see {folder.result.name}")
            return 0
        log = run_logger(folder.log if ranks.is_first else None, console)
        with log as logger, signals.noted(ranks.world_size) as interruption:
            for note in settings.notes:
                logger.info(f"note: {note}")
            return train(settings, folder, options.resume, console, logger, interruption, ranks)


def settings_of(options: argparse.Namespace) -> settings_module.Settings:
    """The checked settings of a run, from the options of ``dnll train``."""
    return settings_module.resolve(
        Path(options.c),
        options.set,
        data_dir=options.data_dir,
        save_dir=options.save_dir,
        save_name=options.save_name,
        seed=options.seed,
    )


def claim(
    folder: RunFolder, settings: settings_module.Settings, resume: bool, held: ExitStack
) -> bool:
    """Makes the run folder, or checks that the run in it may go on; False if it is finished.

    Others are kept out of the folder until ``held`` is closed.
    """
    if resume and folder.is_finished():
        return False
    held.enter_context(folder.claimed(resume))
    if folder.config.exists():
        check_same_settings(settings, folder.config)
    return True


def train(
    settings: settings_module.Settings,
    folder: RunFolder,
    resume: bool,
    console: Console,
    logger: logging.Logger,
    interruption: signals.Interruption,
    ranks: "Ranks",
) -> int:
    """Builds the algorithm, trains it and writes the result; returns the exit code."""
    from dnll_plugin.hooks.finite import NotFiniteError
    from dnll_plugin.training.progress import ProgressHook
    from dnll_plugin.training import device as devices
    from dnll_plugin.training.build import build_algorithm
    from dnll_plugin.training.loaders import end_workers
    from dnll_plugin.training.ddp import spread
    from dnll_plugin.training.saving import Interrupted

    device = ranks.together(lambda: ranks.place(devices.choose(settings["device"])))
    toolbox_log = ToolboxLog(logger)
    with redirect_stdout(toolbox_log):
        algorithm = ranks.first_then_others(
            lambda: build_algorithm(settings.namespace(), device, folder.path, toolbox_log, ranks)
        )
    ranks.together(lambda: spread(algorithm, ranks))
    progress = ProgressHook(console, logger)
    saving = add_hooks(algorithm, folder, interruption, progress, ranks)
    go_on(folder, algorithm, saving, resume, logger)
    ranks.once(lambda: settings.dump(folder.config))
    logger.info(f"{settings['algorithm']} on {device}, {settings['num_train_iter']} steps")
    try:
        if hasattr(algorithm, "warmup"):
            algorithm.warmup()
        algorithm.train()
    except Interrupted as signal_came:
        logger.info(f"{signal_came}: saved at step {algorithm.it + 1}; go on with --resume")
        return signal_came.exit_code
    except NotFiniteError:  # the same in every process
        if ranks.is_first:
            raise
        return 1
    finally:
        end_workers(algorithm)
        progress.stop()
    ranks.once(lambda: finish(settings, folder, algorithm, saving.seconds(), device, logger))
    return 0


def add_hooks(
    algorithm: Any,
    folder: RunFolder,
    interruption: signals.Interruption,
    progress: Any,
    ranks: "Ranks",
) -> Any:
    """Registers what happens around a step; of several processes rank 0 records and shows it.

    Returns:
        The hook that saves the run.
    """
    from dnll_plugin.hooks.finite import FiniteHook
    from dnll_plugin.training.metrics import MetricsHook
    from dnll_plugin.training.ddp import AgreementHook
    from dnll_plugin.training.saving import QuietEvaluationHook, SavingHook

    agreement = AgreementHook(interruption, ranks)
    saving = SavingHook(folder.path, agreement.agreed, ranks)
    finite = FiniteHook(saving.last_checkpoint, ranks.gather)
    algorithm.register_hook(agreement, None, "HIGHEST")
    algorithm.register_hook(QuietEvaluationHook(), "EvaluationHook", "HIGH")
    if ranks.is_first:
        algorithm.register_hook(MetricsHook(folder.path), None, "ABOVE_NORMAL")
    algorithm.register_hook(finite, "FiniteHook", "NORMAL")
    algorithm.register_hook(saving, None, "LOW")
    if ranks.is_first:
        algorithm.register_hook(progress, None, "LOWEST")
    return saving


def go_on(
    folder: RunFolder, algorithm: Any, saving: Any, resume: bool, logger: logging.Logger
) -> None:
    """Puts an algorithm back to the last whole checkpoint of the run, if there is one."""
    from dnll_plugin.training import checkpoint
    from dnll_plugin.training.saving import resume_from

    ranks = saving.ranks
    start = ranks.once(lambda: checkpoint.latest_whole(folder.path))
    if start is not None:
        if start.name != checkpoint.LATEST:
            logger.info(f"{checkpoint.LATEST} is damaged: taking the one before")
        exact = ranks.together(lambda: resume_from(start, algorithm, saving))
        logger.info(f"going on from step {algorithm.it} ({start.name})")
        if not exact:
            logger.info(
                f"not exactly: {start.name} is the toolbox's, which does not save its random "
                "generators; they start anew"
            )
    elif resume:
        logger.info("no checkpoint yet: starting from the beginning")


def finish(
    settings: settings_module.Settings,
    folder: RunFolder,
    algorithm: Any,
    seconds: float,
    device: Any,
    logger: logging.Logger,
) -> None:
    """Draws the curves of a finished run and writes its result."""
    from dnll_plugin.runs.curves import draw_curves
    from dnll_plugin.runs.result import write_result

    draw_curves(folder.metrics, folder.curves)
    result = write_result(folder, settings, algorithm, device, seconds)
    logger.info(
        f"done: error {result['error_rate']:.2f}%, best {result['best_error_rate']:.2f}%, "
        f"{result['seconds']:.0f} s; see {folder.path}"
    )


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
