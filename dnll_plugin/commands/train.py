"""``dnll train``: one run of an algorithm, from a config file to ``result.json``."""

import argparse
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from dnll_plugin.commands.options import add_plugin_option, add_set_option
from dnll_plugin.runs import signals
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.log import run_logger
from dnll_plugin.runs.same_settings import check_same_settings, find_differences, is_longer
from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.settings.early import check_early

OWN_OPTIONS = ("data_dir", "save_dir", "save_name", "seed", "plugin")
REMEDY = (
    "resume it with its own settings (num_train_iter may be larger), or give another --save_name"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll train``."""
    parser.add_argument("--c", required=True, metavar="FILE", help="config file (YAML)")
    parser.add_argument("--data_dir", metavar="D", help="folder of the data sets")
    parser.add_argument("--save_dir", metavar="D", help="folder of the run folders")
    parser.add_argument("--save_name", metavar="N", help="name of the run folder")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    add_plugin_option(parser)
    add_set_option(parser)


def run(options: argparse.Namespace) -> int:
    """Trains, and returns the exit code.

    Raises:
        InputError: If settings, data, device or run folder are wrong.
    """
    # of several processes each would say the same; with the toolbox imported, nothing is won
    if os.environ.get("WORLD_SIZE", "1") == "1" and "semilearn" not in sys.modules:
        check_early(Path(options.c), options.set, given_options(options))

    logging.captureWarnings(True)  # the toolbox's import warns of its own old calls
    from dnll_plugin.training.ranks import process_group
    from dnll_plugin.training.run import train

    with process_group() as ranks, ExitStack() as held:
        settings = ranks.run_on_all_ranks(lambda: resolve_options(options))
        folder = RunFolder(Path(settings["save_dir"]) / settings["save_name"])
        # this stdout, also while the toolbox's prints are redirected
        console = Console(file=sys.stdout, quiet=not ranks.is_first)
        if not ranks.run_on_rank0(lambda: acquire_folder(folder, settings, options.resume, held)):
            console.print(f"{folder.path}: this run is finished; see {folder.result.name}")
            return 0
        log = run_logger(folder.log if ranks.is_first else None, console)
        with log as logger, signals.record_signals(ranks.world_size) as interruption:
            for note in settings.notes:
                logger.info(f"note: {note}")
            return train(settings, folder, options.resume, console, logger, interruption, ranks)


def resolve_options(options: argparse.Namespace) -> settings_module.Settings:
    """The checked settings of a run, from the options of ``dnll train``."""
    return settings_module.resolve(Path(options.c), options.set, **given_options(options))


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """The keys that have an option of their own."""
    return {key: getattr(options, key) for key in OWN_OPTIONS}


def acquire_folder(
    folder: RunFolder, settings: settings_module.Settings, resume: bool, held: ExitStack
) -> bool:
    """Makes the run folder, or checks that the run in it may go on; False if it is finished.

    Others are kept out of the folder until ``held`` is closed.

    Raises:
        InputError: If a run is there that has other settings, is going on or is not to be resumed.
    """
    if resume and folder.is_finished() and not is_longer(find_differences(settings, folder)):
        check_same_settings(settings, folder, REMEDY)
        return False
    held.enter_context(folder.acquire(resume))
    check_same_settings(settings, folder, REMEDY, may_be_longer=True)
    return True
