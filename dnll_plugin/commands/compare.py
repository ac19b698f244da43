"""``dnll compare``: algorithms against each other on the same data, seeds and settings.

This process stays small: it imports neither torch nor the toolbox, which the runs need room for.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dnll_plugin.algorithms.table import is_own
from dnll_plugin.commands.options import add_plugin_option, add_set_option
from dnll_plugin.comparison import report
from dnll_plugin.comparison.planning import Plan, Request, plan_in_child
from dnll_plugin.comparison.progress import Display
from dnll_plugin.comparison.running import Failure, run_all
from dnll_plugin.errors import InputError
from dnll_plugin.runs import signals
from dnll_plugin.runs.locks import lock_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll compare``."""
    parser.add_argument("--c", required=True, metavar="FILE", help="config file (YAML)")
    parser.add_argument(
        "--algorithms", required=True, nargs="+", metavar="A", help="names of the algorithms"
    )
    parser.add_argument(
        "--seeds", required=True, nargs="+", type=int, metavar="N", help="seeds, one run each"
    )
    parser.add_argument(
        "--baseline",
        metavar="A",
        help="the one that the others are compared with; by default the first of --algorithms "
        "that is not of this package",
    )
    parser.add_argument("--data_dir", metavar="D", help="folder of the data sets")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time")
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder of the report and the runs; by default saved_models/compare_<config>",
    )
    add_plugin_option(parser)
    add_set_option(parser, "settings that beat the file's, for every algorithm that has the key")


def run(options: argparse.Namespace) -> int:
    """Runs what is not finished, writes the report, and returns the exit code.

    Raises:
        InputError: If the options or settings are wrong.
    """
    algorithms, seeds = tuple(options.algorithms), tuple(options.seeds)
    baseline = choose_baseline(options.baseline, algorithms)
    check_options(algorithms, seeds, options.jobs)
    out = Path(options.out or f"saved_models/compare_{Path(options.c).stem}")
    console = Console()
    lock = lock_folder(out, "a comparison", "--out", with_children=True)
    with lock as descriptor, signals.record_signals() as interruption:
        console.print(f"checking the settings of {len(algorithms) * len(seeds)} runs")
        plan = plan_in_child(
            Request(
                Path(options.c),
                algorithms,
                seeds,
                tuple(options.set),
                options.data_dir,
                out / "runs",
                options.plugin,
            )
        )
        unfinished = [run for run in plan.runs if not run.folder.is_finished()]
        with Display(plan.runs, console) as display:
            failures = run_all(
                unfinished, options.jobs, out / "logs", display, interruption, lock=descriptor
            )
        number = interruption()
        if number is not None:
            console.print("interrupted: the same command goes on with what is not finished")
            return 128 + number
        command = shlex.join(["dnll", *sys.argv[1:]])
        return print_summary(out, plan, failures, baseline, command, console)


def choose_baseline(asked: str | None, algorithms: Sequence[str]) -> str:
    """The algorithm that the others are compared with.

    Raises:
        InputError: If the one asked for is not compared.
    """
    if asked is None:
        return next((name for name in algorithms if not is_own(name)), algorithms[0])
    if asked not in algorithms:
        raise InputError(f"--baseline: {asked!r} is none of --algorithms; add it there")
    return asked


def check_options(algorithms: Sequence[str], seeds: Sequence[int], jobs: int) -> None:
    """Checks what the parser cannot.

    Raises:
        InputError: If an option is wrong.
    """
    for option, values in (("--algorithms", algorithms), ("--seeds", seeds)):
        for value in values:
            if list(values).count(value) > 1:
                raise InputError(f"{option}: {value} stands there twice; write it once")
    if min(seeds) < 0:
        raise InputError(f"--seeds: must not be negative, got {min(seeds)}")
    if jobs < 1:
        raise InputError(f"--jobs: must be at least 1, got {jobs}")


def print_summary(
    out: Path,
    plan: Plan,
    failures: Sequence[Failure],
    baseline: str,
    command: str,
    console: Console,
) -> int:
    """Writes the report and says what came out; returns the exit code."""
    warnings = report.write(out, plan, failures, baseline, command)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    for warning in warnings:
        say(f"not comparable: {warning}")
    for failure in failures:
        say(f"{failure.run.name} failed, {failure.reason}; its last lines:")
        for line in failure.last_lines:
            say(f"    {line}")
    say(f"see {out / 'report.html'}")
    return 1 if failures or warnings else 0
