"""What is compared: algorithms, and the same algorithm with other settings.

``--variant NAME:key=value,key=value`` is one line of the report. Values with ``|`` between them
make a grid: a line for each combination.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from dnll_plugin.errors import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")

BEFORE_A_KEY = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)")
"""A comma that begins a setting, and not one inside a value."""

FORM = (
    "write NAME:key=value,key=value, as in sharp:algorithm=dnll_fixmatch,negative_weight=2; NAME "
    "is of letters, digits and any of _ . + -"
)


@dataclass(frozen=True)
class Variant:
    """An algorithm with its settings.

    Attributes:
        name: as in the report; of a plain algorithm its own name.
        overrides: ``key=value`` each; they beat ``--set``.
    """

    name: str
    algorithm: str
    overrides: tuple[str, ...] = ()

    @property
    def folder_name(self) -> str:
        """The name without what is awkward in the name of a folder."""
        return re.sub(r"[^\w.=+,-]+", "-", self.name).strip("-")


def list_variants(algorithms: Sequence[str], written: Sequence[str]) -> tuple[Variant, ...]:
    """The lines of the report.

    Args:
        algorithms: names of plain algorithms.
        written: values of ``--variant``.

    Raises:
        InputError: one cannot be read, or two have the same name.
    """
    variants = [Variant(name, name) for name in algorithms]
    for text in written:
        variants += read_variant(text)
    names = [variant.folder_name for variant in variants]
    for variant, name in zip(variants, names, strict=True):
        if names.count(name) > 1:
            option = "--variant" if variant.overrides else "--algorithms"
            raise InputError(f"{option}: {variant.name} stands there twice; write it once")
    return tuple(variants)


def read_variant(text: str) -> list[Variant]:
    """Reads ``NAME:key=value,…``: one variant, or one for each combination of a grid.

    With ``algorithm=…`` among the settings NAME is free, and a grid adds its own values to it.
    Without, NAME is the algorithm, and the variant's name shows all of its settings.

    Raises:
        InputError: it has another form.
    """
    name, separator, rest = text.partition(":")
    name = name.strip()
    settings = dict[str, list[str]]()
    for part in BEFORE_A_KEY.split(rest):
        key, equals, values = (piece.strip() for piece in part.partition("="))
        if not (separator and NAME.fullmatch(name) and key and equals and values):
            raise InputError(f"--variant {text!r}: {FORM}")
        if key in settings:
            raise InputError(f"--variant {text!r}: {key} stands there twice; write it once")
        settings[key] = [value.strip() for value in values.split("|")]
    names_algorithm = "algorithm" in settings
    algorithms = settings.pop("algorithm", [name])
    if len(algorithms) > 1:
        raise InputError(f"--variant {text!r}: one algorithm a variant; repeat --variant")
    varied = [key for key in settings if len(settings[key]) > 1 or not names_algorithm]
    variants = []
    for values in product(*settings.values()):
        chosen = dict(zip(settings, values, strict=True))
        shown = ",".join(f"{key}={chosen[key]}" for key in varied)
        variants.append(
            Variant(
                f"{name}[{shown}]" if shown else name,
                algorithms[0],
                tuple(f"{key}={value}" for key, value in chosen.items()),
            )
        )
    return variants
