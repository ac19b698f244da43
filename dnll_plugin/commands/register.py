"""``python register.py``: a checkout of the toolbox gets to know the plugin, or forgets it."""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from dnll_plugin.diagnosis.facts import read_facts
from dnll_plugin.diagnosis.findings import diagnose
from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.checkout import block
from dnll_plugin.toolbox.checkout import plan as checkout
from dnll_plugin.toolbox.checkout.version import identify


def main(plugin: Path, arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        plugin: The plugin's own folder, which holds ``config/``.
        arguments: The command line; None for the process's.

    Returns:
        The exit code: 0 done, 2 the input is wrong, 1 any other failure.
    """
    options = parser().parse_args(arguments)
    try:
        folder = checkout.find_checkout(options.toolbox)
        configs = {file.name: file.read_bytes() for file in sorted(plugin.glob("config/*.yaml"))}
        if options.patches:
            write_patches(folder, plugin, options.patches)
        elif options.status:
            show_status(folder, configs)
        elif options.remove:
            remove(folder, configs)
        else:
            register(folder, configs, plugin)
    except (InputError, OSError) as error:
        print(f"register.py: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    described = argparse.ArgumentParser(
        prog="register.py", description="Make a checkout of the toolbox know dnll_plugin."
    )
    described.add_argument(
        "--toolbox", metavar="DIR", type=Path, default=Path(), help="the checkout (default: here)"
    )
    action = described.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="say what is in place and what fails")
    action.add_argument("--remove", action="store_true", help="restore every byte")
    action.add_argument(
        "--patches",
        metavar="DIR",
        type=Path,
        help="write a patch series for the toolbox's maintainers, made from the checkout's history",
    )
    return described


def register(folder: Path, configs: dict[str, bytes], plugin: Path) -> None:
    """Registers the plugin, and says what it did and what the user should know."""
    plan = checkout.plan_registering(folder, configs)
    checkout.carry_out(plan)
    for path in plan.edits:
        print(f"wrote    {os.path.relpath(path, folder)}")
    if not plan.edits:
        print("registered already: nothing to do")
    show("note", plan.notes)
    if not is_installed(folder):
        install = f"{sys.executable} -m pip install -e {plugin}"
        show("note", [f"dnll_plugin is not installed for this Python: {install}"])


def remove(folder: Path, configs: dict[str, bytes]) -> None:
    """Takes the plugin out, and says what it did and what stays."""
    plan = checkout.plan_removing(folder, configs)
    checkout.carry_out(plan)
    for path, content in plan.edits.items():
        done = "removed" if content is None else "restored"
        print(f"{done:<8} {os.path.relpath(path, folder)}")
    if not plan.edits:
        print("not registered: nothing to do")
    show("note", plan.notes)


def write_patches(folder: Path, plugin: Path, destination: Path) -> None:
    """Writes the patch series."""
    from dnll_plugin.upstream.writer import write_series

    show("wrote", write_series(folder, plugin, destination))


def show_status(folder: Path, configs: dict[str, bytes]) -> None:
    """Says what is in place, which toolbox this is, and what would not work."""
    recorded = block.recorded_configs((folder / block.FILE).read_bytes())
    registered = checkout.is_registered(folder)
    show("checkout", [folder])
    show("toolbox", [identify(folder / "semilearn")])
    show("plugin", [f"registered, {len(recorded)} configs" if registered else "not registered"])
    if registered:
        plan = checkout.plan_registering(folder, configs)
        old = ", ".join(os.path.relpath(path, folder) for path in plan.edits)
        show("note", [f"missing or old, so register again: {old}"] if old else [])
        show("note", plan.notes)
    show("problem", problems(folder) or ["none"])


def problems(folder: Path) -> list[str]:
    """What would not work in a checkout, a line each."""
    found = [] if is_installed(folder) else ["dnll_plugin is not installed for this Python"]
    sys.path.insert(0, str(folder))  # as for the toolbox's train.py, which is started there
    facts = read_facts()
    found += [finding.text for finding in diagnose(facts) if finding.broken]
    if facts.torch and not facts.torch.gpus:
        found.append("no CUDA device: train.py cannot run here, use dnll train --c FILE")
    return found


def is_installed(folder: Path) -> bool:
    """Whether a program that is started in the checkout finds the plugin."""
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('dnll_plugin') is None)"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, check=False).returncode == 0


def show(kind: str, lines: Iterable[object]) -> None:
    """Prints lines of a kind."""
    for line in lines:
        print(f"{kind:<8} {line}")
