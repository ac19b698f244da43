"""The stages of ``gpu_day.py``. Each is made of the commands that users have."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"

SECONDS_TO_SAVE = 25
"""What an interrupted command has left to save and end, before it is killed."""

Rows = list[dict[str, Any]]


class Outcome(NamedTuple):
    """Rows of the stage's table; whether it is finished; whether something in it failed."""

    rows: Rows
    finished: bool
    failed: bool


@dataclass(frozen=True)
class Day:
    """What a stage is told.

    Attributes:
        data_dir: folder of the data sets.
        out: folder of the stage.
        rehearse: whether sizes are tiny and the device is the CPU.
        ends_at: when commands are interrupted, by the monotonic clock.
    """

    data_dir: Path
    out: Path
    rehearse: bool
    ends_at: float

    def call(self, command: list[str], **variables: str) -> int | None:
        """Runs a Python command from the top folder; its exit code, None if time was up.

        It prints into ``log.txt`` of the stage.
        """
        environment = build_environment() | variables
        with (self.out / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, env=environment
            )
            try:
                return process.wait(max(0.0, self.ends_at - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
            try:
                process.wait(SECONDS_TO_SAVE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None


def build_environment() -> dict[str, str]:
    """The environment of the commands: they find the package and the plugin for CIFAR-10."""
    places = [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in places if place)}


def run_tests(day: Day) -> Outcome:
    """The tests that are marked gpu."""
    report = day.out / "junit.xml"
    command = ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", "tests/gpu", "tests/test_golden.py"]
    code = day.call(command, **({"DNLL_GPU_TESTS_ON": "cpu"} if day.rehearse else {}))
    if code is None:
        return Outcome([], finished=False, failed=False)
    rows = []
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        row = {"test": case.get("name"), "outcome": kinds.pop() if kinds else "passed"}
        rows.append({**row, "seconds": round(float(case.get("time", 0)), 1)})
    return Outcome(rows, finished=code == 0, failed=code != 0)


BENCH = {
    "cnn13": ("dnll_cifar10_1000_cnn13", "num_workers=4"),
    "wrn_28_2_loaders": ("dnll_cifar10_40", "num_workers=4"),
    "wrn_28_2_on_device": ("dnll_cifar10_40", "data_on=device"),
    "wrn_28_2_amp": ("dnll_cifar10_40", "data_on=device", "amp=true"),
    "wrn_28_2_meanteacher": ("dnll_mt_cifar10_40", "data_on=device"),
}
"""Configs and settings that ``dnll bench`` measures, beside the toolbox's algorithms."""

TINY = (
    *("dataset=digits", "num_labels=20", "net=cnn3", "img_size=8", "batch_size=4", "uratio=1"),
    *("num_workers=0", "device=cpu"),
)
"""Settings of a rehearsal."""

COLUMNS = ("algorithm", "net", "batch", "amp", "step_ms", "end_to_end_ms", "step_over_floor")
COLUMNS += ("iteration_over_step", "peak_memory_mb")


def run_bench(day: Day) -> Outcome:
    """What steps cost. A case that is measured is kept."""
    code: int | None = 0
    failed = False
    for name, (config, *words) in BENCH.items():
        file = day.out / f"{name}.json"
        if file.exists() or code is None:
            continue
        place = ["--c", config, "--data_dir", str(day.data_dir), "--plugin", "cifar10_copy"]
        size = ["--rounds", "2", "--set", *TINY] if day.rehearse else ["--set"]
        command = ["-m", "dnll_plugin", "bench", *place, "--json", str(file), *size, *words]
        code = day.call(command)
        failed |= code not in (0, None)
    rows = []
    for name in BENCH:
        file = day.out / f"{name}.json"
        for row in json.loads(file.read_text(encoding="utf-8")) if file.exists() else []:
            found = {column: row.get(column) for column in COLUMNS}
            images = sum(map(int, row["batch"].split(" + ")))
            speed = round(1000 * images / row["end_to_end_ms"])
            rows.append({"case": name, **found, "images_a_second": speed})
    return Outcome(rows, finished=code == 0 and not failed, failed=failed)


def laptop_configs(rehearse: bool) -> list[Path]:
    """The config files of the laptop suite; in a rehearsal those of the digits."""
    found = sorted((CONFIG / "laptop").glob("digits*.yaml" if rehearse else "*.yaml"))
    return found or [CONFIG / "dnll_digits_20.yaml"]


def run_laptop(day: Day) -> Outcome:
    """The laptop suite."""
    configs = laptop_configs(day.rehearse)
    algorithms = ["supervised", "meanteacher", "fixmatch", "flexmatch"]
    algorithms += ["dnll_fixmatch", "dnll_dual", "dnll_meanteacher"]
    if day.rehearse:
        return compare(day, configs[:1], algorithms[:2], ["0"], ["num_train_iter=4", "epoch=2"])
    return compare(day, configs, algorithms, ["0", "1", "2"], ["data_on=device"], jobs=12)


def run_cifar(day: Day) -> Outcome:
    """CIFAR-10 with few labels; the schedule is the published one, of 1,048,576 steps."""
    published = (CONFIG / "dnll_cifar10_40.yaml").read_text(encoding="utf-8")
    configs = []
    for labels in (40, 250):
        config = day.out / f"cifar10_{labels}.yaml"
        config.write_text(
            published.replace("\nnum_labels: 40\n", f"\nnum_labels: {labels}\n"), encoding="utf-8"
        )
        configs.append(config)
    algorithms = ["fixmatch", "dnll_dual"]
    if day.rehearse:
        return compare(day, configs, algorithms, ["0"], ["num_train_iter=4", "epoch=2", *TINY])
    return compare(day, configs, algorithms, ["0"], ["data_on=device", "amp=true"], jobs=4)


def compare(
    day: Day,
    configs: list[Path],
    algorithms: list[str],
    seeds: list[str],
    words: list[str],
    jobs: int = 2,
) -> Outcome:
    """``dnll compare``, and how far each of its runs is."""
    from dnll_plugin.comparison.progress import progress
    from dnll_plugin.runs.folder import RunFolder

    out = day.out / "compare"
    command = ["-m", "dnll_plugin", "compare", "--c", *map(str, configs), "--seeds", *seeds]
    command += ["--algorithms", *algorithms, "--data_dir", str(day.data_dir), "--out", str(out)]
    command += ["--plugin", "cifar10_copy", "--jobs", str(jobs)]
    command += [] if day.rehearse else ["--devices", "cuda:0"]
    code = day.call([*command, "--set", *words])
    rows = []
    for folder in sorted(file.parent for file in out.glob("**/runs/*/config.yaml")):
        run = RunFolder(folder)
        step, error = progress(run.metrics)
        row = {"run": folder.relative_to(out).as_posix(), "steps": step}
        rows.append({**row, "error": error and round(error, 2), "finished": run.is_finished()})
    return Outcome(rows, finished=code == 0, failed=code not in (0, None))


STAGES: dict[int, tuple[str, Callable[[Day], Outcome]]] = {
    1: ("tests", run_tests),
    2: ("bench", run_bench),
    3: ("laptop", run_laptop),
    4: ("cifar10", run_cifar),
}
