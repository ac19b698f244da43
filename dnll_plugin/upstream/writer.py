"""Writes the series of patches: each committed in a temporary clone, which git then formats."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.checkout.version import NEWEST
from dnll_plugin.upstream.series import SERIES

_ANYBODY = {"name": "dnll_plugin", "email": "dnll_plugin@example.invalid"}
# Whatever the user has set up for commits of their own must not change these.
_PLAIN = (
    "-c",
    "commit.gpgsign=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.autocrlf=false",
)


def write_series(checkout: Path, plugin: Path, destination: Path, base: str = NEWEST) -> list[Path]:
    """Writes the patches, one file each, ready for ``git am``.

    Args:
        checkout: A git checkout of the toolbox whose history has the commit ``base``; it is only
            read, whatever state its files are in.
        plugin: The plugin's folder, from which the algorithms upstream are generated.
        destination: Folder for the patches, made if needed.
        base: The commit that they are against.

    Returns:
        The files, in order.

    Raises:
        InputError: If the checkout's history lacks the commit.
    """
    author = {key: git(checkout, "config", f"user.{key}", check=False) for key in _ANYBODY}
    with TemporaryDirectory() as temporary:
        clone, patches = Path(temporary, "toolbox"), Path(temporary, "patches")
        try:
            git(checkout, "cat-file", "-e", f"{base}^{{commit}}")
        except InputError as error:
            raise InputError(
                f"{checkout}: the patches are made against commit {base}, which its git history "
                "lacks; name a full clone of the toolbox with --toolbox DIR"
            ) from error
        git(checkout, "clone", "--quiet", "--shared", "--no-checkout", str(checkout), str(clone))
        git(clone, "checkout", "--quiet", "--detach", base)
        for key, anybody in _ANYBODY.items():
            git(clone, "config", f"user.{key}", author[key] or anybody)
        for patch in SERIES:
            patch.apply(clone, plugin)
            git(clone, "add", "--all")
            git(clone, "commit", "--quiet", "--cleanup=verbatim", "--message", patch.message)
        git(clone, "format-patch", "--quiet", "--no-signature", "-o", str(patches), base)
        destination.mkdir(parents=True, exist_ok=True)
        written = []
        for patch_file in sorted(patches.iterdir()):
            written.append(destination / patch_file.name)
            written[-1].write_bytes(patch_file.read_bytes())
    return written


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """Runs git in a folder and returns what it prints.

    Raises:
        InputError: If git is not there, or fails and ``check`` is set.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *_PLAIN, *arguments],
            cwd=folder,
            env=plain,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise InputError("git is not installed: the patches need it") from error
    if check and done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise InputError(f"git {arguments[0]} failed in {folder}: {reason}")
    return done.stdout.strip()
