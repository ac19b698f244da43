"""The files that hold what is predicted: CSV, JSON Lines or Parquet, written row by row."""

import csv
import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dnll_plugin.errors import InputError
from dnll_plugin.escaping import for_spreadsheet
from dnll_plugin.files import replace_whole

if TYPE_CHECKING:  # the options are checked before torch is imported
    from dnll_plugin.prediction.rows import Row

SEPARATOR = ";"
"""Between the names in a cell of CSV."""

DIGITS = {"confidence": ".4f", "unknown_score": ".6g"}
"""How the numbers of a column are written into CSV, where not with six decimals."""

WAITING = 100_000
"""Cells that are held back until they are written into a Parquet file, a group of its rows."""

Value = str | float | bool | list[str]
Record = dict[str, Value]
"""A row of the file: values by the names of their columns."""

Write = Callable[[Record], object]
Format = Callable[[Path], AbstractContextManager[Write]]


def choose_format(asked: str | None, out: Path) -> str:
    """The format that is asked for, else that of the file's ending.

    Raises:
        InputError: If there is none, or the package that writes it is not installed.
    """
    name = asked or out.suffix.removeprefix(".").lower()
    if name not in FORMATS:
        endings = [f".{known}" for known in FORMATS]
        raise InputError(
            f"--out {out}: must end in {', '.join(endings[:-1])} or {endings[-1]}; or give --format"
        )
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"--out {out}: Parquet needs pyarrow: pip install 'dnll-plugin[parquet]'")
    return name


def as_record(row: "Row", probabilities: bool) -> Record:
    """A row as a file holds it.

    Args:
        row: what is predicted of an image.
        probabilities: whether each class gets a column, ``p_<class>``.
    """
    every = row.probabilities if probabilities else {}
    found: Record = {}
    if row.known is not None and row.unknown_score is not None:
        found = {"known": row.known, "unknown_score": float(f"{row.unknown_score:.6g}")}
    return {
        "file": row.file,
        "label": row.label,
        "confidence": round(row.confidence, 4),
        "not": list(row.ruled_out),
        **found,
        **{f"p_{name}": round(probability, 6) for name, probability in every.items()},
    }


@contextmanager
def writer(out: Path, format: str) -> Iterator[Write]:
    """Opens a file for records that all have the same columns.

    Until the end they lie in a file beside it, so that ``out`` is whole or as it was.

    Args:
        out: the file.
        format: a key of `FORMATS`.

    Yields:
        A function that writes one record.

    Raises:
        FileNotWrittenError: it could not be written, on a full disk say.
    """
    with replace_whole(out) as temporary, FORMATS[format](temporary) as write:
        yield write


@contextmanager
def _write_csv(file: Path) -> Iterator[Write]:
    """Text that a spreadsheet would take for a formula has an apostrophe before it."""
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        table = csv.writer(_Lines(stream), lineterminator="\r\n")
        header_is_due = True

        def write(record: Record) -> None:
            nonlocal header_is_due
            if header_is_due:
                table.writerow(record)
                header_is_due = False
            table.writerow([_cell(name, value) for name, value in record.items()])

        yield write


class _Lines:
    """Takes lines that end in CR LF and ends them in LF.

    csv puts only that CR into quotes that may end a line: others would end one in a spreadsheet.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, line: str) -> int:
        return self.stream.write(line.removesuffix("\r\n") + "\n")


def _cell(column: str, value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(value, DIGITS.get(column, ".6f"))
    texts = [value] if isinstance(value, str) else value
    return SEPARATOR.join(for_spreadsheet(text) for text in texts)


@contextmanager
def _write_json_lines(file: Path) -> Iterator[Write]:
    # What of a file's name is no text becomes an escape of JSON, which gives the name back.
    with file.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        yield lambda record: stream.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextmanager
def _write_parquet(file: Path) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {str: pa.string(), float: pa.float64(), list: pa.list_(pa.string()), bool: pa.bool_()}
    waiting: list[Record] = []
    parquet: ParquetWriter | None = None

    def write_waiting() -> None:
        nonlocal parquet
        schema = pa.schema([(name, types[type(value)]) for name, value in waiting[0].items()])
        if parquet is None:
            parquet = ParquetWriter(file, schema)
        parquet.write_table(pa.Table.from_pylist(waiting, schema))
        waiting.clear()

    def write(record: Record) -> None:
        name = str(record["file"]).encode("utf-8", "backslashreplace").decode()
        waiting.append({**record, "file": name})
        if len(waiting) * len(record) >= WAITING:
            write_waiting()

    try:
        yield write
        if waiting:
            write_waiting()
    finally:
        if parquet is not None:
            parquet.close()


FORMATS: dict[str, Format] = {
    "csv": _write_csv,
    "jsonl": _write_json_lines,
    "parquet": _write_parquet,
}
