"""Registers the plugin in a checkout of the toolbox, and takes it out again, byte for byte.

What to do is worked out first, as the wanted content of each file; then it is done whole or not at
all. The block in ``semilearn/__init__.py`` is written last and taken out first: only a checkout
with the block knows the plugin, and then it has the configs too.
"""

import hashlib
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.checkout import block

Contents = dict[Path, bytes | None]
"""Content of files, None for a file that is not there."""


@dataclass
class Plan:
    """What to do to a checkout.

    Attributes:
        edits: The wanted content of each file that is to change, in this order.
        notes: What the user should know, a line each.
    """

    edits: Contents = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_checkout(folder: Path) -> Path:
    """The checkout's own folder, links resolved.

    Raises:
        InputError: If it is not a checkout of the toolbox.
    """
    missing = [name for name in (block.FILE, "train.py", "config") if not (folder / name).exists()]
    if missing:
        raise InputError(
            f"{folder}: not a checkout of the toolbox, it has no {missing[0]}; name one with "
            "--toolbox DIR"
        )
    return folder.resolve()


def is_registered(checkout: Path) -> bool:
    """Whether the plugin's block is in place."""
    return bool(block.split((checkout / block.FILE).read_bytes()).block)


def plan_registering(checkout: Path, configs: Mapping[str, bytes]) -> Plan:
    """Works out how to register the plugin; nothing to edit if it is registered already.

    Args:
        checkout: The checkout's folder.
        configs: Content of the plugin's config files by name.

    Raises:
        InputError: If the block has no place.
    """
    plan = Plan()
    init = (checkout / block.FILE).resolve()
    content = init.read_bytes()
    recorded = block.recorded_configs(content)
    ours = {}
    for name, wanted in configs.items():
        path = checkout / "config" / name
        present = read(path)
        if present is not None and present != wanted and digest(present) != recorded.get(name):
            plan.notes.append(f"config/{name} differs from the plugin's and was left as it is")
            if name in recorded:
                ours[name] = recorded[name]
            continue
        ours[name] = digest(wanted)
        if present != wanted:
            plan.edits[path] = wanted
    for name in recorded.keys() - configs.keys():  # of an older version of the plugin
        path = checkout / "config" / name
        if digest(read(path) or b"") == recorded[name]:
            plan.edits[path] = None
    with_block = block.with_block(content, ours)
    if with_block != content:
        plan.edits[init] = with_block
    return plan


def plan_removing(checkout: Path, configs: Mapping[str, bytes]) -> Plan:
    """Works out how to take the plugin out; nothing to edit if it is not in.

    Args:
        checkout: The checkout's folder.
        configs: Content of the plugin's config files by name; copies of them go too where the
            block does not record them, since an earlier call may have been killed half-way.

    Raises:
        InputError: If the block is damaged.
    """
    plan = Plan()
    init = (checkout / block.FILE).resolve()
    content = init.read_bytes()
    before, present, after = block.split(content)
    if present:
        plan.edits[init] = before + after
    recorded = block.recorded_configs(content)
    paths = {name: checkout / "config" / name for name in recorded | dict.fromkeys(configs, "")}
    for path in map(temporary, (init, *paths.values())):
        if path.exists():
            plan.edits[path] = None
    for name, path in paths.items():
        theirs = read(path)
        if theirs is None:
            continue
        if digest(theirs) == recorded.get(name) or theirs == configs.get(name):
            plan.edits[path] = None
        elif name in recorded:
            plan.notes.append(f"config/{name} was changed by you and stays")
    return plan


def carry_out(plan: Plan) -> None:
    """Makes the edits of a plan, all or none; signals wait until it is done.

    Raises:
        InputError: If a file may not be written; then none is.
        OSError: If writing failed; what was written is put back.
    """
    for path in plan.edits:
        for target in (path, path.parent):
            if target.exists() and not os.access(target, os.W_OK):
                raise InputError(f"{target}: is read-only; make it writable (chmod u+w)")
    before = {path: read(path) for path in plan.edits}
    with _signals_wait():
        try:
            for path, content in plan.edits.items():
                write(path, content)
        except BaseException:
            for path, content in reversed(before.items()):
                write(path, content)
            raise


def read(path: Path) -> bytes | None:
    """Content of a file, None if it is not there."""
    return path.read_bytes() if path.is_file() else None


def write(path: Path, content: bytes | None) -> None:
    """Writes or deletes a file so that at any moment it is the old one or the new one, whole."""
    if content is None:
        path.unlink(missing_ok=True)
    elif content != read(path):
        try:
            temporary(path).write_bytes(content)
            if path.exists():
                shutil.copymode(path, temporary(path))
            os.replace(temporary(path), path)
        except BaseException:
            temporary(path).unlink(missing_ok=True)
            raise


def temporary(path: Path) -> Path:
    """Where the new content of a file is written before it takes the file's place."""
    return path.with_name(f".{path.name}.dnll_plugin")


def digest(content: bytes) -> str:
    """A short name of a content."""
    return hashlib.sha256(content).hexdigest()[:12]


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Holds back the signals that end a program, so that it ends before or after, not between."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
