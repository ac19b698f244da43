"""``dnll bench``: the time of a training step against the bare passes of its nets."""

import argparse
import json
import logging
import sys
from pathlib import Path

from dnll_plugin.commands.options import add_plugin_option, add_set_option
from dnll_plugin.errors import InputError
from dnll_plugin.settings.config_file import write_override

ROUNDS = 20
WARMUP = 2
WIDTH = 140
"""Columns of the table where no terminal says how many it has."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll bench``."""
    parser.add_argument(
        "--c", metavar="FILE", help="config file (YAML); without it the standard cases"
    )
    parser.add_argument("--data_dir", metavar="D", help="folder of the data sets")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--picture", metavar="FILE.png", help="draw where the time goes")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N", help=f"rounds to time, {ROUNDS}"
    )
    add_plugin_option(parser)
    add_set_option(parser)


def run(options: argparse.Namespace) -> int:
    """Measures, prints the table and writes the files.

    Raises:
        InputError: If an option, the config or its data are wrong.
    """
    check(options)
    logging.captureWarnings(True)
    from rich.console import Console
    from rich.progress import track

    from dnll_plugin.benchmark.cases import list_cases, measure_case, standard_cases
    from dnll_plugin.benchmark.report import draw, table

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
    if options.c is None:
        cases = standard_cases()
    else:
        given = {"data_dir": options.data_dir, "plugin": options.plugin}
        own = [write_override(key, value) for key, value in given.items() if value]
        cases = list_cases(Path(options.c), [*own, *options.set])
    rows = [
        measure_case(case, options.rounds, WARMUP)
        for case in track(cases, "measuring", console=Console(stderr=True), transient=True)
    ]
    console.print("milliseconds, median; ratios: median ± half the interquartile range")
    console.print(table(rows))
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if options.picture:
        draw(rows, Path(options.picture))
    return 0


def check(options: argparse.Namespace) -> None:
    """Checks the options, before minutes are spent.

    Raises:
        InputError: One of them is wrong.
    """
    if options.rounds < 2:
        raise InputError(f"--rounds: must be at least 2, got {options.rounds}")
    if options.c is None and (options.set or options.data_dir):
        raise InputError("--set and --data_dir belong to a config: give one by --c FILE")
    if options.c is None and options.plugin:
        raise InputError("--plugin belongs to a config: give one by --c FILE")
    for name in ("json", "picture"):
        file = getattr(options, name)
        if file and not Path(file).absolute().parent.is_dir():
            raise InputError(f"--{name} {file}: its folder does not exist; make it first")
