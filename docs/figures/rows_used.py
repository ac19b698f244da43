"""Draws error over the share of unlabeled rows that teach, from the run folders of a comparison.

python docs/figures/rows_used.py COMPARISON_FOLDER PICTURE.png
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

LAST = 5
"""Records at the end of a run over which the shares are averaged."""


def share_of_rows(records: list[dict[str, Any]]) -> float | None:
    """Share of the rows that teach, by a pseudo-label or by negatives; None where none is told."""
    told = [r for r in records if r.get("train/util_ratio") is not None][-LAST:]
    if not told:
        return None
    shares = [min(1.0, r["train/util_ratio"] + (r.get("train/negative_ratio") or 0)) for r in told]
    return sum(shares) / len(shares)


def points(comparison: Path) -> dict[str, list[tuple[float, float]]]:
    """By algorithm: share of rows used and error rate of each finished run."""
    found: dict[str, list[tuple[float, float]]] = {}
    for file in sorted(comparison.glob("runs/*/result.json")):
        result = json.loads(file.read_text())
        lines = (file.parent / "metrics.jsonl").read_text().splitlines()
        share = share_of_rows([json.loads(line) for line in lines])
        if share is not None:
            found.setdefault(result["algorithm"], []).append((share, result["error_rate"]))
    return found


def draw(comparison: Path, picture: Path) -> None:
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    for algorithm, found in points(comparison).items():
        shares, errors = zip(*found, strict=True)
        axes.scatter(shares, errors, label=algorithm, alpha=0.8)
    axes.set_xlabel("share of unlabeled rows that teach, end of the run")
    axes.set_ylabel("error rate on the test set, %")
    axes.set_xlim(-0.03, 1.03)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
