"""Which toolbox is this? Told by the content of its files, without importing it.

Both versions in use call themselves 0.3.2 and neither has a ``__version__``: the PyPI wheel, whose
files are those of commit a8ec1d7, and the newest commit of the repository, 1ef4cbe.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.toolbox.checkout.block import without_block

WHEEL = "a8ec1d7"
NEWEST = "1ef4cbe"

# Lines that only one of the two has, in files that a user hardly edits. Several for each, so that
# a copy in between (another commit, a half-finished merge) is not taken for either.
_MARKS = {
    WHEEL: (
        ("algorithms/freematch/utils.py", b"class FreeMatchThresholdingHook"),
        ("core/algorithmbase.py", b"aim_run_hash"),
        ("core/hooks/timer.py", b"train/prefetch_time"),
    ),
    NEWEST: (
        ("algorithms/multimatch/multimatch.py", b"class MultiMatch"),
        ("core/algorithmbase.py", b"def get_logits"),
        ("core/hooks/timer.py", b"train/prefecth_time"),
    ),
}
# sha256 of all Python files, by `_digest`.
_DIGESTS = {
    WHEEL: "1e22d0828a6ef4c54a43f2d464c88e2451d28743d162627dca356ab9fea1af59",
    NEWEST: "7aba55a5c7b865bed1cbddf4946d106f50e5c429d058a913d28a9c7123e7adb4",
}
_NAMES = {
    WHEEL: "semilearn 0.3.2 (the PyPI wheel, commit a8ec1d7)",
    NEWEST: "semilearn, newest commit (1ef4cbe)",
    None: "semilearn of an unknown version",
}


@dataclass(frozen=True)
class ToolboxVersion:
    """What the toolbox's files say.

    Attributes:
        commit: `WHEEL`, `NEWEST`, or None for a toolbox that is neither.
        modified: whether a Python file was changed, added or removed since that commit.
    """

    commit: str | None
    modified: bool

    def __str__(self) -> str:
        changed = self.modified and self.commit is not None
        return _NAMES[self.commit] + (", with changed files" if changed else "")


def find_toolbox() -> Path | None:
    """The folder of the toolbox that ``import semilearn`` would take, which is not imported here.

    Returns:
        The folder that holds ``semilearn/__init__.py``; None where there is no toolbox.
    """
    try:
        spec = importlib.util.find_spec("semilearn")
    except ValueError:  # a module somebody put into sys.modules by hand has no spec
        return None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def identify(folder: Path) -> ToolboxVersion:
    """Tells the toolbox's version by the content of its files.

    Line endings do not matter, nor does the block that registers the plugin in a checkout.

    Args:
        folder: the package's folder (``<checkout>/semilearn`` or the one in ``site-packages``).

    Returns:
        The version; with ``commit=None`` when the files are those of neither.
    """
    fitting = [
        commit
        for commit, marks in _MARKS.items()
        if all(_holds(folder / file, line) for file, line in marks)
    ]
    if len(fitting) != 1:
        return ToolboxVersion(commit=None, modified=True)
    return ToolboxVersion(commit=fitting[0], modified=_digest(folder) != _DIGESTS[fitting[0]])


def _holds(file: Path, line: bytes) -> bool:
    return file.is_file() and line in file.read_bytes()


def _digest(folder: Path) -> str:
    """One number for the names and the content of all Python files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
        content = without_block(file.read_bytes()).replace(b"\r\n", b"\n")
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
