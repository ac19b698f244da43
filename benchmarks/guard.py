"""Compares the ratios of a ``dnll bench --json`` with those of a reference, case by case.

    python benchmarks/guard.py bench.json [--reference benchmarks/reference.json] [--tolerance 0.05]

Ratios, unlike times, can be compared between machines of a kind. Exit code 1 says that a ratio has
grown by more than the tolerance; this is for people, no part of the tests.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).with_name("reference.json")
RATIOS = ("step_over_floor", "iteration_over_step")

Row = dict[str, Any]


def key_of(row: Row) -> tuple[str, ...]:
    """What makes two rows the same case."""
    return tuple(str(row[name]) for name in ("algorithm", "net", "batch"))


def grown(rows: list[Row], reference: list[Row], tolerance: float) -> list[str]:
    """One line for each ratio that exceeds the reference's by more than ``tolerance``."""
    before = {key_of(row): row for row in reference}
    return [
        f"{', '.join(key_of(row))}: {ratio} {before[key_of(row)][ratio]} -> {row[ratio]}"
        for row in rows
        if key_of(row) in before
        for ratio in RATIOS
        if row[ratio] > before[key_of(row)][ratio] + tolerance
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument("--tolerance", type=float, default=0.05)
    options = parser.parse_args()
    rows, reference = (json.loads(f.read_text()) for f in (options.figures, options.reference))
    compared = {key_of(row) for row in rows} & {key_of(row) for row in reference}
    if not compared:
        print("guard: no case is in both files")
        return 1
    worse = grown(rows, reference, options.tolerance)
    print("\n".join(worse or [f"guard: {len(compared)} cases, no ratio has grown"]))
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
