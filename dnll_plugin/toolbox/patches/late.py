"""Packages that images do not need: imported when something calls them, not with the toolbox.

The toolbox imports them all at its start. That takes as long as everything else together, and fails
where one of them does not fit the others: the last torchaudio refuses a newer torch, and aim's
newest release for some Pythons cannot be imported at all.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NEEDED_FOR = {
    "torchaudio": "audio data sets",
    "transformers": "nets and data sets of text and audio",
    "aim": "use_aim",
    "wandb": "use_wandb",
}
"""Each of these packages, and what needs it."""


def import_toolbox() -> None:
    """Imports the toolbox with stand-ins for those packages that are not imported yet."""
    with stand_ins():
        import_module("semilearn.core")


class LateName:
    """Stands for a name of a package that is imported when the name is called or looked into."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _resolve(self) -> Any:
        """The thing itself.

        Raises:
            ImportError: The package cannot be imported, whatever the reason.
        """
        package = self._module.partition(".")[0]
        try:
            return getattr(import_module(self._module), self._name)
        except Exception as error:  # CUDA versions that differ are an OSError or a RuntimeError
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ImportError(
                f"{NEEDED_FOR[package]} needs {package}, which cannot be imported here ({reason})"
            ) from error

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._resolve()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # typing asks whatever stands in an annotation for such names
            raise AttributeError(name)
        return getattr(self._resolve(), name)


class _StandIn(ModuleType):
    """A module each of whose names is a :class:`LateName`."""

    def __getattr__(self, name: str) -> LateName:
        if name.startswith("__"):
            raise AttributeError(name)
        return LateName(self.__name__, name)


class _StandInFinder(MetaPathFinder, Loader):
    """Finds every module of the packages, without looking whether it is there."""

    def __init__(self) -> None:
        self.packages = NEEDED_FOR.keys() - sys.modules.keys()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in self.packages:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


@contextmanager
def stand_ins() -> Iterator[None]:
    """Gives stand-ins to whatever is imported inside; later imports get the packages themselves."""
    finder = _StandInFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, held in sys.modules.items() if isinstance(held, _StandIn)]:
            del sys.modules[name]
