"""The marked block that makes a checkout of the toolbox import the plugin: text in, text out.

The block goes into ``semilearn/__init__.py``, which every process that uses the toolbox runs first:
``train.py``, ``eval.py``, a spawned rank, a loader's worker.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from dnll_plugin.errors import InputError

FILE = "semilearn/__init__.py"
BEGIN, END = b"# >>> dnll_plugin >>>", b"# <<< dnll_plugin <<<"
_TEMPLATE = """\
# >>> dnll_plugin >>>
# Makes this checkout know dnll_plugin. To undo: python register.py --toolbox DIR --remove
# configs:{configs}
try:
    import dnll_plugin
except ModuleNotFoundError as error:
    if error.name != "dnll_plugin":
        raise
    import sys
    print("dnll_plugin is registered here but not installed: pip install it", file=sys.stderr)
# <<< dnll_plugin <<<
"""
# Before the toolbox's first import, so that whatever __init__ takes out of the toolbox's modules
# is what the plugin put there.
_PLACE = re.compile(rb"^from \.core\.utils import .*?(\r?\n)", re.MULTILINE)
_BLOCK = re.compile(re.escape(BEGIN) + rb".*?" + re.escape(END) + rb"\r?\n", re.DOTALL)


class Parts(NamedTuple):
    """The content of the file around the block; ``block`` is empty where there is none."""

    before: bytes
    block: bytes
    after: bytes


def split(content: bytes) -> Parts:
    """Finds the block in the content of ``semilearn/__init__.py``.

    Raises:
        InputError: If its marks are not those of one whole block.
    """
    blocks = _BLOCK.findall(content)
    if len(blocks) > 1 or not len(blocks) == content.count(BEGIN) == content.count(END):
        raise InputError(
            f"{FILE}: the lines between the marks of dnll_plugin are damaged; take them out by hand"
        )
    if not blocks:
        return Parts(content, b"", b"")
    before, _, after = content.partition(blocks[0])
    return Parts(before, blocks[0], after)


def without_block(content: bytes) -> bytes:
    """The content as it was before the plugin was registered."""
    return _BLOCK.sub(b"", content)


def with_block(content: bytes, configs: Mapping[str, str]) -> bytes:
    """The content with the block, in the file's own line endings.

    Args:
        content: Of ``semilearn/__init__.py``, with an older block or without.
        configs: Digests of the config files that the plugin put into the checkout, by name.

    Raises:
        InputError: If there is no place for it.
    """
    content = without_block(content)
    places = list(_PLACE.finditer(content))
    if len(places) != 1:
        raise InputError(
            f"{FILE}: the plugin's block goes before the line 'from .core.utils import ...', which "
            f"is there {len(places)} times; restore the file (git checkout -- {FILE})"
        )
    names = "".join(f" {name}={digest}" for name, digest in configs.items())
    block = _TEMPLATE.format(configs=names).encode().replace(b"\n", places[0][1])
    return content[: places[0].start()] + block + content[places[0].start() :]


def recorded_configs(content: bytes) -> dict[str, str]:
    """Digests of the config files that the plugin put into the checkout, by name."""
    line = re.search(rb"^# configs:(.*?)\r?$", split(content).block, re.MULTILINE)
    pairs = line[1].decode().split() if line else []
    return {name: digest for name, _, digest in (pair.rpartition("=") for pair in pairs)}
