"""The pictures of an evaluation: the confusion matrix, accuracy by class, calibration."""

from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dnll_plugin.prediction.evaluation import BINS, Evaluation

NUMBERS_UP_TO = 20
"""Classes up to which the cells of the matrix hold their numbers."""

NAMES_UP_TO = 120
"""Classes up to which each has its name on the axis."""


def draw(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draws the pictures into a folder and returns their files."""
    classes = len(evaluation.classes)
    side = min(4 + 0.16 * classes, 20)
    pictures = {
        "confusion_matrix.png": (draw_confusion, (side + 1, side)),
        "accuracy_by_class.png": (draw_accuracy, (6, min(1.5 + 0.16 * classes, 20))),
        "calibration.png": (draw_calibration, (5, 4.5)),
    }
    files = []
    for name, (draw_axes, size) in pictures.items():
        figure = Figure(figsize=size, layout="constrained")
        draw_axes(evaluation, figure.subplots())
        files.append(folder / name)
        figure.savefig(files[-1], format="png", dpi=120)
    return files


def draw_confusion(evaluation: Evaluation, axes: Axes) -> None:
    """Draws the matrix, each row as shares of the true class."""
    counts = evaluation.confusion.numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.7)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"{evaluation.images:,} images, error {evaluation.error_rate:.2f}%")
    if len(counts) <= NAMES_UP_TO:
        names = _short_names(evaluation)
        size = 9 if len(names) <= NUMBERS_UP_TO else 6
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    if len(counts) <= NUMBERS_UP_TO:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=color)


def draw_accuracy(evaluation: Evaluation, axes: Axes) -> None:
    """Draws the accuracy of each class, the worst on top."""
    accuracy = 100 * evaluation.recall.nan_to_num(0).numpy()
    order = np.argsort(-accuracy, kind="stable")
    places = np.arange(len(order))
    axes.barh(places, accuracy[order], color="tab:blue")
    axes.set(xlabel="accuracy, %", xlim=(0, 100), ylim=(-0.7, len(order) - 0.3))
    if len(order) <= NAMES_UP_TO:
        names = _short_names(evaluation)
        size = 9 if len(names) <= NUMBERS_UP_TO else 6
        axes.set_yticks(places, [names[label] for label in order], fontsize=size)
    axes.grid(axis="x", alpha=0.3)


def draw_calibration(evaluation: Evaluation, axes: Axes) -> None:
    """Draws accuracy over confidence; on the diagonal confidence can be taken at its word."""
    number, _, accuracy = evaluation.bins.numpy().T
    left = np.arange(BINS) / BINS
    there = number > 0
    axes.bar(
        left[there],
        100 * accuracy[there],
        1 / BINS,
        align="edge",
        edgecolor="white",
        label="images",
    )
    axes.plot([0, 1], [0, 100], color="black", linestyle="--", label="perfect")
    axes.set(xlabel="confidence", ylabel="accuracy, %", xlim=(0, 1), ylim=(0, 100))
    axes.set_title(f"expected calibration error {100 * evaluation.calibration_error:.2f}%")
    axes.legend(loc="upper left")


def _short_names(evaluation: Evaluation) -> list[str]:
    return [
        name if len(name) <= 25 else shorten(name, 25, placeholder="…") or f"{name[:24]}…"
        for name in evaluation.classes
    ]
