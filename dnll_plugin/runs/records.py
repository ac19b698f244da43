"""The records of a run, ``metrics.jsonl``: one JSON object a logged step.

Apart from the hook that writes them, so that whoever only reads them need not import the toolbox.
They tell what happened; a run goes on from its checkpoint, whatever has become of them.
"""

import json
import math
from pathlib import Path
from typing import Any

from dnll_plugin.files import write_text

Record = dict[str, float | int | None]


def read(path: Path) -> list[Record]:
    """Reads the records of ``metrics.jsonl``, up to the first line that is none.

    A line may be cut off by a power cut, or be damaged in any way.
    """
    records = []
    for line in _lines(path):
        record = parse_line(line)
        if record is None:
            break
        records.append(record)
    return records


def truncate(path: Path, step: int) -> int:
    """Drops the records after ``step``, those of work that no checkpoint holds, and damaged ones.

    Returns:
        The number of lines that could not be read, or stood behind one that could not.
    """
    if not path.exists():
        return 0
    lines, records = _lines(path), read(path)
    kept = [record for record in records if int(record["step"] or 0) <= step]
    write_text(path, "".join(json.dumps(record) + "\n" for record in kept))
    return len(lines) - len(records)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def parse_line(line: bytes) -> Record | None:
    """The record in a line of ``metrics.jsonl``; None where it is none."""
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: neither JSON nor UTF-8 among them
        return None
    if not isinstance(record, dict) or not _is_step(record.get("step")):
        return None
    return record if all(_is_scalar(value) for value in record.values()) else None


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_scalar(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, (int, float)) and abs(value) < 2**1023 and math.isfinite(value)
