"""Why learning from negatives works: its terms left out, its ceiling, and what was tried and lost.

    python benchmarks/study.py --data_dir D --out O                           # all
    python benchmarks/study.py --data_dir D --out O --part ceiling --seeds 100 101

leave-one-out  each algorithm without one of its terms
ceiling        with the negatives that hidden labels would choose (study_variants.py)
variants       what was tried and not kept (there too)
no-class       what images of no class cost, and without which of them

Each run is one of ``dnll compare``, tested on training images that are held out: the study never
looks at the test images. The same command goes on where it was interrupted. O/study.md shows all
runs in O that are finished.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from gpu_stages import CONFIG, ROOT, build_environment

from dnll_plugin.comparison.folder import place_runs
from dnll_plugin.comparison.tables import NOTHING
from dnll_plugin.comparison.variants import list_variants
from dnll_plugin.runs.curves import curve
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.records import Record, read

TASKS = [CONFIG / "laptop" / "mnist_ood.yaml", CONFIG / "laptop" / "usps_50.yaml"]

PREFIX = "study_"
"""Of the algorithms that study_variants.py registers."""

LOG_EVERY = 10
"""Steps between those that are logged: one batch tells little, so a tenth of a run is averaged."""

COLUMNS = {
    "rows with a pseudo-label, %": "train/util_ratio",
    "of them right, %": "train/pseudo_label_acc",
    "rows with negatives, %": "train/negative_ratio",
    "right negatives, %": "train/negative_acc",
}
"""What a run logs of the unlabeled rows, by the heading of its column."""

Group = tuple[str, ...]
"""Lines that belong together, ALGORITHM or ALGORITHM:key=value,…; the first is left as it is."""


def change(algorithm: str, *changes: str, always: str = "") -> Group:
    """An algorithm with the settings ``always``, and with each of the changes beside them."""
    settings = (",".join(filter(None, (always, changed))) for changed in ("", *changes))
    return tuple(f"{algorithm}:{keys}".removesuffix(":") for keys in settings)


PUBLISHED = "pseudo_labels=false"

PARTS: dict[str, tuple[Group, ...]] = {
    "leave-one-out": (
        change("meanteacher", "negative_weight=0", "p_cutoff=1"),
        change("dual", "negative_weight=0", "p_cutoff=1"),
        change("fixmatch", "negative_weight=0", "p_cutoff=1"),
        change("flexmatch", "negative_weight=0"),  # p_cutoff=1 keeps its pseudo-labels
        change("meanteacher", "negative_weight=0", "consistency_weight=0", always=PUBLISHED),
        change(
            "dual",
            *("negative_weight=0", "consistency_weight=0", "stabilization_weight=0"),
            always=PUBLISHED,
        ),
    ),
    "ceiling": tuple(
        (name, f"{name}_right", f"{name}_all")
        for name in ("meanteacher", "fixmatch", "dual", "flexmatch")
    ),
    "variants": (
        ("meanteacher", "meanteacher_aligned", "meanteacher_running"),
        ("dual", "dual_current", "dual:roles=alternate"),
        ("adamatch", "adamatch_teacher"),
    ),
    "no-class": (
        (
            *("dual", "dual_known", "dual_known_pseudo", "dual_agreed", "dual_uncontradicted"),
            "dual_low_energy",
        ),
        ("meanteacher", "meanteacher_low_energy"),
    ),
}
"""What is compared. With ``p_cutoff=1`` next to no row learns a pseudo-label: negatives alone."""


class Line(NamedTuple):
    """The finished runs of a line on a task.

    Attributes:
        errors: By seed, in %.
        records: Of each run.
        codes: By which it was run.
    """

    errors: dict[int, float]
    records: list[list[Record]]
    codes: set[str]


def choose_groups(part: str, algorithms: Sequence[str] | None) -> list[Group]:
    """The groups of a part, of all algorithms (None) or of some."""
    groups = PARTS[part]
    return [g for g in groups if algorithms is None or g[0].split(":")[0] in algorithms]


def build_command(groups: Sequence[Group], options: argparse.Namespace) -> list[str]:
    """The words after ``dnll`` that run the lines of some groups."""
    lines = list(dict.fromkeys(PREFIX + line for group in groups for line in group))
    command = ["compare", "--c", *map(str, options.c), "--plugin", "study_variants"]
    command += ["--algorithms", *(line for line in lines if ":" not in line)]
    command += [f"--variant={line}" for line in lines if ":" in line]
    command += ["--seeds", *map(str, options.seeds), "--jobs", str(options.jobs)]
    command += ["--data_dir", str(options.data_dir), "--out", str(options.out), "--set"]
    command += [f"num_train_iter={options.steps}", f"num_log_iter={LOG_EVERY}"]
    return [*command, f"held_out={options.held_out}"]


def read_line(line: str, runs: Path, seeds: Sequence[int]) -> Line:
    """Reads what is finished of a line, in the folder of a task's runs."""
    written = PREFIX + line
    (variant,) = list_variants([], [written]) if ":" in line else list_variants([written], [])
    errors, records, codes = {}, [], set[str]()
    for seed in seeds:
        folder = RunFolder(runs / f"{variant.folder_name}_{seed}")
        if folder.is_finished():
            result = json.loads(folder.result.read_text(encoding="utf-8"))
            errors[seed] = result["error_rate"]
            records.append(read(folder.metrics))
            codes.update(result["code"])
    return Line(errors, records, codes)


