"""``dnll doctor``: what is installed, what does not work together, and how to mend it."""

import argparse
import sys
from collections.abc import Sequence

from dnll_plugin.diagnosis.facts import read_facts, shortest
from dnll_plugin.diagnosis.findings import Facts, Finding, TorchFacts, diagnose
from dnll_plugin.diagnosis.packages import PACKAGES


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
    toolbox = f"{version}, in {shortest(facts.toolbox)}" if facts.toolbox else "not installed"
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
