"""The records of a run, ``metrics.jsonl``: one JSON object a logged step.

Apart from the hook that writes them, so that whoever only reads them need not import the toolbox.
"""

import json
from pathlib import Path

Record = dict[str, float | int | None]


def read(path: Path) -> list[Record]:
    """Reads the records of ``metrics.jsonl``; a last line that was cut off is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def truncate(path: Path, step: int) -> None:
    """Drops the records after ``step``: those of work that no checkpoint holds."""
    kept = [record for record in read(path) if int(record["step"] or 0) <= step]
    temporary = path.with_name(f"{path.name}.writing")
    temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    temporary.replace(path)
