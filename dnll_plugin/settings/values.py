"""The types of config values: what each takes, whichever key it is for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import core_schema

TRUE = ("yes", "true", "t", "y", "1")
FALSE = ("no", "false", "f", "n", "0")


def _whole(value: object) -> Any:
    """1e3 is a float in YAML and an iteration count to everyone else."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flag(value: object) -> Any:
    """The words that the toolbox's command line takes for a boolean."""
    if isinstance(value, (str, int)):
        word = str(value).lower()
        return True if word in TRUE else False if word in FALSE else value
    return value


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, AfterValidator(_printable)]


@dataclass(frozen=True)
class OneOf:
    """Annotates text that must be a name in a registry, as it is when a value is checked.

    Attributes:
        names: reads the registry; called late, for it may import torch, and a plugin may add to it.
    """

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: str) -> str:
        if value not in self.names():
            raise ValueError("no such name")
        return value
