"""What a change of the toolbox's behaviour is, and how one of its functions is replaced."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


class ToolboxChangedError(ImportError):
    """The toolbox has changed so that a change of the plugin has nothing to replace."""

    def __init__(self, owner: str, name: str) -> None:
        super().__init__(
            f"the toolbox's {owner} has no {name} any more: this version of dnll_plugin does not "
            "fit this toolbox; see `dnll doctor`"
        )


@dataclass(frozen=True)
class Change:
    """One change of the toolbox's behaviour.

    Attributes:
        name: Short name.
        reason: Why, in one sentence.
        needed: Tells whether this toolbox, with these packages, needs it.
        make: Makes it.
        before_import: Whether the toolbox cannot even be imported without it.
    """

    name: str
    reason: str
    needed: Callable[[], bool]
    make: Callable[[], None]
    before_import: bool = False


def replace(name: str, module: str, wrap: Callable[[Any], Any]) -> None:
    """Replaces a function of the toolbox wherever the toolbox has imported it under its name.

    Args:
        name: Name of the function.
        module: The module that defines it.
        wrap: Gives the replacement for the original.

    Raises:
        ToolboxChangedError: If the module does not have the name.
    """
    original = getattr(import_module(module), name, None)
    if original is None:
        raise ToolboxChangedError(module, name)
    replacement = wrap(original)
    toolbox = [held for key, held in sys.modules.items() if f"{key}.".startswith("semilearn.")]
    for holder in toolbox:
        if vars(holder).get(name) is original:
            setattr(holder, name, replacement)


def replace_method(cls: type, name: str, wrap: Callable[[Any], Any]) -> None:
    """Replaces a method of one of the toolbox's classes.

    Raises:
        ToolboxChangedError: If the class does not define it.
    """
    if name not in vars(cls):
        raise ToolboxChangedError(cls.__qualname__, name)
    setattr(cls, name, wrap(vars(cls)[name]))
