"""The work of ``dnll predict``: images in, rows out, and a summary to tell."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from torch import nn

from dnll_plugin.errors import InputError
from dnll_plugin.prediction.images import Batch, batches
from dnll_plugin.prediction.montage import Extremes
from dnll_plugin.prediction.net import class_probabilities
from dnll_plugin.prediction.rows import Row, describe_rows, writer
from dnll_plugin.prediction.run import TrainedRun

SECONDS_BETWEEN_LINES = 10.0
NAMED = 10
"""How many broken files are listed by name."""


@dataclass(frozen=True)
class Request:
    """What to predict, and where to write it."""

    images: Path
    out: Path
    threshold: float
    batch_size: int


@dataclass
class Summary:
    """What came out.

    Attributes:
        labels: number of images by label.
        sure: how many of them reach the threshold.
        broken: files that cannot be read, each with the reason.
        extremes: the most and the least confident.
    """

    labels: Counter[str] = field(default_factory=Counter)
    sure: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    extremes: Extremes = field(default_factory=Extremes)

    def add(self, rows: Sequence[Row], threshold: float) -> None:
        """Takes more rows into account."""
        self.labels.update(row.label for row in rows)
        self.sure += sum(row.confidence >= threshold for row in rows)
        self.extremes.add(rows)


def predict(
    net: nn.Module, run: TrainedRun, files: Sequence[str], request: Request, console: Console
) -> Summary:
    """Predicts every image and writes the rows.

    Raises:
        InputError: If the output cannot be written, or no image can be read.
    """
    summary = Summary()
    with writer(request.out) as write:
        read = batches(request.images, files, run, request.batch_size)
        for batch in shorten(read, len(files), request.batch_size, console):
            summary.broken += batch.broken
            if batch.images is None:
                continue
            probabilities = class_probabilities(net, batch.images)
            rows = describe_rows(batch.files, probabilities, run.classes, request.threshold)
            for row in rows:
                write(row)
            summary.add(rows, request.threshold)
        if not summary.labels:
            raise InputError(
                f"--images {request.images}: none of the {len(files)} images can be read, as "
                f"{files[0]}"
            )
    return summary


def shorten(
    batches: Iterator[Batch], images: int, batch_size: int, console: Console
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
    say(", ".join(f"{label} {number:,}" for label, number in sorted(summary.labels.items())))
    if summary.broken:
        say(f"left out {len(summary.broken):,} that cannot be read:")
        for file, reason in summary.broken[:NAMED]:
            say(f"    {file} ({reason})")
        if len(summary.broken) > NAMED:
            say(f"    and {len(summary.broken) - NAMED:,} more")
