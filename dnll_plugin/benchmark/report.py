"""What ``dnll bench`` shows: a table, and a picture of where the time of an iteration goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from rich.table import Table

matplotlib.use("Agg")  # before pyplot: no display is needed, or touched where there is one

from matplotlib import pyplot as plt

Row = dict[str, Any]

PARTS = {
    "passes (floor)": (None, "floor"),
    "method": ("floor", "step"),
    "hooks": ("step", "iteration"),
    "data loading": ("iteration", "end_to_end"),
}
"""Parts of an iteration, each the time between two stages."""

CALLS = {"launches": "kernel_launches", "waits": "synchronisations"}
"""What a step asks of a CUDA device, by the heading of its column."""


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the terminal."""
    shown = Table(box=None, pad_edge=False)
    for name in ("algorithm", "net", "batch"):
        shown.add_column(name)
    on_cuda = any(name in row for row in rows for name in CALLS.values())
    ratios = ("step/floor", "iteration/step", *(CALLS if on_cuda else ()))
    for name in ("floor", "step", "iteration", "end to end", *ratios):
        shown.add_column(name, justify="right")
    for row in rows:
        stages = [f"{row[f'{s}_ms']:.1f}" for s in ("floor", "step", "iteration", "end_to_end")]
        figures = [
            f"{row[name]:.3f} ± {row[f'{name}_spread']:.3f}"
            for name in ("step_over_floor", "iteration_over_step")
        ]
        if on_cuda:
            figures += [describe_calls(row.get(name)) for name in CALLS.values()]
        shown.add_row(row["algorithm"], row["net"], row["batch"], *stages, *figures)
    return shown


def describe_calls(number: int | None) -> str:
    """A number of calls of the device, for the terminal."""
    return "not counted" if number is None else str(number)


def draw(rows: Sequence[Row], picture: Path) -> None:
    """Draws a stacked bar a row: the shares of an iteration's time, whose milliseconds stand by.

    Args:
        rows: Rows of the report.
        picture: The PNG file to write.
    """
    parts = {
        label: [part(row, before, stage) for row in rows]
        for label, (before, stage) in PARTS.items()
    }
    totals = [sum(of_row) for of_row in zip(*parts.values(), strict=True)]
    names = [
        f"{row['algorithm']}\n{row['net']}, {row['batch']}: {total:.0f} ms"
        for row, total in zip(rows, totals, strict=True)
    ]
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.5 * len(rows)), layout="constrained")
    places, ends = range(len(rows)), [0.0] * len(rows)
    for label, times in parts.items():
        shares = [100 * time / total for time, total in zip(times, totals, strict=True)]
        axes.barh(places, shares, left=ends, label=label)
        ends = [end + share for end, share in zip(ends, shares, strict=True)]
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of an iteration with its data loading, %")
    figure.legend(loc="outside upper center", ncols=len(PARTS), fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def part(row: Row, before: str | None, stage: str) -> float:
    """Milliseconds that a stage adds to the one before; noise below 0 is drawn as nothing."""
    start = 0.0 if before is None else row[f"{before}_ms"]
    return max(0.0, float(row[f"{stage}_ms"] - start))
