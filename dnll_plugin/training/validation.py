"""Validation images: the best checkpoint is chosen by them, and they end a run early."""

from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.result import VALIDATED

VALIDATION = "val"
"""Name of the validation set, among those of an algorithm and in the names of its metrics."""


def name_validation(algorithm: ToolboxAlgorithm) -> None:
    """Names the validation set ``val`` and the test set ``eval``, which a run's error comes from.

    The toolbox calls the validation set ``eval`` where there is a test set apart from it.

    Raises:
        InputError: ``early_stopping`` is asked for and there are no validation images.
    """
    sets, loaders = algorithm.dataset_dict, algorithm.loader_dict
    if "test" in loaders:
        sets[VALIDATION], sets["eval"], sets["test"] = sets["eval"], sets["test"], None
        loaders[VALIDATION], loaders["eval"] = loaders["eval"], loaders.pop("test")
    elif algorithm.args.early_stopping > 0:
        name = algorithm.args.dataset
        raise InputError(f"early_stopping: {name} has no validation images: remove the key")


def has_validation(algorithm: ToolboxAlgorithm) -> bool:
    """Whether there are validation images."""
    return VALIDATION in algorithm.loader_dict


def validate(algorithm: ToolboxAlgorithm) -> None:
    """Evaluates on the validation images; the best evaluation, and whether the run ends with this
    step, follow from it."""
    algorithm.log_dict |= algorithm.evaluate(VALIDATION)
    if algorithm.log_dict[VALIDATED] > algorithm.best_eval_acc:
        algorithm.best_eval_acc, algorithm.best_it = algorithm.log_dict[VALIDATED], algorithm.it
    end_early(algorithm, algorithm.it + 1)


def end_early(algorithm: ToolboxAlgorithm, done: int) -> None:
    """Lets a run end after the steps that are done, where ``early_stopping`` says so.

    What decides it, the best step, is in every checkpoint: so a run that goes on from one decides
    alike.
    """
    limit = algorithm.args.early_stopping
    if limit > 0 and count_worse(done, algorithm.best_it, algorithm.num_eval_iter) >= limit:
        algorithm.num_train_iter = min(done, algorithm.num_train_iter)


def count_worse(done: int, best_it: int, num_eval_iter: int) -> int:
    """Evaluations since the best one.

    Args:
        done: Steps that are done.
        best_it: Step of the best evaluation, from 0.
        num_eval_iter: Steps from evaluation to evaluation.
    """
    return done // num_eval_iter - (best_it + 1) // num_eval_iter
