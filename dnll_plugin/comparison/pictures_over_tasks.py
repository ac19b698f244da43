"""Pictures over several tasks: mean ranks, error against computing, what unlabeled rows teach."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from dnll_plugin.comparison.curves import LOWEST, band
from dnll_plugin.comparison.over_tasks import OverTasks
from dnll_plugin.comparison.statistics import Curve, Model

NAMED = 8
"""Models that have a colour and a name in a panel; the others are gray."""

GRAY, BLACK = "0.8", "black"


def draw_ranks(over_tasks: OverTasks, picture: Path) -> None:
    """Mean ranks with Nemenyi's critical difference: models whose bars do not overlap differ.

    Args:
        over_tasks: with at least two ranked models.
        picture: the PNG file to write.
    """
    lines = [line for line in over_tasks.lines if line.mean_rank is not None]
    half = (over_tasks.critical or 0.0) / 2
    figure = Figure(figsize=(9, 1.6 + 0.3 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for place, line in enumerate(lines):
        is_base = line.standing is None
        axes.errorbar(
            line.mean_rank or 0.0,
            place,
            xerr=half,
            fmt="s" if is_base else "o",
            color=BLACK if is_base else "tab:blue",
            capsize=3,
        )
    axes.set_yticks(range(len(lines)), [line.name for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel(f"mean rank over {len(over_tasks.tasks)} tasks (1 is best)")
    p = "" if over_tasks.friedman is None else f"; Friedman's test p = {over_tasks.friedman:.2g}"
    axes.set_title(
        f"bars that do not overlap differ (Nemenyi, 5%)\ncritical difference {2 * half:.2f}{p}",
        fontsize=10,
    )
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=110)


def draw_error_over_computing(over_tasks: OverTasks, picture: Path) -> None:
    """Error against computing on each task, counted in rows that go through a net.

    Args:
        over_tasks: its first lines, and the baseline, have a colour and a name.
        picture: the PNG file to write.
    """
    colours = choose_colours(over_tasks)
    figure, panels = _panels(len(over_tasks.tasks))
    for task, axes in zip(over_tasks.tasks, panels, strict=False):
        for line in reversed(over_tasks.lines):
            model = line.by_task.get(task)
            if model is None or model.passes is None:
                continue
            colour = colours.get(line.name, GRAY)
            x = [step * model.passes for step, _ in model.mean_curve()]
            y = [max(error, LOWEST) for _, error in model.mean_curve()]
            axes.plot(x, y, color=colour, label=line.name if line.name in colours else None)
        axes.set_title(task)
        axes.set_xlabel("computing, rows through a net (backward counts 2)")
        axes.set_ylabel("error on the test set, %")
        _use_plain_logarithms(axes)
    _name_colours(figure, colours)
    figure.savefig(picture, dpi=110)


def draw_teaching(
    curves: Mapping[str, Mapping[str, Mapping[int, Curve]]], title: str, picture: Path
) -> None:
    """Shares that runs recorded over the steps, by task.

    Args:
        curves: by task and variant, of each seed; at least one.
        title: of the y axis.
        picture: the PNG file to write.
    """
    names = list(dict.fromkeys(name for by_name in curves.values() for name in by_name))
    colours = dict(zip(names[:20], colormaps["tab20"].colors, strict=False))  # type: ignore[attr-defined]
    figure, panels = _panels(len(curves))
    for (task, by_name), axes in zip(curves.items(), panels, strict=False):
        for name, by_seed in by_name.items():
            steps, mean, _ = band(by_seed)
            axes.plot(steps, mean, color=colours.get(name, GRAY))
        axes.set_title(task)
        axes.set_xlabel("step")
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
    _name_colours(figure, colours)
    figure.savefig(picture, dpi=110)


def choose_colours(over_tasks: OverTasks) -> dict[str, Any]:
    """Colours of the first models and, in black, of the baseline."""
    palette = colormaps["tab10"]
    base = [line.name for line in over_tasks.lines if line.standing is None]
    best = [line.name for line in over_tasks.lines if line.name not in base][:NAMED]
    return {name: palette(place) for place, name in enumerate(best)} | dict.fromkeys(base, BLACK)


def has_passes(models: Sequence[Model]) -> bool:
    """Whether any of the models has its computing recorded."""
    return any(model.passes is not None for model in models)


def _panels(number: int) -> tuple[Figure, list[Axes]]:
    columns = min(3, number)
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(max(7.0, 5 * columns), 3.8 * rows + 0.8), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[number:]:
        axes.set_visible(False)
    return figure, panels


def _use_plain_logarithms(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


def _name_colours(figure: Figure, colours: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9)