def average_over_run(records: list[list[Record]], name: str) -> str:
    """Means of a share, in %, over the first, the middle and the last tenth of the steps."""
    parts: list[list[float]] = [[], [], []]
    for run in records:
        end = run[-1]["step"] or 1
        for step, value in zip(*curve(run, name), strict=True):
            place = step / end
            if place <= 0.1 or 0.45 < place <= 0.55 or place > 0.9:
                parts[round(2 * place)].append(value)
    if not any(parts):
        return NOTHING
    return " / ".join(f"{100 * fmean(part):.0f}" if part else NOTHING for part in parts)


def make_row(line: str, found: Line, unchanged: Line) -> list[str]:
    """A row of a table; the difference is of the seeds that both have."""
    errors = found.errors
    both = [errors[seed] - unchanged.errors[seed] for seed in errors.keys() & unchanged.errors]
    difference = f"{fmean(both):+.2f}" if both and found is not unchanged else ""
    each = ", ".join(f"{error:.2f}" for error in errors.values())
    shares = [average_over_run(found.records, name) for name in COLUMNS.values()]
    return [f"`{line}`", f"{fmean(errors.values()):.2f}", each, difference, *shares]


def make_table(groups: Sequence[Group], runs: Path, seeds: Sequence[int]) -> list[str]:
    """The table of a part on a task, in Markdown; nothing where no change is finished."""
    rows = []
    for group in groups:
        lines = [read_line(line, runs, seeds) for line in group]
        if not any(line.errors for line in lines[1:]):
            continue  # the first is of other parts too
        rows += [
            make_row(line, found, lines[0])
            for line, found in zip(group, lines, strict=True)
            if found.errors
        ]
    if not rows:
        return []
    header = ["`dnll_…`", "error, %", "each seed", "minus the unchanged", *COLUMNS]
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def write_page(options: argparse.Namespace) -> Path:
    """Writes O/study.md; returns it."""
    places = place_runs(options.out, [config.stem for config in options.c])
    every_line = {line for groups in PARTS.values() for group in groups for line in group}
    codes = set[str]()
    for runs in places.values():
        for line in every_line:
            codes |= read_line(line, runs, options.seeds).codes
    seeds = ", ".join(map(str, options.seeds))
    page = [
        f"{options.steps:,} steps, tested on {options.held_out:,} held-out training images, seeds "
        f"{seeds}; code {' and '.join(sorted(codes))}. Shares are means over the first, the middle "
        "and the last tenth of the run."
    ]
    for part, groups in PARTS.items():
        for task, runs in places.items():
            table = make_table(groups, runs, options.seeds)
            page += ["", f"## {part}, {task}", "", *table] if table else []
    file: Path = options.out / "study.md"
    file.write_text("\n".join(page) + "\n", encoding="utf-8")
    return file


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the page")
    parser.add_argument("--part", choices=tuple(PARTS), help="by default all")
    parser.add_argument("--algorithms", nargs="+", help="by default all: meanteacher dual …")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101])
    parser.add_argument("--steps", type=int, default=3000, help="of each run")
    parser.add_argument("--held_out", type=int, default=1500, help="training images to test on")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--c", type=Path, nargs="+", default=TASKS, help="configs, each a task")
    options = parser.parse_args()
    options.data_dir, options.out = options.data_dir.resolve(), options.out.resolve()
    options.c = [config.resolve() for config in options.c]
    code = 0
    for part in [options.part] if options.part else PARTS:
        groups = choose_groups(part, options.algorithms)
        if groups and not code:
            command = [sys.executable, "-m", "dnll_plugin", *build_command(groups, options)]
            code = subprocess.run(command, cwd=ROOT, env=build_environment()).returncode
    if options.out.is_dir():
        print(f"see {write_page(options)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
