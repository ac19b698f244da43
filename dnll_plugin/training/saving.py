"""The hooks of ``dnll train`` that evaluate a run, save it, and end it in good order."""

import signal
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from semilearn.core.hooks import EvaluationHook, Hook

from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.code_version import note_code
from dnll_plugin.runs.folder import BEST, RunFolder
from dnll_plugin.runs.per_class import PREFIX
from dnll_plugin.runs.signals import Interruption
from dnll_plugin.settings.resolve import Settings
from dnll_plugin.training import checkpoint
from dnll_plugin.training.foreign_checkpoint import (
    check_weights,
    load_from_toolbox,
    malformed_is_wrong_input,
)
from dnll_plugin.training.open_set import measure_open_set
from dnll_plugin.training.predictions import record_predictions
from dnll_plugin.training.ranks import ALONE, Ranks
from dnll_plugin.training.validation import has_validation, validate

FROM_TOOLBOX = "{} is the toolbox's, which does not save its random generators; they start anew"


class Interrupted(Exception):
    """A signal ended the run, after a checkpoint was saved."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class QuietEvaluationHook(EvaluationHook):
    """The toolbox's evaluation, with that of unknown test images, at the last step with the
    calibration, and without saving and loading models once more after the run.

    Where there are validation images, they decide which evaluation is the best, and the test images
    never do.
    """

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        at_step = self.every_n_iters(algorithm, algorithm.num_eval_iter)
        if not (at_step or self.is_last_iter(algorithm)):
            return
        if not has_validation(algorithm):
            self.test(algorithm)
            return
        validate(algorithm)
        best = algorithm.best_it, algorithm.best_eval_acc
        self.test(algorithm)
        algorithm.best_it, algorithm.best_eval_acc = best

    def test(self, algorithm: ToolboxAlgorithm) -> None:
        """Evaluates on the test images."""
        with record_predictions(algorithm) as predictions:
            super().after_train_step(algorithm)
        if self.is_last_iter(algorithm):
            algorithm.log_dict |= predictions.calibration_errors("eval")
            by_label = predictions.class_accuracies()
            algorithm.log_dict |= {f"{PREFIX}{label}": share for label, share in by_label.items()}
        algorithm.log_dict |= measure_open_set(algorithm, predictions)

    def after_run(self, algorithm: ToolboxAlgorithm) -> None:
        algorithm.results_dict = {
            "eval/best_acc": algorithm.best_eval_acc,
            "eval/best_it": algorithm.best_it,
        }


class NamingHook(Hook):
    """Writes, once a first step is done, with which settings and code the run goes on.

    A run that fails before its first step leaves nothing that would keep another from its folder.

    Args:
        settings: Those of the run.
        folder: The run folder; the result of a shorter run is set aside there.
    """

    def __init__(self, settings: Settings, folder: RunFolder) -> None:
        super().__init__()
        self.settings = settings
        self.folder = folder
        self.done = False

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        if self.done:
            return
        self.done = True
        self.folder.set_result_aside()
        self.settings.dump(self.folder.config)
        note_code(self.folder.code)


class SavingHook(Hook):
    """Saves the run at each evaluation, at the last step, and when a signal asks it to end.

    Args:
        folder: The run folder.
        interruption: See :data:`Interruption`; the same in all processes.
        ranks: The processes of the run, of which rank 0 writes.

    Attributes:
        seconds_before: Training time of the sessions that this one goes on from.
    """

    def __init__(self, folder: Path, interruption: Interruption, ranks: Ranks = ALONE) -> None:
        super().__init__()
        self.folder = folder
        self.interruption = interruption
        self.ranks = ranks
        self.seconds_before = 0.0
        self.started_at = 0.0

    def before_run(self, algorithm: ToolboxAlgorithm) -> None:
        self.started_at = time.monotonic()

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        number = self.interruption()
        evaluated = "eval/top-1-acc" in algorithm.log_dict
        if not evaluated and number is None:
            return
        algorithm.call_hook("check", "FiniteHook")
        state = collect_state(algorithm, self.seconds(), self.ranks)
        is_best = evaluated and algorithm.it == algorithm.best_it
        self.ranks.run_on_rank0(lambda: self.write(state, is_best))
        if number is not None and not self.is_last_iter(algorithm):
            raise Interrupted(number)

    def write(self, state: Mapping[str, Any], is_best: bool) -> None:
        """Writes the best checkpoint before the latest: killed in between, it is made again."""
        if is_best:
            checkpoint.write(state, self.folder / BEST)
        checkpoint.write_latest(state, self.folder)

    def last_checkpoint(self) -> str:
        """What the last good checkpoint is, for a message."""
        path = checkpoint.find_latest_intact(self.folder)
        if path is None:
            return "no checkpoint was written before"
        return f"the last good checkpoint is {path}, of step {checkpoint.read(path)['it']}"

    def seconds(self) -> float:
        """Training time so far, over all sessions."""
        return self.seconds_before + time.monotonic() - self.started_at


def collect_state(algorithm: ToolboxAlgorithm, seconds: float, ranks: Ranks) -> dict[str, Any]:
    """Everything that a run needs to go on as if it had not stopped.

    Ranks differ in their random generators and in nothing else.
    """
    first, *others = ranks.gather(checkpoint.get_random_state())
    return {
        **algorithm.get_save_dict(),
        "epoch": algorithm.epoch,
        "dnll": {
            "identity": identity(algorithm.args),
            "device": next(algorithm.model.parameters()).device.type,
            "random": first,
            "random_of_others": others,
            "seconds": seconds,
        },
    }


def load_checkpoint(path: Path, algorithm: ToolboxAlgorithm, saving: SavingHook) -> list[str]:
    """Puts an algorithm back to where a checkpoint was written.

    Args:
        path: An undamaged checkpoint, of ``dnll train`` or of the toolbox's ``train.py``.
        algorithm: The algorithm, built with the settings of the run, on its device.
        saving: Its saving hook, which goes on counting the time.

    Returns:
        Why the run does not go on exactly; empty where it does.

    Raises:
        InputError: If the checkpoint is of another algorithm, net or number of classes, or of
            another number of processes.
    """
    state = checkpoint.read(path)
    own = state.get("dnll")
    with malformed_is_wrong_input(path):
        if own is None:
            load_from_toolbox(state, algorithm, path)
            reasons = [FROM_TOOLBOX.format(path.name)]
        else:
            check_identity(own["identity"], algorithm.args, path)
            random_states = [own["random"], *own.get("random_of_others", [])]
            check_world_size(len(random_states), saving.ranks, path)
            check_weights(state, algorithm, path)
            algorithm.load_model(str(path))
            saving.seconds_before = own["seconds"]
            random_state = random_states[saving.ranks.rank]
            checkpoint.set_random_state(random_state)
            reasons = find_inexact(own.get("device"), random_state, algorithm)
        if algorithm.loss_scaler.is_enabled() and not state["loss_scaler"]:
            reasons.append("it holds no scale of the loss: the scaler starts anew")
    algorithm.start_epoch = algorithm.epoch = algorithm.it // algorithm.num_iter_per_epoch
    algorithm.resume = True  # the toolbox's EMA hook then goes on from the loaded averages
    return reasons


def find_inexact(
    written_on: str | None, random_state: Mapping[str, Any], algorithm: ToolboxAlgorithm
) -> list[str]:
    """Why a run that goes on here computes other numbers than it would have.

    Args:
        written_on: Type of the device on which the checkpoint was written, None if unknown.
        random_state: The random generators in the checkpoint.
        algorithm: The algorithm, on its device.
    """
    here = next(algorithm.model.parameters()).device.type
    if written_on not in (None, here):
        return [f"it was written on {written_on}, whose random generators {here} does not have"]
    before, now = len(random_state["cuda"]), torch.cuda.device_count()
    if here == "cuda" and before != now:
        return [f"it was written where {before} GPUs were visible, and {now} are here"]
    return []


def identity(args: Namespace) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that goes on from it."""
    names = ("algorithm", "net", "net_right", "num_classes")
    return {name: getattr(args, name, None) for name in names}


def check_identity(written: Mapping[str, Any], args: Namespace, path: Path) -> None:
    """Compares the :func:`identity` in a checkpoint with the settings of a run.

    Raises:
        InputError: If they do not fit; the message names the first difference.
    """
    for name, wanted in identity(args).items():
        found = written[name]
        if found != wanted:
            raise InputError(f"{path}: its {name} is {found!r}, that of the run is {wanted!r}")


def check_world_size(found: int, ranks: Ranks, path: Path) -> None:
    """Compares the number of processes that wrote a checkpoint with that of the run.

    Raises:
        InputError: If they differ: the batches would be others.
    """
    if found != ranks.world_size:
        start = (
            f"torchrun --nproc_per_node={found} -m dnll_plugin train" if found > 1 else "dnll train"
        )
        raise InputError(
            f"{path}: its world_size is {found}, that of the run is {ranks.world_size}; "
            f"start it with {start}"
        )
