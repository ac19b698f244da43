"""``dnll doctor``: what is installed, what does not work together, and the command that mends it.

Versions are read from the packages' metadata. What only an import can tell is asked in child
processes, so that a package that raises, crashes or hangs is reported and takes nobody along.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from dnll_plugin.diagnosis.findings import PACKAGES, Facts, Finding, TorchFacts, diagnose
from dnll_plugin.toolbox.checkout.version import find_toolbox, identify

# The first import of torch from a cold disk can take a minute.
IMPORT_SECONDS = 180


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``dnll doctor`` takes no options."""


def run(options: argparse.Namespace) -> int:
    """Prints the report.

    Args:
        options: not used.

    Returns:
        1 when something is broken, else 0.
    """
    facts = read_facts()
    findings = diagnose(facts)
    show(facts, findings)
    return int(any(finding.broken for finding in findings))


# Reading the facts


def read_facts() -> Facts:
    """Reads what is installed here; imports torch and the toolbox, each in a process of its own."""
    toolbox = find_toolbox()
    with ThreadPoolExecutor() as pool:
        torch = pool.submit(ask, "torch")
        imported = pool.submit(ask, "toolbox") if toolbox else None
        about_torch, torch_error = torch.result()
        _, toolbox_error = imported.result() if imported else (None, None)
    return Facts(
        python=_shortest(Path(sys.executable)),
        versions={package.name: _version(package.name) for package in PACKAGES},
        torchvision_needs=_torch_that_torchvision_needs(),
        torch=TorchFacts(**about_torch) if about_torch else None,
        torch_error=torch_error,
        toolbox=toolbox,
        toolbox_version=identify(toolbox) if toolbox else None,
        toolbox_error=toolbox_error,
        cores=_cores(),
    )


def ask(question: str, seconds: float = IMPORT_SECONDS) -> tuple[dict[str, Any] | None, str | None]:
    """Has a child process answer one of `ANSWERS`, with the modules that this process would find.

    Args:
        question: a key of `ANSWERS`.
        seconds: how long to wait.

    Returns:
        The answer and None, or None and the cause of the failure in one line.
    """
    code = f"from dnll_plugin.commands import doctor; doctor.answer({question!r})"
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],  # -P: the working directory is no place for modules
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {seconds:g} seconds"
    try:
        reply = json.loads(done.stdout.splitlines()[-1])  # an import may print lines of its own
        return reply["answer"], reply["error"]
    except (IndexError, ValueError, KeyError, TypeError):
        if done.returncode < 0:
            return None, f"the process was killed by {signal.Signals(-done.returncode).name}"
        return None, f"the process ended without an answer (exit code {done.returncode})"


def answer(question: str) -> None:
    """Runs in the child process: prints one line of JSON, the answer or why there is none."""
    reply: dict[str, Any] = {"answer": None, "error": None}
    try:
        reply["answer"] = ANSWERS[question]()
    except BaseException as error:  # a package may even raise SystemExit while it is imported
        reply["error"] = " ".join(f"{type(error).__name__}: {error}".split())
    print("\n" + json.dumps(reply), flush=True)


def _about_torch() -> dict[str, Any]:
    import torch

    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "cuda": torch.version.cuda,
        "gpus": [(device.name, device.total_memory) for device in devices],
        "mps": torch.backends.mps.is_available(),
    }


def _import_toolbox() -> dict[str, Any]:
    """As every command of the plugin does: with what it mends, since `answer` imported it."""
    import_module("semilearn")
    return {}


ANSWERS = {"torch": _about_torch, "toolbox": _import_toolbox}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _torch_that_torchvision_needs() -> str:
    """``==2.11.0``, from torchvision's metadata; empty when it says nothing."""
    try:
        declared = metadata.requires("torchvision") or []
    except metadata.PackageNotFoundError:
        return ""
    found = (re.match(r"torch\s*\(?([=<>~!]+[^\s;),]+)", line) for line in declared)
    return next((match[1] for match in found if match), "")


def _cores() -> int:
    """macOS cannot bind a process to some cores, so there it is all of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _shortest(path: Path) -> str:
    """A path as one would type it here: relative to the working directory when it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


# Showing what was found


def show(facts: Facts, findings: Sequence[Finding]) -> None:
    """Prints the packages, the machine, the toolbox and the findings."""
    show_table(package_rows(facts, findings))
    print()
    for name, text in summary(facts):
        print(f"{name:<8} {text}")
    for finding in findings:
        print(f"\n{'broken' if finding.broken else 'note':<8} {finding.text}")
        if finding.mend:
            print(f"{'':<8} mend: {finding.mend}")
    broken = sum(finding.broken for finding in findings)
    told = {0: "nothing is broken", 1: "1 thing is broken"}
    print(f"\n{told.get(broken, f'{broken} things are broken')}")


def package_rows(facts: Facts, findings: Sequence[Finding]) -> list[tuple[str, str, str, str]]:
    """The table of packages: name, version, who needs it, state."""
    rows = [("package", "version", "needed by", "state")]
    for name, needed_by, _ in PACKAGES:
        version = facts.versions[name]
        about = [finding.broken for finding in findings if name in finding.packages]
        state = "broken" if any(about) else "note" if about else "ok"
        rows.append((name, version or "-", needed_by, state if version else "missing"))
    return rows


def summary(facts: Facts) -> list[tuple[str, str]]:
    """The lines below the table: interpreter, devices, toolbox."""
    version = facts.toolbox_version
    toolbox = f"{version}, in {_shortest(facts.toolbox)}" if facts.toolbox else "not installed"
    return [
        ("python", f"{sys.version.split()[0]}, {facts.python}"),
        *(("device", device) for device in devices(facts)),
        ("toolbox", toolbox),
    ]


def devices(facts: Facts) -> list[str]:
    """What a run can compute on, the first choice first."""
    torch = facts.torch or TorchFacts()
    found = [
        f"cuda:{index}, {name}, {memory / 2**30:.1f} GiB"
        for index, (name, memory) in enumerate(torch.gpus)
    ]
    if torch.mps:
        found.append("mps, Apple GPU")
    unused = torch.cuda and not torch.gpus
    cpu = f"cpu, {facts.cores} {'core' if facts.cores == 1 else 'cores'}"
    return [*found, cpu + (f" (torch is built for CUDA {torch.cuda}: no device)" if unused else "")]


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, aligned lines in a file or a pipe, or where rich is missing."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            pass
        else:
            styles = {"ok": "", "note": "yellow"}
            table = Table(*rows[0])
            for row in rows[1:]:
                table.add_row(*row, style=styles.get(row[-1], "bold red"))
            Console().print(table)
            return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
