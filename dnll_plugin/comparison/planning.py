"""Which runs a comparison needs, with which settings: decided once, before any of them starts.

Settings that concern every algorithm come from the config. An algorithm's own keys come from the
config if that is the algorithm's, else from its published configs or defaults, so that no algorithm
runs with another one's tuning. ``--set`` beats all of these, for every algorithm that has the key.
"""

import json
import logging
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from dnll_plugin.comparison.published import AS_MANY_AS_LABELS, LOSS_WEIGHT, PUBLISHED
from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.same_settings import check_same_settings
from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.settings.checks import suggest_name
from dnll_plugin.settings.keys import RunKeys
from dnll_plugin.settings.resolve import Settings
from dnll_plugin.settings.toolbox_keys import ToolboxKeys, algorithm_arguments, find_base

OF_A_RUN = {
    "algorithm": "--algorithms",
    "seed": "--seeds",
    "save_dir": "--out",
    "save_name": "--out",
    "data_dir": "--data_dir",
}
"""Keys that each run gets its own value of, and the option that gives it."""


REMEDY = "give another --out, or the settings that it was started with"


@dataclass(frozen=True)
class Request:
    """What the user asks to compare.

    Attributes:
        config: the config file.
        algorithms, seeds: without repetition.
        overrides: ``key=value`` each, for every algorithm that has the key.
        data_dir: folder of the data sets; None: the config's.
        runs: folder of the run folders.
        plugin: modules that every run imports; None: the config's.
    """

    config: Path
    algorithms: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    data_dir: str | None
    runs: Path
    plugin: str | None = None


@dataclass(frozen=True)
class Run:
    """One algorithm with one seed.

    Attributes:
        arguments: those of ``dnll`` that start the run, or go on with it.
    """

    algorithm: str
    seed: int
    iterations: int
    folder: RunFolder
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.path.name


class OwnKey(NamedTuple):
    """The value of an algorithm's own key, and where it comes from."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Plan:
    """The runs, algorithm by algorithm, and what they have in common and what not.

    Attributes:
        shared: the settings that must be the same in every run.
        own: by algorithm, its own keys.
    """

    runs: tuple[Run, ...]
    shared: Mapping[str, Any]
    own: Mapping[str, Mapping[str, OwnKey]]


def plan_in_child(request: Request) -> Plan:
    """`plan` in a process of its own, which takes the toolbox and torch with it when it ends."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_quiet) as pool:
        return pool.submit(plan, request).result()


def plan(request: Request) -> Plan:
    """Resolves the settings of every run. Imports the toolbox.

    Raises:
        InputError: the settings are wrong, or a run folder holds a run with other ones.
    """
    check_overrides(request)
    written = settings_module.read_yaml(request.config)
    as_written = settings_module.resolve(
        request.config, request.overrides, data_dir=request.data_dir, plugin=request.plugin
    )
    check_algorithms(request)
    runs, shared, own = [], {}, {}
    for algorithm in request.algorithms:
        in_file = written if algorithm == as_written.algorithm else {}
        keys = collect_own_keys(algorithm, in_file, request.overrides, as_written.num_labels)
        for seed in request.seeds:
            run, settings = plan_run(algorithm, seed, keys, request)
            check_same_settings(settings, run.folder.config, REMEDY)
            runs.append(run)
        own[algorithm] = {key: OwnKey(settings[key], keys[key].origin) for key in keys}
        shared[algorithm] = {
            key: settings.values[key] for key in settings.values if key not in keys
        }
    common = set.intersection(*(set(values) for values in shared.values())) - OF_A_RUN.keys()
    first = shared[request.algorithms[0]]
    return Plan(tuple(runs), {key: first[key] for key in first if key in common}, own)


def check_algorithms(request: Request) -> None:
    """Checks the names of the algorithms, once the plugins that may define them are imported.

    Raises:
        InputError: one of them is wrong.
    """
    names = algorithm_arguments()
    for algorithm in request.algorithms:
        if algorithm not in names:
            hint = suggest_name(algorithm, names)
            raise InputError(f"--algorithms: unknown name {algorithm!r}; {hint}")


def check_overrides(request: Request) -> None:
    """Checks that nothing sets a run's own keys.

    Raises:
        InputError: something does.
    """
    for override in request.overrides:
        key = override.partition("=")[0].strip()
        if key in OF_A_RUN:
            raise InputError(f"--set {key}: give {OF_A_RUN[key]} instead")


def collect_own_keys(
    algorithm: str, in_file: Mapping[str, Any], overrides: Sequence[str], num_labels: int
) -> dict[str, OwnKey]:
    """An algorithm's own keys with their values before ``--set``, and where they come from.

    Args:
        algorithm: its name.
        in_file: keys and values of its config file.
        overrides: ``key=value`` each.
        num_labels: labeled images of the run.
    """
    of_every_run = ToolboxKeys.model_fields.keys() | RunKeys.model_fields.keys()
    arguments = algorithm_arguments()[algorithm]
    values = {
        LOSS_WEIGHT: OwnKey(ToolboxKeys.model_fields[LOSS_WEIGHT].default, "default"),
        **{
            key: OwnKey(arguments[key].default, "default")
            for key in arguments
            if key not in of_every_run
        },
    }
    for key, value in PUBLISHED.get(find_base(algorithm), {}).items():
        in_words = value == AS_MANY_AS_LABELS
        values[key] = OwnKey(num_labels if in_words else value, "published config")
    values |= {key: OwnKey(in_file[key], "config") for key in values if key in in_file}
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in values:
            values[key] = OwnKey(values[key].value, "--set")
    return values


def plan_run(
    algorithm: str, seed: int, keys: Mapping[str, OwnKey], request: Request
) -> tuple[Run, Settings]:
    """The run of an algorithm with a seed, and its settings."""
    folder = RunFolder(request.runs / f"{algorithm}_{seed}")
    overrides = [f"algorithm={algorithm}"]
    overrides += [f"{key}={json.dumps(value)}" for key, (value, _) in keys.items()]
    overrides += request.overrides
    settings = settings_module.resolve(
        request.config,
        overrides,
        data_dir=request.data_dir,
        save_dir=request.runs,
        save_name=folder.path.name,
        seed=seed,
        plugin=request.plugin,
    )
    place = {
        "data_dir": request.data_dir,
        "plugin": request.plugin,
        "save_dir": request.runs,
        "save_name": folder.path.name,
    }
    options = [f"--{key}={value}" for key, value in place.items() if value is not None]
    arguments = ["train", f"--c={request.config}", *options, f"--seed={seed}", "--resume"]
    run = Run(
        algorithm,
        seed,
        settings.num_train_iter,
        folder,
        (*arguments, "--set", *overrides),
    )
    return run, settings


def _quiet() -> None:
    """In the child: Ctrl-C is the parent's to answer, the toolbox's warnings are nobody's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.captureWarnings(True)
