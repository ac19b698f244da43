"""The picture of a comparison: error over the steps with bands over the seeds, and at the end."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from dnll_plugin.comparison.statistics import Curve, Model, spread

LOWEST = 0.01
"""What is drawn of an error rate of 0%, on an axis that has no zero."""

Values = npt.NDArray[np.float64]


def draw(models: Sequence[Model], picture: Path) -> None:
    """Draws the models into a PNG file.

    Args:
        models: at least one; those of a variant share a colour, its ensemble is dashed.
        picture: the file to write.
    """
    variants = list(dict.fromkeys(model.variant for model in models))
    palette = colormaps["tab10" if len(variants) <= 10 else "tab20"]
    colours = {name: palette(index % palette.N) for index, name in enumerate(variants)}
    # a figure without pyplot: nothing global, and no display is touched
    figure = Figure(figsize=(13, max(5.0, 0.27 * len(models))), layout="constrained")
    over_steps, at_the_end = figure.subplots(1, 2, width_ratios=(3, 2))
    for model in (model for model in models if model.curves):
        _band(over_steps, model, colours[model.variant])
    for place, model in enumerate(models):
        _points(at_the_end, place, model, colours[model.variant])
    seeds = max(len(model.final) for model in models)
    over_steps.set_title(f"error rate on the test set, mean ± standard deviation, {seeds} seeds")
    over_steps.set_xlabel("step")
    over_steps.set_ylabel("%")
    over_steps.set_yscale("log")
    for axis in (over_steps.yaxis.set_major_formatter, over_steps.yaxis.set_minor_formatter):
        axis(ScalarFormatter())
    over_steps.legend(fontsize=8)
    at_the_end.set_title("at the last step: each seed, mean ± deviation")
    at_the_end.set_xlabel("%")
    at_the_end.set_yticks(range(len(models)), [model.name for model in models])
    at_the_end.invert_yaxis()
    for axes in (over_steps, at_the_end):
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=110)


def band(curves: Mapping[int, Curve]) -> tuple[Values, Values, Values]:
    """Mean and standard deviation over the seeds, at the steps that every seed evaluated at.

    Args:
        curves: of each seed; at least one.

    Returns:
        Steps, means and deviations (0 with one seed), each (n,).
    """
    by_step = [dict(curve) for curve in curves.values()]
    steps = [step for step in by_step[0] if all(step in errors for errors in by_step)]
    errors = np.array([[one[step] for step in steps] for one in by_step], dtype=np.float64)
    deviation = errors.std(axis=0, ddof=1) if len(by_step) > 1 else np.zeros(len(steps))
    return np.array(steps, dtype=np.float64), errors.mean(axis=0), deviation


def _band(axes: Axes, model: Model, colour: object) -> None:
    steps, mean, deviation = band(model.curves)
    low, middle, high = (
        np.maximum(values, LOWEST) for values in (mean - deviation, mean, mean + deviation)
    )
    style = "-" if model.nets == 1 else "--"
    axes.plot(steps, middle, style, color=colour, label=model.name)
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)


def _points(axes: Axes, place: int, model: Model, colour: object) -> None:
    values = list(model.final.values())
    mean, deviation = spread(values)
    axes.plot(values, [place] * len(values), "x", color=colour)
    axes.errorbar(
        mean,
        place,
        xerr=deviation,
        fmt="o" if model.nets == 1 else "s",
        color=colour,
        capsize=3,
    )
