"""Which runs a comparison needs, with which settings: decided once, before any of them starts.

Settings that concern every algorithm come from the config. An algorithm's own keys come from the
config if that is the algorithm's, else from its published configs or defaults, so that no algorithm
runs with another one's tuning. ``--set`` beats all of these, for every algorithm that has the key,
and a variant's own settings beat ``--set``. Only the settings of what is compared are checked.
"""

import logging
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from dnll_plugin.comparison.plan import OwnKey, Plan, Request, Run
from dnll_plugin.comparison.variant_settings import (
    check_names,
    collect_own_keys,
    estimate_work,
    find_shared,
    resolve_variant,
)
from dnll_plugin.comparison.variants import Variant
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.same_settings import check_same_settings
from dnll_plugin.settings import resolve as settings_module
from dnll_plugin.settings.resolve import Settings
from dnll_plugin.toolbox.plugins import import_plugins

REMEDY = "give another --out, or the settings that it was started with"


def plan_in_child(requests: Mapping[str, Request]) -> list[Plan]:
    """`plan` of each task in one process, which takes the toolbox and torch with it when it ends.

    Args:
        requests: by the name of the task.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_quiet) as pool:
        return pool.submit(plan_all, requests).result()


def plan_all(requests: Mapping[str, Request]) -> list[Plan]:
    """`plan` of each task, by its name."""
    return [plan(request, task) for task, request in requests.items()]


def plan(request: Request, task: str = "") -> Plan:
    """Resolves the settings of every run. Imports the toolbox.

    Raises:
        InputError: the settings are wrong, or a run folder holds a run with other ones.
    """
    written = settings_module.read_yaml(request.config)
    plugin = request.plugin or written.get("plugin")
    if isinstance(plugin, str):
        import_plugins(plugin)
    check_names(request)
    runs, values, own = list[Run](), {}, {}
    for variant in request.variants:
        keys = collect_own_keys(variant, written, request)
        settings, words = resolve_variant(variant, keys, request)
        values[variant.name] = settings.values
        own[variant.name] = {key: OwnKey(settings[key], keys[key].origin) for key in keys}
        for seed in request.seeds:
            run = build_run(variant, seed, settings, words, request, task)
            of_seed = {**settings.values, "seed": seed, "save_name": run.folder.path.name}
            check_same_settings(replace(settings, values=of_seed), run.folder, REMEDY)
            runs.append(run)
    return Plan(tuple(runs), find_shared(values, own), own, task)


def build_run(
    variant: Variant,
    seed: int,
    settings: Settings,
    words: Sequence[str],
    request: Request,
    task: str,
) -> Run:
    """The run of a variant with a seed.

    Args:
        variant: what is run.
        seed: of the run.
        settings: those of the variant.
        words: the values of ``--set`` that give them.
        request: what is compared.
        task: name of the task.
    """
    folder = RunFolder(request.runs / f"{variant.folder_name}_{seed}")
    place = {
        "data_dir": request.data_dir,
        "plugin": request.plugin,
        "save_dir": request.runs,
        "save_name": folder.path.name,
    }
    options = [f"--{key}={value}" for key, value in place.items() if value is not None]
    arguments = ("train", f"--c={request.config}", *options, f"--seed={seed}", "--resume", "--set")
    return Run(
        variant.name,
        variant.algorithm,
        seed,
        settings.num_train_iter,
        folder,
        (*arguments, *words),
        estimate_work(settings),
        task,
    )


def _quiet() -> None:
    """In the child: Ctrl-C is the parent's to answer, the toolbox's warnings are nobody's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.captureWarnings(True)
