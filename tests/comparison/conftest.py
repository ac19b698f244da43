"""Run folders as ``dnll train`` leaves them, made without training."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dnll_plugin.comparison.plan import OwnKey, Plan, Run
from dnll_plugin.runs.folder import RunFolder

STEPS = 10

MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a run that was not started."""

    def make(algorithm: str = "fixmatch", seed: int = 0) -> Run:
        folder = RunFolder(tmp_path / "runs" / f"{algorithm}_{seed}")
        return Run(algorithm, algorithm, seed, STEPS, folder, ("train", "--resume"))

    return make


@pytest.fixture
def finished(make_run: MakeRun) -> Callable[..., Run]:
    """Makes a finished run; ``errors`` are those of its evaluations, in percent."""

    def make(algorithm: str, seed: int, errors: list[float], **result: object) -> Run:
        run = make_run(algorithm, seed)
        run.folder.path.mkdir(parents=True)
        with run.folder.metrics.open("w") as metrics:
            for index, error in enumerate(errors):
                step, accuracy = (index + 1) * STEPS // len(errors), 1 - error / 100
                record = {"step": step, "lr": 0.1, "eval/top-1-acc": accuracy}
                if "ensemble_error_rate" in result:
                    record["eval/ensemble-acc"] = accuracy + 0.01
                metrics.write(json.dumps({"step": step - 1, "train/loss": 1.0}) + "\n")
                metrics.write(json.dumps(record) + "\n")
        run.folder.config.write_text(
            f"algorithm: {algorithm}\nseed: {seed}\ndataset: digits\nnum_labels: 20\nlr: 0.03\n"
        )
        np.savez(run.folder.path / "split.npz", labeled=[seed], unlabeled=[1, 2])
        whole = {
            **{"algorithm": algorithm, "seed": seed, "iterations": STEPS, "seconds": 5.0},
            **{"error_rate": errors[-1], "best_error_rate": min(errors), "device": "cpu"},
            **{"peak_memory_mb": 100.0, "versions": {"torch": "2.0"}, **result},
        }
        run.folder.result.write_text(json.dumps(whole))
        return run

    return make


@pytest.fixture
def finished_pair(finished: Callable[..., Run]) -> Callable[..., Run]:
    """The same for a pair that took turns, whose ensemble is better by one percent."""

    def make(seed: int, errors: list[float]) -> Run:
        return finished(
            "dnll_dual",
            seed,
            errors,
            left_error_rate=errors[-1] - 0.5,
            right_error_rate=errors[-1] + 0.5,
            ensemble_error_rate=errors[-1] - 1,
            updates={"left": STEPS // 2, "right": STEPS // 2},
        )

    return make


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """Makes the plan of some runs."""

    def make(*runs: Run) -> Plan:
        shared = {"dataset": "digits", "num_labels": 20, "lr": 0.03}
        algorithms = dict.fromkeys(run.algorithm for run in runs)
        return Plan(runs, shared, {name: {"T": OwnKey(0.5, "default")} for name in algorithms})

    return make
