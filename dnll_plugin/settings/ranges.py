"""What a key takes and has, in words: for messages and for the tables of the documentation."""

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dnll_plugin.settings.values import OneOf


def join_names(choices: Sequence[str]) -> str:
    """Names in a sentence: ``a, b or c``."""
    return " or ".join(part for part in (", ".join(choices[:-1]), choices[-1]) if part)


def choices_of(field: FieldInfo) -> list[str]:
    """The names that a key takes; empty where it takes anything else."""
    kind, metadata = _parts(field)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    registry = next((part for part in metadata if isinstance(part, OneOf)), None)
    return [] if registry is None else list(registry.names())


def range_in_words(field: FieldInfo) -> str:
    """What a key takes, as the second half of "must be …"."""
    kind, metadata = _parts(field)
    choices = choices_of(field)
    if choices:
        return join_names(choices)
    name = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
    bounds = {
        name: format_value(getattr(bound, name))
        for bound in metadata
        for name in ("ge", "gt", "le", "lt", "min_length")
        if hasattr(bound, name)
    }
    return " ".join([name, _bounds_in_words(bounds)]).strip()


def _bounds_in_words(bounds: dict[str, str]) -> str:
    if bounds.keys() >= {"ge", "le"}:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    parts = [f"{word} {bounds[name]}" for name, word in words.items() if name in bounds]
    return "that is not empty" if "min_length" in bounds else " and ".join(parts)


def format_value(value: object) -> str:
    """A default or a bound as one writes it in a config."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _parts(field: FieldInfo) -> tuple[Any, list[Any]]:
    """The type of a key beside None, and what is demanded of its values."""
    kind = _without_none(field.annotation)
    if get_origin(kind) is Annotated:
        kind, *nested = get_args(kind)
        return kind, [*field.metadata, *nested]
    return kind, list(field.metadata)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not types.NoneType)
    return annotation
