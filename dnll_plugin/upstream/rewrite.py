"""The plugin's modules as modules of the toolbox: the same code under other import lines."""

import re
from collections.abc import Mapping
from pathlib import Path

HEADER = """\
# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""
TIMM_MODULES = {
    f"dnll_plugin.nets.{name}": f"semilearn.nets.from_timm.{name}"
    for name in ("small_images", "timm_net", "weights")
}
"""Where the modules of the timm nets go."""


def upstream_files(plugin: Path, modules: Mapping[str, str]) -> dict[str, str]:
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


def rewrite(source: str, modules: Mapping[str, str]) -> str:
    """A module's code with the toolbox's import lines, for Python 3.9 as the toolbox supports it.

    The plugin's InputError, which its command line turns into a line for the user, becomes the
    ValueError that it is, a net builder's type is written out where its module stays here, and the
    toolbox goes by its name.

    Raises:
        ValueError: If the module needs one of the plugin's that is not in ``modules``.
    """
    source = re.sub(r"^from dnll_plugin\.errors import InputError\n", "", source, flags=re.M)
    source = re.sub(r"\bInputError\b", "ValueError", source)
    source = re.sub(r"^from dnll_plugin\.nets\.pair import NetBuilder\n", "", source, flags=re.M)
    source = re.sub(r"\bNetBuilder\b", "Callable[..., nn.Module]", source)
    source = re.sub(r"\b[Tt]he toolbox\b", "USB", source)
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
