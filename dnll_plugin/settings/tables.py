"""Writes the tables of keys in the docs: ``python -m dnll_plugin.settings.tables [FILE]``.

What stands between ``<!-- keys: GROUP -->`` and ``<!-- end of keys -->`` is replaced by the rows of
:mod:`dnll_plugin.settings.keys`, with the defaults that the algorithms' ``get_argument`` give.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from dnll_plugin.errors import InputError
from dnll_plugin.settings.keys import MethodKeys, RunKeys
from dnll_plugin.settings.ranges import format_value, range_in_words
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, collect_keys, own_arguments

PAGE = Path("docs/keys.md")
PACKAGE = "dnll_plugin."
FAMILY = "dnll_<algorithm>"
"""How the algorithms made from one of the toolbox's are called together: they are alike."""

_PART = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end of keys -->)", re.DOTALL)


def run_table() -> str:
    """The Markdown table of the keys that every algorithm has under ``dnll train``."""
    fields = collect_keys("fixmatch").model_fields
    rows = [
        [f"`{name}`", format_value(fields[name].default), range_in_words(field), _meaning(field)]
        for name, field in RunKeys.model_fields.items()
    ]
    return _table(["key", "default", "range", "meaning"], rows)


def method_table() -> str:
    """The Markdown table of the keys of our algorithms, with the algorithms that have each."""
    own = collect_own_defaults()
    rows = []
    for name, field in MethodKeys.model_fields.items():
        defaults = {algorithm: keys[name] for algorithm, keys in own.items() if name in keys}
        algorithms = ", ".join(f"`{algorithm}`" for algorithm in defaults)
        range_ = range_in_words(field)
        rows.append([f"`{name}`", format_defaults(defaults), range_, _meaning(field), algorithms])
    return _table(["key", "default", "range", "meaning", "algorithms"], rows)


def collect_own_defaults() -> dict[str, dict[str, Any]]:
    """By our algorithm, or :data:`FAMILY`, the defaults of its own keys."""
    from semilearn.algorithms import name2alg

    found: dict[str, dict[str, Any]] = {}
    for name in algorithm_arguments():
        kind = name2alg[name]
        if kind.__module__.startswith(PACKAGE):
            arguments = own_arguments(kind)
            label = FAMILY if hasattr(kind, "base_name") else name
            found[label] = {key: argument.default for key, argument in arguments.items()}
    return found


def format_defaults(defaults: Mapping[str, Any]) -> str:
    """The default of a key: that of the first algorithm, and those of others where they differ."""
    written = {algorithm: format_value(value) for algorithm, value in defaults.items()}
    first = next(iter(written.values()))
    others = [f"`{name}`: {value}" for name, value in written.items() if value != first]
    return "; ".join([first, *others])


TABLES = {"run": run_table, "method": method_table}


def fill_page(text: str) -> str:
    """The text of a page with its tables as they are now.

    Raises:
        InputError: it has no place for one of them.
    """
    found = {match[2] for match in _PART.finditer(text)}
    for missing in TABLES.keys() - found:
        raise InputError(f"there is no <!-- keys: {missing} --> with <!-- end of keys --> behind")
    return _PART.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)


def main(arguments: Sequence[str]) -> int:
    """Fills the page that the command line names, or :data:`PAGE`; returns the exit code."""
    page = Path(arguments[0]) if arguments else PAGE
    try:
        page.write_text(fill_page(page.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, InputError) as error:
        print(f"error: {page}: {error}", file=sys.stderr)
        return 2
    return 0


def _meaning(field: FieldInfo) -> str:
    return field.description or ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
