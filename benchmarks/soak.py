"""Does a long run stay as fast and as small as it began? Trains on digits and watches from outside.

    python benchmarks/soak.py --out DIR [--steps 20000]

A machine is seldom as fast in the end as in the beginning, so a fresh run of a tenth of the steps
follows, and the last steps of the long one are compared with it. Writes ``soak.json`` and
``soak.png`` into DIR, beside the runs, and exits with 1 where memory or the time of a step grew.
Needs Linux: memory and processor time of a run are read from ``/proc``.
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
"""Log lines, and so measurements, of the long run; a fresh one has a tenth of them."""
SETTINGS = (
    *("img_size=8", "batch_size=4", "uratio=2", "eval_batch_size=500", "epoch=20"),
    "device=cpu",
)
MEMORY_MAY_GROW = 0.02
"""From the first tenth of the run, when all is allocated, to the last."""
TIME_MAY_GROW = 0.10
"""From the fresh run to the last tenth of the long one; machines are not that steady."""


class Sample(NamedTuple):
    """The run when a log line appeared."""

    step: int
    seconds: float
    processor_seconds: float
    memory_mb: float


def samples_of(out: Path, name: str, steps: int, log: int) -> list[Sample]:
    """Trains on one thread, logging every so many steps, and watches."""
    changes = [f"num_train_iter={steps}", f"num_log_iter={log}", f"num_eval_iter={10 * log}"]
    command = [
        *(sys.executable, "-m", "dnll_plugin", "train"),
        *("--c", str(ROOT / "config" / "dnll_digits_20.yaml")),
        *("--save_dir", str(out), "--save_name", name, "--set", *changes, *SETTINGS),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        samples = watch(process, out / name / "metrics.jsonl")
    if process.returncode:
        sys.exit(process.returncode)
    return samples


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


def verdict(samples: list[Sample], fresh: list[Sample]) -> dict[str, float | bool]:
    """By which share memory and the time of a step grew over the run, and whether it is flat."""
    tenth = len(samples) // 10
    memory = [sample.memory_mb for sample in samples]
    memory_at = max(memory[:tenth]), max(memory[-tenth:])
    times_at = [
        statistics.median(times)
        for times in (step_times(fresh)[2:], step_times(samples)[-tenth:])  # 2: until it is warm
    ]
    memory_growth, time_growth = (last / first - 1 for first, last in (memory_at, times_at))
    return {
        "first_memory_mb": round(memory_at[0], 1),
        "last_memory_mb": round(memory_at[1], 1),
        "memory_growth": round(memory_growth, 4),
        "fresh_step_ms": round(times_at[0], 2),
        "last_step_ms": round(times_at[1], 2),
        "time_growth": round(time_growth, 4),
        "flat": memory_growth <= MEMORY_MAY_GROW and time_growth <= TIME_MAY_GROW,
    }


def draw(samples: list[Sample], fresh: list[Sample], file: Path) -> None:
    """Draws memory and the time of a step over the run, the fresh run's at its end."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(8, 5), layout="constrained")
    steps = [sample.step for sample in samples]
    above.plot(steps, [sample.memory_mb for sample in samples])
    above.set(ylabel="resident memory (MB)", ylim=(0, 1.2 * max(s.memory_mb for s in samples)))
    below.plot(steps[1:], step_times(samples), label="the run")
    after = [steps[-1] + sample.step for sample in fresh[1:]]
    below.plot(after, step_times(fresh), label="a fresh run after it")
    below.legend(loc="lower right")
    below.set(ylabel="processor time of a step (ms)", xlabel="step", ylim=(0, None))
    figure.savefig(file, dpi=120)


def main() -> int:
    """Runs the soak; returns 0 where it is flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=20_000)
    options = parser.parse_args()
    if options.steps % (10 * LINES):  # the log interval and the 100 epochs divide both runs
        parser.error(f"--steps must be a multiple of {10 * LINES}")
    log = options.steps // LINES
    samples = samples_of(options.out, "long", options.steps, log)
    fresh = samples_of(options.out, "fresh", options.steps // 10, log)
    found = verdict(samples, fresh)
    record = {"steps": options.steps, "settings": SETTINGS, **found}
    for name, taken in {"long": samples, "fresh": fresh}.items():
        record[name] = [sample._asdict() for sample in taken]
    (options.out / "soak.json").write_text(json.dumps(record, indent=1) + "\n")
    draw(samples, fresh, options.out / "soak.png")
    print(json.dumps(found, indent=1))
    return 0 if found["flat"] else 1


if __name__ == "__main__":
    sys.exit(main())
