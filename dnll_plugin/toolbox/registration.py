"""Makes the toolbox know the plugin: algorithms, nets, data sets and what has to change for them.

Registering waits for the toolbox: ``import dnll_plugin`` costs nothing, and whoever imports
``semilearn`` afterwards, also a loader's worker or a spawned rank, finds everything registered.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.toolbox.patches import table as changes
from dnll_plugin.toolbox.plugins import load_installed_plugins

_registered = False


def register() -> None:
    """Registers the plugin with the toolbox now; a second call does nothing.

    Raises:
        ImportError: If the toolbox is absent or broken, or does not fit (ToolboxChangedError).
    """
    global _registered
    if _registered:
        return
    _registered = True
    try:
        changes.make_changes(before_import=True)
        import_module("semilearn.core")
        changes.make_changes(before_import=False)
        registry = import_module("semilearn.core.utils").ALGORITHMS
        registry._dict = _WithOwnAlgorithms(registry._dict)
    except BaseException:
        _registered = False
        raise


class _WithOwnAlgorithms(dict[str, Any]):
    """The toolbox's algorithms by name, and ours from the first look at it.

    Not before: the toolbox may be imported by one of our own modules, and an algorithm that needs
    that module would find half of it.
    """

    _complete = False

    def _import_own(self) -> None:
        if self._complete:
            return
        self._complete = True
        try:
            for module in dict.fromkeys(row.module for row in OWN_ALGORITHMS.values()):
                import_module(module)
        except BaseException:
            self._complete = False
            raise

    def __getitem__(self, name: str) -> Any:
        self._import_own()
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._import_own()
        return super().__contains__(name)

    def keys(self) -> Any:
        self._import_own()
        return super().keys()


def register_with_toolbox() -> None:
    """Registers now if the toolbox is imported, else as soon as it is; installed plugins last."""
    if "semilearn" in sys.modules:
        register()
        load_installed_plugins()
    elif not any(isinstance(finder, _ToolboxFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _ToolboxFinder())


class _ToolboxFinder(MetaPathFinder):
    """Finds ``semilearn`` as Python would, and wraps its loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "semilearn":
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:  # whoever only looks where the toolbox is must not switch registering off
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)
        return spec


class _RegisteringLoader(Loader):
    """Registers the plugin just before the body of ``semilearn/__init__.py`` runs.

    The package is importable by then, so that registering imports the submodules that it needs, and
    whatever ``__init__`` takes out of them afterwards is what the plugin put there.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        register()
        self.loader.exec_module(module)
        load_installed_plugins()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)
