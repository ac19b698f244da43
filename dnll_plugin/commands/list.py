"""``dnll list``: the names that a config may hold."""

import argparse
import logging
from collections.abc import Callable, Iterator

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.commands.options import add_plugin_option
from dnll_plugin.datasets import DATASETS
from dnll_plugin.settings.config_file import list_configs, read_config
from dnll_plugin.settings.keys import MethodKeys, RunKeys
from dnll_plugin.settings.ranges import range_in_words
from dnll_plugin.settings.toolbox_keys import ToolboxKeys
from dnll_plugin.toolbox.plugins import import_plugins

Lines = Iterator[tuple[str, str]]
"""A name, and a word about it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll list``."""
    parser.add_argument("what", choices=tuple(LISTS), help="what to list, one name a line")
    add_plugin_option(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the names, each with a word about it.

    Raises:
        InputError: A plugin cannot be imported.
    """
    logging.captureWarnings(True)  # the toolbox's import warns of its own old calls
    if options.plugin is not None:
        import_plugins(options.plugin)
    lines = list(LISTS[options.what]())
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        print(f"{name:<{width}}  {text}".rstrip())
    return 0


def list_algorithms() -> Lines:
    """The plugin's algorithms first."""
    from semilearn.algorithms import name2alg

    names = sorted(name2alg.keys(), key=lambda name: (name not in OWN_ALGORITHMS, name))
    for name in names:
        row = OWN_ALGORITHMS.get(name)
        base = f", {row.base} that learns negative labels too" if row and row.base else ""
        yield name, f"this plugin{base}" if row else "the toolbox"


def list_nets() -> Lines:
    """Those of the plugin, of the toolbox and of timm."""
    import timm

    from dnll_plugin.nets.lookup import NETS, toolbox_nets

    yield from ((name, "this plugin") for name in NETS)
    yield from ((name, "the toolbox") for name in sorted(toolbox_nets()))
    yield from ((f"timm_{name}", "timm") for name in timm.list_models())


def list_datasets() -> Lines:
    """Every set of images."""
    for name, row in DATASETS.items():
        parts = [f"{len(row.classes)} classes" if row.classes else "", row.folder]
        yield name, ", ".join(part for part in parts if part)


def list_configs_with_contents() -> Lines:
    """The configs that ``--c`` takes by name."""
    for name, file in list_configs().items():
        entries = read_config(file)
        yield name, ", ".join(str(entries[key].value) for key in ("algorithm", "dataset", "net"))


def list_keys() -> Lines:
    """The keys of every run, then those of the plugin's algorithms."""
    for group in (ToolboxKeys, RunKeys, MethodKeys):
        for name, field in group.model_fields.items():
            yield name, f"{field.description} ({range_in_words(field)})"


LISTS: dict[str, Callable[[], Lines]] = {
    "algorithms": list_algorithms,
    "nets": list_nets,
    "datasets": list_datasets,
    "configs": list_configs_with_contents,
    "keys": list_keys,
}
