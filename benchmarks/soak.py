"""Does a long run stay as fast and as small as it began? Trains on digits and watches from outside.

    python benchmarks/soak.py --out DIR [--steps 20000]

Writes ``soak.json`` and ``soak.png`` into DIR, beside the run, and exits with 1 where memory or the
time of a step grew. Needs Linux: memory and processor time of the run are read from ``/proc``.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LINES = 200
"""Log lines, and so measurements, of a run."""
SETTINGS = (
    *("img_size=8", "batch_size=4", "uratio=2", "eval_batch_size=500", "epoch=100"),
    "device=cpu",
)
MEMORY_MAY_GROW = 0.02
"""From the first tenth of the run, when all is allocated, to the last."""
TIME_MAY_GROW = 0.10
"""From the second tenth to the last; machines are not that steady."""


class Sample(NamedTuple):
    """The run when a log line appeared."""

    step: int
    seconds: float
    processor_seconds: float
    memory_mb: float


def start(out: Path, steps: int) -> subprocess.Popen[bytes]:
    """Starts the run, on one thread."""
    lines = [f"num_train_iter={steps}", f"num_log_iter={steps // LINES}"]
    lines += [f"num_eval_iter={steps // 20}", *SETTINGS]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "dnll_plugin", "train"),
            *("--c", str(ROOT / "config" / "dnll_digits_20.yaml")),
            *("--save_dir", str(out), "--save_name", "run", "--set", *lines),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )


def watch(process: subprocess.Popen[bytes], metrics: Path) -> list[Sample]:
    """Takes a sample at each log line, until the run ends."""
    samples: list[Sample] = []
    began = time.monotonic()
    while process.poll() is None:
        lines = metrics.read_text().count("\n") if metrics.exists() else 0
        if lines > len(samples):
            step = json.loads(metrics.read_text().splitlines()[lines - 1])["step"]
            samples.append(Sample(step, time.monotonic() - began, *of_process(process.pid)))
        time.sleep(0.02)
    return samples


def of_process(pid: int) -> tuple[float, float]:
    """Processor time in seconds, and resident memory in MB, of a process."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(after_name[11]) + int(after_name[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def step_times(samples: list[Sample]) -> list[float]:
    """Processor milliseconds a step, from each sample to the next."""
    return [
        1000 * (after.processor_seconds - before.processor_seconds) / (after.step - before.step)
        for before, after in itertools.pairwise(samples)
    ]


def verdict(samples: list[Sample]) -> dict[str, float | bool]:
    """By which share memory and the time of a step grew over the run, and whether it is flat."""
    tenth = len(samples) // 10
    times, memory = step_times(samples), [sample.memory_mb for sample in samples]
    memory_at = max(memory[:tenth]), max(memory[-tenth:])
    time_at = statistics.median(times[tenth : 2 * tenth]), statistics.median(times[-tenth:])
    memory_growth, time_growth = (last / first - 1 for first, last in (memory_at, time_at))
    return {
        "first_memory_mb": round(memory_at[0], 1),
        "last_memory_mb": round(memory_at[1], 1),
        "memory_growth": round(memory_growth, 4),
        "first_step_ms": round(time_at[0], 3),
        "last_step_ms": round(time_at[1], 3),
        "time_growth": round(time_growth, 4),
        "flat": memory_growth <= MEMORY_MAY_GROW and time_growth <= TIME_MAY_GROW,
    }


def draw(samples: list[Sample], file: Path) -> None:
    """Draws memory and the time of a step over the run."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(8, 5), layout="constrained")
    steps = [sample.step for sample in samples]
    above.plot(steps, [sample.memory_mb for sample in samples])
    above.set(ylabel="resident memory (MB)", ylim=(0, None))
    below.plot(steps[1:], step_times(samples))
    below.set(ylabel="processor time of a step (ms)", xlabel="step", ylim=(0, None))
    figure.savefig(file, dpi=120)


def main() -> int:
    """Runs the soak; returns 0 where it is flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    if options.steps % (5 * LINES):
        parser.error(f"--steps must be a multiple of {5 * LINES}")
    process = start(options.out, options.steps)
    samples = watch(process, options.out / "run" / "metrics.jsonl")
    if process.returncode:
        return process.returncode
    found = verdict(samples)
    record = {"steps": options.steps, "settings": SETTINGS, **found}
    record["samples"] = [sample._asdict() for sample in samples]
    (options.out / "soak.json").write_text(json.dumps(record, indent=1) + "\n")
    draw(samples, options.out / "soak.png")
    print(json.dumps(found, indent=1))
    return 0 if found["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
