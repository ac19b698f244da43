"""The plugin's modules as modules of the toolbox: the same code under other import lines."""

import re
from pathlib import Path

HEADER = """\
# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""
_SHARED = "semilearn.algorithms.dnll_utils"
MODULES = {
    "dnll_plugin.algorithms.dual": "semilearn.algorithms.dnll_dual.dnll_dual",
    "dnll_plugin.algorithms.meanteacher": "semilearn.algorithms.dnll_meanteacher.dnll_meanteacher",
    "dnll_plugin.algorithms.base": f"{_SHARED}.base",
    "dnll_plugin.hooks.across_ranks": f"{_SHARED}.across_ranks",
    "dnll_plugin.augment.host": f"{_SHARED}.host",
    "dnll_plugin.protocols": f"{_SHARED}.protocols",
    "dnll_plugin.hooks.monitor": f"{_SHARED}.monitor",
    "dnll_plugin.hooks.negative_label": f"{_SHARED}.negative_label",
    "dnll_plugin.hooks.role_swap": f"{_SHARED}.role_swap",
    "dnll_plugin.functional.losses": f"{_SHARED}.losses",
    "dnll_plugin.functional.negatives": f"{_SHARED}.negatives",
    "dnll_plugin.functional.prediction": f"{_SHARED}.prediction",
    "dnll_plugin.functional.schedules": f"{_SHARED}.schedules",
    "dnll_plugin.nets.pair": "semilearn.nets.pair",
}
"""Where the modules of the algorithms go."""

TIMM_MODULES = {
    f"dnll_plugin.nets.{name}": f"semilearn.nets.timm_nets.{name}"
    for name in ("small_images", "timm_net", "weights")
}
"""Where the modules of the timm nets go."""


def upstream_files(plugin: Path, modules: dict[str, str]) -> dict[str, str]:
    """Content of the toolbox's new modules by path.

    Args:
        plugin: The plugin's folder.
        modules: Names of the plugin's modules and of those that they become.

    Raises:
        ValueError: If a module needs one of the plugin's that is not among them.
    """
    files = {}
    for ours, theirs in modules.items():
        source = (plugin / (ours.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        files[theirs.replace(".", "/") + ".py"] = HEADER + rewrite(source, modules)
    return files


def rewrite(source: str, modules: dict[str, str]) -> str:
    """A module's code with the toolbox's import lines, for Python 3.9 as the toolbox supports it.

    The plugin's InputError, which its command line turns into a line for the user, becomes the
    ValueError that it is, and a net builder's type is written out where its module stays here.

    Raises:
        ValueError: If the module needs one of the plugin's that is not in ``modules``.
    """
    source = re.sub(r"^from dnll_plugin\.errors import InputError\n", "", source, flags=re.M)
    source = re.sub(r"\bInputError\b", "ValueError", source)
    if "dnll_plugin.nets.pair" not in modules:
        line = r"^from dnll_plugin\.nets\.pair import NetBuilder\n"
        source = re.sub(line, "", source, flags=re.M)
        source = re.sub(r"\bNetBuilder\b", "Callable[..., nn.Module]", source)
    for ours in sorted(modules, key=len, reverse=True):
        source = re.sub(rf"\b{re.escape(ours)}\b", modules[ours], source)
    if "dnll_plugin" in source:
        line = next(line for line in source.splitlines() if "dnll_plugin" in line)
        raise ValueError(f"the toolbox does not have what this line needs: {line.strip()}")
    return _for_python_39(source)


def _for_python_39(source: str) -> str:
    source = source.replace(", strict=True)", ")")
    source = re.sub(r"isinstance\((\w+), (\w+) \| ([\w.]+)\)", r"isinstance(\1, (\2, \3))", source)
    future = "from __future__ import annotations\n\n"
    if future not in source:
        docstring = re.match(r'""".*?"""\n\n', source, re.DOTALL)
        end = docstring.end() if docstring else 0
        source = source[:end] + future + source[end:]
    return source
