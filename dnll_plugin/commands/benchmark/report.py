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


def table(rows: Sequence[Row]) -> Table:
    """The rows as a table for the terminal."""
    shown = Table(box=None, pad_edge=False)
    for name in ("algorithm", "net", "batch"):
        shown.add_column(name)
    for name in ("floor", "step", "iteration", "end to end", "step/floor", "iteration/step"):
        shown.add_column(name, justify="right")
    for row in rows:
        stages = [f"{row[f'{s}_ms']:.1f}" for s in ("floor", "step", "iteration", "end_to_end")]
        ratios = [
            f"{row[name]:.3f} ± {row[f'{name}_spread']:.3f}"
            for name in ("step_over_floor", "iteration_over_step")
        ]
        shown.add_row(row["algorithm"], row["net"], row["batch"], *stages, *ratios)
    return shown


def draw(rows: Sequence[Row], picture: Path) -> None:
    """Draws a stacked bar a row: where the milliseconds of an iteration go.

    Args:
        rows: Rows of the report.
        picture: The PNG file to write.
    """
    names = [f"{row['algorithm']}\n{row['net']}, {row['batch']}" for row in rows]
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.5 * len(rows)), layout="constrained")
    ends = [0.0] * len(rows)
    for label, (before, stage) in PARTS.items():
        widths = [part(row, before, stage) for row in rows]
        axes.barh(names_at(rows), widths, left=ends, label=label)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    axes.set_yticks(names_at(rows), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds an iteration")
    axes.legend(fontsize=8)
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def part(row: Row, before: str | None, stage: str) -> float:
    """Milliseconds that a stage adds to the one before; noise below 0 is drawn as nothing."""
    start = 0.0 if before is None else row[f"{before}_ms"]
    return max(0.0, float(row[f"{stage}_ms"] - start))


def names_at(rows: Sequence[Row]) -> list[int]:
    """Places of the bars."""
    return list(range(len(rows)))
