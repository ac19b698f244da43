"""Draws docs/figures/method.png: what one unlabeled image teaches in a step of DNLL-Dual."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

BLUE, RED, GRAY = "#1f6fb2", "#c0392b", "#666666"


def box(axes: Axes, x: float, y: float, text: str, color: str = "black") -> None:
    """A rounded box of fixed size with its centre at (x, y)."""
    shape = FancyBboxPatch((x - 1.1, y - 0.42), 2.2, 0.84, "round,pad=0.08", fc="white", ec=color)
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=color)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str, color: str = GRAY
) -> None:
    """An arrow with a label above its middle."""
    style = {"arrowstyle": "-|>", "color": color, "lw": 1.6}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.16
    axes.text(*middle, text, ha="center", va="bottom", fontsize=9, color=color)


def main() -> None:
    figure, axes = plt.subplots(figsize=(11, 4.2), layout="constrained")
    axes.set(xlim=(-0.3, 14.6), ylim=(-0.2, 5.2))
    axes.axis("off")
    box(axes, 1.2, 2.5, "unlabeled image,\ntwo random views")
    for y, name in ((4.0, "left"), (1.0, "right")):
        box(axes, 5.2, y, f"submodel {name}", BLUE)
        arrow(axes, (2.45, 2.5 + (y - 2.5) * 0.25), (3.95, y), "")
    box(axes, 9.8, 4.0, "stable:\nboth views agree", BLUE)
    box(axes, 9.8, 1.0, "unstable or less sure", RED)
    arrow(axes, (6.45, 4.0), (8.55, 4.0), "where left is")
    arrow(axes, (6.45, 3.7), (8.55, 1.3), "")
    box(axes, 13.2, 4.0, "right is pulled\ntowards left", BLUE)
    box(axes, 13.2, 1.0, "right learns:\nnot cat, not ship", RED)
    arrow(axes, (11.05, 4.0), (11.95, 4.0), "")
    arrow(axes, (11.05, 1.0), (11.95, 1.0), "")
    text = "the classes are drawn from\nthose that left does not predict"
    axes.text(9.8, 0.1, text, ha="center", va="center", fontsize=9, color=GRAY)
    axes.text(5.2, 2.5, "and the same from right to left", ha="center", fontsize=9, color=GRAY)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
