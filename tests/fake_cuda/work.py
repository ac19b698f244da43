"""What the tests of the counterfeit device do in a process of their own: ``work.py JOBS RESULTS``.

``JOBS`` is a file with a JSON list. A job is ``{"settings": [...]}``, an algorithm to step,
``{"arguments": [...]}``, a run of ``dnll train``: see :func:`step_algorithm` and :func:`train`, or
``{"bench": [...]}``, what follows ``dnll bench``.
Each writes a line of JSON to ``RESULTS``. Numbers mean nothing here, so none ends a run.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

import torch

from dnll_plugin.benchmark import passes, timing
from dnll_plugin.benchmark.cases import Case, prepare
from dnll_plugin.commands.main import main
from dnll_plugin.hooks.finite import FiniteHook
from dnll_plugin.training.ddp import AgreementHook
from dnll_plugin.training.loaders import end_workers
from dnll_plugin.training.passes import find_nets

KINDS = (
    *("launch", "library", "memset", "copy_on_device", "pinned_copy", "pageable_copy"),
    *("synchronisation", "nccl"),
)
LAUNCHES = ("launch", "library", "memset", "copy_on_device")
"""What a GPU does one after the other, for which the host pays a launch each."""

WAITS = ("pageable_copy", "synchronisation")

runtime = ctypes.CDLL(os.environ["LD_PRELOAD"])
runtime.fake_counted.restype = ctypes.c_uint64


def count(run, kinds):
    """How many calls of these kinds a function makes."""
    runtime.fake_reset()
    run()
    return sum(runtime.fake_counted(KINDS.index(kind)) for kind in kinds)


@contextmanager
def nothing_waits(scaler):
    """Lets torch raise where the host would wait for the device, except in the loss scaler."""
    mode, step = torch.cuda.set_sync_debug_mode, scaler.step

    def step_that_may_wait(optimizer):
        mode("default")
        step(optimizer)
        mode("error")

    if scaler.is_enabled():
        scaler.step = step_that_may_wait
    mode("error")
    try:
        yield
    finally:
        mode("default")
        vars(scaler).pop("step", None)


def step_algorithm(settings):
    """Steps an algorithm.

    Returns:
        ``waits`` and ``launches`` of the parts of a step between log steps, and what torch
        ``raised`` where one of them waits.
    """
    with tempfile.TemporaryDirectory() as folder:
        algorithm = prepare(Case("", None, tuple(settings)), Path(folder)).algorithm
        if "dash" in algorithm.algorithm:
            algorithm.rho_init = 3.0  # what its warm-up finds
        try:
            return measure(algorithm)
        finally:
            end_workers(algorithm)


def measure(algorithm):
    batches = timing.begin(algorithm)
    held = {"load": None, "process_batch": None}

    def load():
        held["load"] = next(batches)

    def process_batch():
        held["process_batch"] = algorithm.process_batch(**held["load"])

    def iteration():
        timing.iteration(algorithm, held["process_batch"])

    parts = {"load": load, "process_batch": process_batch, "iteration": iteration}
    for algorithm.it, interval in enumerate((10**7, 1, 10**7, 10**7)):
        algorithm.num_log_iter = interval  # the second step is one that is logged
        for run in parts.values():
            run()
    result = {"waits": {name: count(run, WAITS) for name, run in parts.items()}}
    result["raised"] = raised(algorithm, parts, result["waits"])
    with passes.recorded(find_nets(algorithm)) as of_step:
        timing.step(algorithm, held["process_batch"])
    stages = {
        "floor": lambda: timing.update(algorithm, timing.floor(algorithm, of_step)),
        "step": lambda: timing.step(algorithm, held["process_batch"]),
        "iteration": iteration,
    }
    result["launches"] = {name: count(run, LAUNCHES) for name, run in stages.items()}
    return result


def raised(algorithm, parts, waits):
    """What torch's debug mode raises in the parts where no wait was counted, the scaler's aside."""
    found = {}
    for name, run in parts.items():
        of_scaler = int(name == "iteration" and algorithm.loss_scaler.is_enabled())
        if waits[name] > of_scaler:  # a step that ends half-way may leave its net in disorder
            continue
        try:
            with nothing_waits(algorithm.loss_scaler):
                run()
        except RuntimeError as error:
            found[name] = "".join(traceback.format_exception(error))
            run()
    return found


def train(arguments, stop_at=None, strict=(0, 0), port=None):
    """Runs ``dnll train``.

    Args:
        arguments: What follows ``train``.
        stop_at: Step after which a signal comes.
        strict: From the start of the first of these steps to that of the second nothing may wait.
        port: Where the ranks of this run meet.
    """
    os.environ["MASTER_PORT"] = str(port)
    original = FiniteHook.after_train_step, AgreementHook.before_train_step

    def after_train_step(self, algorithm):
        original[0](self, algorithm)
        if algorithm.it + 1 == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def before_train_step(self, algorithm):
        original[1](self, algorithm)
        if algorithm.it + 1 in strict:
            torch.cuda.set_sync_debug_mode("error" if algorithm.it + 1 == strict[0] else "default")

    FiniteHook.after_train_step = after_train_step
    AgreementHook.before_train_step = before_train_step
    try:
        return {"code": main(["train", *arguments])}
    finally:
        torch.cuda.set_sync_debug_mode("default")
        FiniteHook.after_train_step, AgreementHook.before_train_step = original


def work(job):
    try:
        if "bench" in job:
            return {"code": main(["bench", *job["bench"]])}
        return step_algorithm(job["settings"]) if "settings" in job else train(**job)
    except Exception as error:
        return {"error": "".join(traceback.format_exception(error))}


if __name__ == "__main__":
    FiniteHook.check = lambda self, algorithm: None
    if "RANK" in os.environ:
        # SyncBatchNorm reads which ranks have rows, except in a graph: here it would read of none
        torch.cuda.is_current_stream_capturing = lambda: True
    jobs, results = (Path(argument) for argument in sys.argv[1:])
    with results.open("w") as lines:
        for job in json.loads(jobs.read_text()):
            lines.write(json.dumps(work(job)) + "\n")
            lines.flush()
