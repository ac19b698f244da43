"""``curves.png``: how errors, losses and the use of unlabeled rows went over a run."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure  # not pyplot: no display is needed, or touched in a notebook

from dnll_plugin.files import replace_whole
from dnll_plugin.runs.records import Record, read

Curve = tuple[list[float], list[float]]


def draw_curves(metrics_file: Path, picture: Path) -> None:
    """Draws the records of ``metrics.jsonl`` into a PNG file of three panels, or of four where
    there are test images of no class.

    Args:
        metrics_file: The records.
        picture: The file to write.

    Raises:
        FileNotWrittenError: If it could not be written.
    """
    records = read(metrics_file)
    areas = _names(records, "eval/", "-auroc")
    panels = 4 if areas else 3
    figure = Figure(figsize=(5 * panels, 4.5), layout="constrained")
    errors, losses, rows, *unknown = figure.subplots(1, panels)
    names = _names(records, "eval/", "-acc")
    reported = "teacher" if "eval/student-acc" in names else "single model, mean"
    for name in names:
        steps, accuracy = curve(records, name)
        if "top-5" not in name:
            label = reported if name == "eval/top-1-acc" else _label(name)
            errors.plot(steps, [100 * (1 - a) for a in accuracy], label=label)
    if _names(records, "val/", "top-1-acc"):
        steps, accuracy = curve(records, "val/top-1-acc")
        errors.plot(steps, [100 * (1 - a) for a in accuracy], ":", label="validation images")
    for name in _names(records, "train/", "loss"):
        losses.plot(*curve(records, name), label=_label(name))
    for name in _names(records, "train/", "_ratio", "_acc", "agreement"):
        rows.plot(*curve(records, name), label=_label(name))
    _finish(errors, "error rate on the test set", "%")
    _finish(losses, "losses before their weights", "")
    losses.set_yscale("symlog", linthresh=1e-3)
    _finish(rows, "use of unlabeled rows", "share")
    rows.set_ylim(-0.02, 1.02)
    for axes in unknown:
        for name in areas:
            steps, area = curve(records, name)
            axes.plot(steps, [100 * a for a in area], label=_label(name))
        _finish(axes, "AUROC of finding test images of no class", "%")
    with replace_whole(picture) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def curve(records: list[Record], name: str) -> Curve:
    """Steps and values of one metric, where it was recorded and finite."""
    found = [record for record in records if record.get(name) is not None]
    return [record["step"] for record in found], [record[name] for record in found]  # type: ignore


def _names(records: list[Record], prefix: str, *suffixes: str) -> list[str]:
    names = dict.fromkeys(name for record in records for name in record)
    return [name for name in names if name.startswith(prefix) and name.endswith(suffixes)]


def _label(name: str) -> str:
    return name.split("/", 1)[1].removesuffix("-acc").removesuffix("-auroc").replace("_", " ")


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=8)
