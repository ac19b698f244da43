"""A day with a GPU, in stages of at most nine minutes, those of most worth first.

    python benchmarks/gpu_day.py --data_dir D --out O             # all, in order
    python benchmarks/gpu_day.py --data_dir D --out O --stage 2   # one of them
    python benchmarks/gpu_day.py --data_dir D --out O --rehearse  # tiny, on the CPU

1  tests that are marked gpu: numerics, golden vectors, resuming bit for bit, waiting
2  dnll bench with CNN-13 and WRN-28-2, and the data on the device against loaders
3  the tasks of config/laptop, many runs at a time
4  CIFAR-10 with 40 and 250 labels, FixMatch against ours

A stage whose time is up is interrupted and says how far it is; called again, it goes on from there.
Each writes O/<stage>/result.json and page.md. What is missing is told before anything is begun.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from gpu_stages import ROOT, STAGES, Day, build_environment, laptop_configs

SECONDS = 510
"""Of a stage, before it is interrupted; with saving it takes less than nine minutes."""

DATA = {"cifar10": "cifar10/cifar-10-batches-py", "mnist": "MNIST/raw", "usps": "usps"}
"""Folders of data sets in ``--data_dir``, by the beginning of a config's ``dataset``."""

FACTS = """
import json, torch
there = torch.cuda.is_available()
name = torch.cuda.get_device_name() if there else "cpu"
print(json.dumps({"device": name, "torch": torch.__version__, "cuda": torch.version.cuda}))
"""


def find_missing_packages() -> list[str]:
    """What the package and the tests need and this Python has not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    missing = []
    for requirement in needed:
        name = re.split("[^A-Za-z0-9._-]", requirement)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"package {name}; pip install '{requirement}'")
    return missing


def find_missing_data(data_dir: Path, stages: list[int]) -> list[str]:
    """Folders of data sets that the stages read and that are not there."""
    wanted = {"cifar10"} if {2, 4} & set(stages) else set()
    if 3 in stages:
        for config in laptop_configs(rehearse=False):
            found = re.search(r"^dataset: *(\S+)", config.read_text(encoding="utf-8"), re.M)
            wanted |= {name for name in DATA if found and found[1].startswith(name)}
    folders = [data_dir / DATA[name] for name in sorted(wanted)]
    return [f"data: {folder}" for folder in folders if not folder.is_dir()]


def read_facts() -> dict[str, Any]:
    """The device and torch, asked for in a process of its own, which leaves the device free."""
    done = subprocess.run([sys.executable, "-c", FACTS], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {"device": "", "torch": ""}


def find_missing(
    options: argparse.Namespace, stages: list[int]
) -> tuple[list[str], dict[str, Any]]:
    """One line for each thing that is missing; and the device."""
    missing = find_missing_packages()
    facts = read_facts()
    if not options.rehearse:
        missing += find_missing_data(options.data_dir, stages)
        if facts["device"] in ("", "cpu"):
            missing.append("CUDA: torch sees no GPU here; --rehearse needs none")
    if not missing:
        command = [sys.executable, "-m", "dnll_plugin", "doctor"]
        doctor = subprocess.run(command, capture_output=True, text=True, env=build_environment())
        broken = [line for line in doctor.stdout.splitlines() if line.startswith("broken")]
        missing += broken if doctor.returncode else []
    return missing, facts


def write_page(folder: Path, result: dict[str, Any]) -> None:
    """The result of a stage as a table for people."""
    rows = result["rows"]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    state = "finished" if result["finished"] else "not finished: the same command goes on"
    lines = [f"# {result['stage']}", "", f"{result['device']}, torch {result['torch']}, "]
    lines[-1] += f"code {result['code']}, {result['seconds']:.0f} s in all; {state}."
    lines += ["", f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(str(row.get(key, '')) for key in columns)} |" for row in rows]
    (folder / "page.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_stage(number: int, options: argparse.Namespace, facts: dict[str, Any]) -> bool:
    """Runs a stage, or what is left of it; returns whether nothing failed."""
    from dnll_plugin.runs.code_version import describe_code

    name, stage = STAGES[number]
    folder = options.out.resolve() / f"{number}_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "result.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if before.get("finished"):
        print(f"stage {number}, {name}: finished already, see {folder / 'page.md'}", flush=True)
        return True
    print(f"stage {number}, {name}: at most {options.seconds + 30} seconds", flush=True)
    start = time.monotonic()
    data_dir = options.data_dir.resolve()
    outcome = stage(Day(data_dir, folder, options.rehearse, start + options.seconds))
    seconds = before.get("seconds", 0.0) + time.monotonic() - start
    result = {"stage": name, "finished": outcome.finished, "failed": outcome.failed}
    result |= {**facts, "code": describe_code(), "seconds": round(seconds, 1)}
    result |= {"rehearsed": options.rehearse, "rows": outcome.rows}
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_page(folder, result)
    print(f"    see {folder / 'page.md'}", flush=True)
    return not outcome.failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--stage", type=int, choices=tuple(STAGES), help="by default all")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time of a stage")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes, on the CPU")
    options = parser.parse_args()
    stages = [options.stage] if options.stage else list(STAGES)
    missing, facts = find_missing(options, stages)
    for thing in missing:
        print(f"missing: {thing}", file=sys.stderr)
    if missing:
        return 2
    passed = [run_stage(number, options, facts) for number in stages]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
