"""Code of others that adds algorithms, nets, data sets or samplers: modules named by the user, and
installed packages that say so by an entry point.
"""

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from dnll_plugin.errors import InputError

GROUP = "dnll_plugin"
"""Entry points of this group are loaded whenever this package registers with the toolbox."""


def split_names(text: str) -> list[str]:
    """The names of modules in ``my_module, package.module``."""
    return [name.strip() for name in text.split(",")]


def import_plugins(text: str) -> None:
    """Imports the modules that the user names, from the current folder or installed.

    Args:
        text: names, separated by commas.

    Raises:
        InputError: one of them is no name of a module, or cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does; processes that are spawned get it too
    for name in split_names(text):
        if not all(part.isidentifier() for part in name.split(".")):
            raise InputError(
                f"plugin: {name!r} is not the name of a module; write my_module for my_module.py"
            )
        try:
            import_module(name)
        except Exception as error:  # whatever the code of others raises
            if isinstance(error, ModuleNotFoundError) and error.name == name.split(".")[0]:
                reason = f"there is no such module in {here} or installed"
            else:
                reason = f"{type(error).__name__}: {error}"
            raise InputError(f"plugin: cannot import {name}: {reason}") from error


def load_installed_plugins() -> None:
    """Loads what installed packages add; one that is broken is a line on stderr, not an end."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(
                f"dnll: warning: the installed plugin {entry.name} ({entry.value}) cannot be "
                f"loaded: {reason}; mend or uninstall it",
                file=sys.stderr,
            )
