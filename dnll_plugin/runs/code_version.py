"""Which code a run was made with: the version, a digest of the sources, and the commit."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

import dnll_plugin
from dnll_plugin.files import write_text

PACKAGE = Path(dnll_plugin.__file__).parent


@cache
def describe_code() -> str:
    """The code of this process in one line: ``0.1.0 (sources 1a2b3c4d5e6f, commit 0123456789ab)``.

    The digest is of the package's Python files, the same for an installed copy and a checkout. The
    commit stands there where the package is a part of a git checkout, with ``and changes`` where
    its files differ from it.
    """
    parts = [f"sources {digest_sources(PACKAGE)}"]
    commit = find_commit(PACKAGE)
    if commit is not None:
        parts.append(f"commit {commit}")
    return f"{dnll_plugin.__version__} ({', '.join(parts)})"


def digest_sources(folder: Path) -> str:
    """A digest of the names and contents of a folder's Python files."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def find_commit(folder: Path) -> str | None:
    """The commit of a folder that git tracks, None for any other."""
    # a package that was installed into some other project's checkout is not tracked there
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if commit is None:
        return None
    return f"{commit} and changes" if _git(folder, "status", "--porcelain", ".") else commit


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def note_code(file: Path) -> list[str]:
    """Adds this process's code to those that a run was made with, if it is another one.

    Args:
        file: one line a code, in the order in which they worked on the run. What of it is damaged
            stays: the run does not need it.

    Returns:
        All of them.
    """
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    known = text.splitlines()
    if not known or known[-1] != describe_code():
        known.append(describe_code())
        write_text(file, "".join(f"{line}\n" for line in known))
    return known
