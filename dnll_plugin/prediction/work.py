"""The work of ``dnll predict``: images in, rows out, and a summary to tell."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from dnll_plugin.errors import InputError
from dnll_plugin.escaping import for_terminal
from dnll_plugin.prediction.images import Batch, batches
from dnll_plugin.prediction.montage import Examples
from dnll_plugin.prediction.net import class_probabilities
from dnll_plugin.prediction.open_set import find_score, predict_and_score
from dnll_plugin.prediction.rows import Row, describe_rows, mark_unknown
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.prediction.sources import ImageSources
from dnll_plugin.prediction.writers import as_record, writer

SECONDS_BETWEEN_LINES = 10.0
NAMED = 10
"""How many broken files are listed by name."""


@dataclass(frozen=True)
class Request:
    """What to predict, and where to write it.

    Attributes:
        images: how many ``sources`` has.
        format: a key of `dnll_plugin.prediction.writers.FORMATS`.
        probabilities: whether to write those of all classes.
        unknown_above: the score above which an image is of no class; None: each is of one.
    """

    sources: ImageSources
    images: int
    out: Path
    format: str
    threshold: float
    probabilities: bool
    batch_size: int
    unknown_above: float | None = None


@dataclass
class Summary:
    """What came out, in as much memory for a million images as for a hundred.

    Attributes:
        labels: number of images by label.
        sure: how many of them reach the threshold.
        unknown: how many are taken for images of no class.
        broken: number of files that cannot be read.
        named: the first of them, each with the reason.
        examples: images to show.
    """

    labels: Counter[str] = field(default_factory=Counter)
    sure: int = 0
    unknown: int = 0
    broken: int = 0
    named: list[tuple[str, str]] = field(default_factory=list)
    examples: Examples = field(default_factory=Examples)

    def add(self, rows: Sequence[Row], threshold: float) -> None:
        """Takes more rows into account."""
        self.labels.update(row.label for row in rows)
        self.sure += sum(row.confidence >= threshold for row in rows)
        self.unknown += sum(row.known is False for row in rows)
        self.examples.add(rows)

    def add_broken(self, broken: Sequence[tuple[str, str]]) -> None:
        """Takes files into account that cannot be read."""
        self.broken += len(broken)
        self.named += broken[: NAMED - len(self.named)]


def predict(net: nn.Module, run: TrainedRun, request: Request, console: Console) -> Summary:
    """Predicts every image and writes the rows.

    Raises:
        InputError: If no image can be read.
        FileNotWrittenError: If the output cannot be written.
    """
    summary = Summary()
    sources = request.sources
    with writer(request.out, request.format) as write:
        read = batches(sources.root, sources, run, request.batch_size)
        for batch in show_progress(read, request.images, request.batch_size, console):
            summary.add_broken(batch.broken)
            if batch.images is None:
                continue
            rows = predict_rows(net, run, request, batch.files, batch.images)
            for row in rows:
                write(as_record(row, request.probabilities))
            summary.add(rows, request.threshold)
        if not summary.labels:
            first, reason = summary.named[0]
            raise InputError(
                f"--images: none of the {summary.broken:,} images can be read, as "
                f"{first} ({reason})"
            )
    return summary


def predict_rows(
    net: nn.Module, run: TrainedRun, request: Request, files: Sequence[str], images: Tensor
) -> list[Row]:
    """The rows of a batch.

    Args:
        net: the run's, with its heads where images of no class are to be told.
        run: the run.
        request: what to predict.
        files: names of N images.
        images: float (N, 3, img_size, img_size).
    """
    if request.unknown_above is None:
        probabilities = class_probabilities(net, images)
        return describe_rows(files, probabilities, run.classes, request.threshold)
    probabilities, scores = predict_and_score(net, images, find_score(run))
    rows = describe_rows(files, probabilities, run.classes, request.threshold)
    return mark_unknown(rows, scores, request.unknown_above)


def show_progress(
    batches: Iterable[Batch], images: int, batch_size: int, console: Console
) -> Iterator[Batch]:
    """Passes batches on and shows how many: a bar on a terminal, now and then a line elsewhere."""
    if console.is_terminal:
        yield from track(batches, "predicting", math.ceil(images / batch_size), console=console)
        return
    said_at, done = time.monotonic(), 0
    for batch in batches:
        yield batch
        done += len(batch.files) + len(batch.broken)
        if time.monotonic() - said_at > SECONDS_BETWEEN_LINES:
            said_at = time.monotonic()
            console.print(f"{done:,} of {images:,} images", highlight=False)


def print_summary(summary: Summary, request: Request, console: Console) -> None:
    """Says what came out."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    total = summary.labels.total()
    say(
        f"{total:,} labels in {request.out}: {summary.sure:,} with confidence of at least "
        f"{request.threshold:g}, {total - summary.sure:,} below"
    )
    if request.unknown_above is not None:
        say(f"{summary.unknown:,} of them unknown, {total - summary.unknown:,} known")
    labels = sorted(summary.labels.items())
    say(", ".join(f"{for_terminal(label)} {number:,}" for label, number in labels))
    if summary.broken:
        say(f"left out {summary.broken:,} that cannot be read:")
        for file, reason in summary.named:
            say(f"    {for_terminal(file)} ({for_terminal(reason)})")
        if summary.broken > len(summary.named):
            say(f"    and {summary.broken - len(summary.named):,} more")
