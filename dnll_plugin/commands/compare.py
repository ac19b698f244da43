"""``dnll compare``: algorithms against each other on the same data, seeds and settings.

This process stays small: it imports neither torch nor the toolbox, which the runs need room for.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from dnll_plugin.algorithms.table import is_own
from dnll_plugin.commands.launchers import (
    add_launcher_options,
    build_launcher,
    check_launcher,
    count_places,
)
from dnll_plugin.commands.options import add_plugin_option, add_set_option
from dnll_plugin.comparison import report
from dnll_plugin.comparison.checks import was_begun_by_other_code
from dnll_plugin.comparison.folder import (
    LOGS,
    RUNS,
    acquire_folder,
    holds_comparison,
    place_runs,
)
from dnll_plugin.comparison.plan import Plan, Request, Run
from dnll_plugin.comparison.planning import plan_in_child
from dnll_plugin.comparison.progress import Display
from dnll_plugin.comparison.running import Failure, run_all
from dnll_plugin.comparison.schedule import Pace
from dnll_plugin.comparison.statistics import read_result
from dnll_plugin.comparison.variants import Variant, list_variants
from dnll_plugin.errors import InputError
from dnll_plugin.escaping import for_terminal
from dnll_plugin.runs import signals
from dnll_plugin.runs.code_version import describe_code
from dnll_plugin.settings.config_file import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll compare``."""
    parser.add_argument(
        "--c", required=True, nargs="+", metavar="FILE", help="config files (YAML), each a task"
    )
    parser.add_argument(
        "--algorithms", nargs="+", default=[], metavar="A", help="names of the algorithms"
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME:key=value,…",
        help="an algorithm with other settings, as a line of its own: "
        "sharp:algorithm=dnll_fixmatch,negative_weight=2; a|b among the values makes a grid; may "
        "be repeated",
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
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder of the report and the runs; by default saved_models/compare_<config>",
    )
    add_launcher_options(parser)
    add_plugin_option(parser)
    add_set_option(parser, "settings that beat the file's, for every algorithm that has the key")


def run(options: argparse.Namespace) -> int:
    """Runs what is not finished, writes the report, and returns the exit code.

    Raises:
        InputError: If the options or settings are wrong.
    """
    variants = list_variants(options.algorithms, options.variant)
    check_seeds(options.seeds)
    baseline = choose_baseline(options.baseline, variants)
    tasks = name_tasks([Path(file) for file in options.c])
    check_launcher(options)
    for config in tasks.values():
        read_config(config)  # what is wrong is told at once, and leaves no folder behind
    out = Path(options.out or f"saved_models/compare_{'_'.join(tasks)[:80]}")
    check_report_files(out)
    console = Console()

    def say(text: str) -> None:
        console.print(for_terminal(text), markup=False, highlight=False, soft_wrap=True)

    with ExitStack() as held:
        lock = acquire_folder(out, held, say)
        interruption = held.enter_context(signals.record_signals())
        say(f"checking the settings of {len(tasks) * len(variants) * len(options.seeds)} runs")
        plans = plan_in_child(build_requests(options, tasks, variants, out))
        runs = [run for plan in plans for run in plan.runs]
        pace = learn_pace(runs)
        warn_of_other_code(runs, say)
        waiting = [run for run in runs if not run.folder.is_finished()]
        places = count_places(options, len(runs))
        launcher = build_launcher(options, places, out, lock, say)
        with Display(runs, console, pace, places) as display:
            failures = run_all(waiting, launcher, display, interruption, pace.choose_longest)
        number = interruption()
        if number is not None:
            say("interrupted: the same command goes on with what is not finished")
            return 128 + number
        warnings = write_report(out, plans, failures, baseline)
    for warning in warnings:
        say(f"not comparable: {warning}")
    for failure in failures:
        say(f"{failure.run.name} failed, {failure.reason}; its last lines:")
        for line in failure.last_lines:
            say(f"    {line}")
    say(f"see {out / 'report.html'}")
    return 1 if failures or warnings else 0


def check_report_files(out: Path) -> None:
    """Checks that no file of the user's is where the report goes.

    Raises:
        InputError: There is one, in a folder that holds no comparison.
    """
    held = [name for name in report.FILES if (out / name).exists()]
    if held and not holds_comparison(out):
        raise InputError(
            f"--out {out}: holds {held[0]}, which is not of a comparison; give another folder"
        )


def build_requests(
    options: argparse.Namespace, tasks: Mapping[str, Path], variants: tuple[Variant, ...], out: Path
) -> dict[str, Request]:
    """What to compare on each task, by its name; a single task has no name and no folder."""
    return {
        task if len(tasks) > 1 else "": Request(
            tasks[task],
            variants,
            tuple(options.seeds),
            tuple(options.set),
            options.data_dir,
            runs,
            options.plugin,
        )
        for task, runs in place_runs(out, tasks).items()
    }


def learn_pace(runs: Sequence[Run]) -> Pace:
    """How long runs take, by those that are finished."""
    pace = Pace()
    for run in runs:
        result = read_result(run)
        if result is not None:
            pace.note(run, result["seconds"])
    return pace


def write_report(
    out: Path, plans: Sequence[Plan], failures: Sequence[Failure], baseline: str
) -> list[str]:
    """Writes the report of one task or of several; returns its warnings."""
    command = shlex.join(["dnll", *sys.argv[1:]])
    if len(plans) == 1:
        return report.write(out, plans[0], failures, baseline, command)
    return report.write_over_tasks(out, plans, failures, baseline, command)


def warn_of_other_code(runs: Sequence[Run], say: Callable[[str], None]) -> None:
    """Tells at the start, not only in the report, that runs were begun by other code than this."""
    code = describe_code()
    others = [run for run in runs if was_begun_by_other_code(run, code)]
    if others:
        say(
            f"{len(others)} of the runs were begun by other code than this, dnll_plugin {code}, "
            f"{others[0].name} for one; the report will say so. Another --out makes all of them by "
            "this code"
        )


def name_tasks(configs: Sequence[Path]) -> dict[str, Path]:
    """The tasks by their names, those of the config files.

    Raises:
        InputError: If two have the same name, or one has that of a folder of the comparison.
    """
    tasks: dict[str, Path] = {}
    for config in configs:
        if len(configs) > 1 and config.stem in (RUNS, LOGS):
            raise InputError(f"--c: {config}: no task can have this name; rename the file")
        if config.stem in tasks:
            raise InputError(f"--c: {tasks[config.stem]} and {config} have one name; rename one")
        tasks[config.stem] = config
    return tasks


def choose_baseline(asked: str | None, variants: Sequence[Variant]) -> str:
    """The variant that the others are compared with.

    Raises:
        InputError: If the one asked for is not compared, or nothing is.
    """
    if not variants:
        raise InputError("--algorithms: give the names of algorithms, or --variant")
    names = [variant.name for variant in variants]
    if asked is None:
        plain = (v.name for v in variants if not v.overrides and not is_own(v.algorithm))
        return next(plain, names[0])
    if asked not in names:
        raise InputError(f"--baseline: {asked!r} is none of --algorithms; add it there")
    return asked


def check_seeds(seeds: Sequence[int]) -> None:
    """Checks what the parser cannot.

    Raises:
        InputError: If a seed stands there twice or is negative.
    """
    for seed in seeds:
        if list(seeds).count(seed) > 1:
            raise InputError(f"--seeds: {seed} stands there twice; write it once")
    if min(seeds) < 0:
        raise InputError(f"--seeds: must not be negative, got {min(seeds)}")
