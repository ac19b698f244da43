"""What can be said of settings before torch and the toolbox are imported, which takes seconds.

The full check comes later all the same (:mod:`dnll_plugin.settings.resolve`). Here the names of
keys and algorithms are read from the toolbox's source text.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import create_model

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.settings.checks import (
    CHECKS_WITHOUT_TOOLBOX,
    apply_checks,
    check_algorithm,
    check_unknown,
    validate,
)
from dnll_plugin.settings.given import read_data_facts, read_given
from dnll_plugin.settings.keys import Keys, MethodKeys, RunKeys
from dnll_plugin.settings.toolbox_keys import IGNORED, UNDECLARED, UNREAD, ToolboxKeys
from dnll_plugin.toolbox.checkout.version import find_toolbox
from dnll_plugin.toolbox.plugins import GROUP

_KEY = re.compile(r"""SSL_Argument\(\s*["']--(\w+)["']""")
_ALGORITHM = re.compile(r"""(?<!IMB_)ALGORITHMS(?:\.register\(|\[)\s*["'](\w+)["']""")


def check_early(
    config_file: Path, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> None:
    """Checks the settings of a run as far as that is possible at once.

    Args:
        config_file: as for :func:`dnll_plugin.settings.resolve.resolve`.
        overrides: the same.
        options: keys that have an option of their own; None: not given.

    Raises:
        InputError: anything about them is wrong; the message is that of ``resolve``.
    """
    _, given = read_given(config_file, overrides, options or {})
    toolbox = find_toolbox()
    if toolbox is None or "plugin" in given or entry_points(group=GROUP):
        return  # whoever adds names has to be imported first
    given |= read_data_facts(given)
    text = read_source(toolbox)
    check_algorithm(given, {*OWN_ALGORITHMS, *_ALGORITHM.findall(text)})
    check_unknown(given, known_names(text))
    read = {key: given[key] for key in given if key in EarlyKeys.model_fields}
    apply_checks(CHECKS_WITHOUT_TOOLBOX, validate(EarlyKeys, read), read)


def known_names(source: str) -> set[str]:
    """Every key that a config may hold, of which the algorithms' source declares some."""
    tables = (ToolboxKeys.model_fields, RunKeys.model_fields, MethodKeys.model_fields)
    return set(_KEY.findall(source)).union(*tables, UNREAD, IGNORED, UNDECLARED)


def read_source(toolbox: Path) -> str:
    """The source of every algorithm of the toolbox and of the plugin."""
    own = Path(__file__).parents[1] / "algorithms"
    folders = (toolbox / "algorithms", toolbox / "imb_algorithms", own)
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)


EarlyKeys: type[Keys] = create_model(
    "EarlyKeys",
    __base__=ToolboxKeys,
    **{
        name: (field.annotation, field)
        for name, field in RunKeys.model_fields.items()
        if not field.is_required()
    },  # type: ignore[call-overload]
)
"""Keys of every run whose defaults need no algorithm to be imported."""
