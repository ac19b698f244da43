"""What is predicted of an image, and the files that hold it."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from dnll_plugin.errors import InputError

if TYPE_CHECKING:  # the options are checked before torch is imported
    from torch import Tensor

COLUMNS = ("file", "label", "confidence", "not")
SEPARATOR = ";"


class Row(NamedTuple):
    """The prediction for one image.

    Attributes:
        file: path relative to the folder of the images, with forward slashes.
        label: the most probable class, however low its probability.
        confidence: its probability.
        ruled_out: classes that it is not, where the confidence is below the threshold.
    """

    file: str
    label: str
    confidence: float
    ruled_out: tuple[str, ...]


def rule_out(probabilities: "Tensor", threshold: float) -> "Tensor":
    """Rules out classes of each image whose most probable class is not certain enough.

    Of an image whose highest probability is below the threshold: the largest set of classes that
    together have a probability of at most ``1 - threshold``, the least probable ones first. So the
    model gives the statement "it is none of these" at least the probability that it must give a
    label. Of the other images: none.

    Args:
        probabilities: float (N, K), rows that sum to 1.
        threshold: above 0, at most 1.

    Returns:
        Boolean (N, K); never holds the most probable class.
    """
    # stable: of equally probable classes argmax takes the first, which stays at the front here
    descending, order = probabilities.sort(dim=1, descending=True, stable=True)
    at_most = descending.flip(1).cumsum(dim=1).flip(1)  # of a class and all less probable ones
    within = at_most <= 1 - threshold
    within[:, 0] = False
    chosen = within.new_zeros(within.shape).scatter(1, order, within)
    return chosen & (descending[:, :1] < threshold)


def describe_rows(
    files: Sequence[str], probabilities: "Tensor", classes: Sequence[str], threshold: float
) -> list[Row]:
    """The rows of a batch.

    Args:
        files: names of N images.
        probabilities: float (N, K).
        classes: K names.
        threshold: see `rule_out`.
    """
    confidences, labels = probabilities.amax(dim=1), probabilities.argmax(dim=1)
    negatives = rule_out(probabilities, threshold)
    return [
        Row(file, classes[label], confidence, tuple(classes[k] for k in row.nonzero().flatten()))
        for file, label, confidence, row in zip(
            files, labels.tolist(), confidences.tolist(), negatives, strict=True
        )
    ]


Write = Callable[[Row], object]


@contextmanager
def writer(out: Path) -> Iterator[Write]:
    """Opens a file for rows: CSV or JSON Lines, by its ending.

    Until the end the rows lie in a file beside it, so that ``out`` is whole or not there.

    Yields:
        A function that writes one row.

    Raises:
        InputError: it cannot be written.
    """
    temporary = out.with_name(f"{out.name}.writing")
    try:
        stream = temporary.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from error
    try:
        with stream:
            yield FORMATS[out.suffix](stream)
        temporary.replace(out)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _csv(stream: IO[str]) -> Write:
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)

    def write(row: Row) -> None:
        negatives = SEPARATOR.join(row.ruled_out)
        table.writerow((row.file, row.label, f"{row.confidence:.4f}", negatives))

    return write


def _json_lines(stream: IO[str]) -> Write:
    def write(row: Row) -> None:
        values = (row.file, row.label, round(row.confidence, 4), row.ruled_out)
        entry = dict(zip(COLUMNS, values, strict=True))
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")

    return write


FORMATS: dict[str, Callable[[IO[str]], Write]] = {".csv": _csv, ".jsonl": _json_lines}
"""By the ending of the file."""
