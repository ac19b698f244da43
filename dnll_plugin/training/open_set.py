"""How well a run finds the test images of none of its classes, at each evaluation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dnll_plugin.functional.open_set import (
    LOGIT_SCORES,
    area_under_roc,
    balanced_accuracy,
    false_alarm_rate,
    reject,
    separating_threshold,
)
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.open_set import MEASURES, name_metric
from dnll_plugin.training.loaders import use_seed
from dnll_plugin.training.predictions import PAIR, Predictions, record_predictions

UNKNOWN = "unknown"
"""Name of the loader of these images, among those of an algorithm."""

Parts = tuple[Predictions, Predictions]
"""What is predicted of the known and of the unknown test images."""

Measures = dict[str, Tensor]
"""A 0-dim tensor in [0, 1] for each of :data:`~dnll_plugin.runs.open_set.MEASURES`."""


def add_unknown_loader(algorithm: ToolboxAlgorithm) -> None:
    """Adds a loader of the unknown test images, where the data set has some."""
    from semilearn.core.utils import get_data_loader

    unknown = getattr(algorithm.dataset_dict["eval"], "unknown", None)
    if unknown is not None:
        args = algorithm.args
        algorithm.loader_dict[UNKNOWN] = get_data_loader(
            args,
            unknown,
            args.eval_batch_size,
            data_sampler=None,
            num_workers=args.num_workers,
            drop_last=False,
        )


def measure_open_set(
    algorithm: ToolboxAlgorithm, known: Predictions, eval_dest: str = "eval"
) -> dict[str, float]:
    """Measures the scores of the evaluated weights, with one more pass over the unknown images.

    An algorithm's own score, and its own way to say which images are unknown, are those of its
    methods ``score_unknown(images)`` and ``classify_open_set(images)``, if it has them: of a batch
    of images the scores (N,), and a class (N,) each, K for an unknown one. They make passes of
    their own, of a pair by the ensemble.

    For any other balanced accuracy an image is unknown from a threshold on that needs no label: the
    one that splits the scores of all test images, known and unknown together, best in two
    (:func:`~dnll_plugin.functional.open_set.separating_threshold`).

    Args:
        algorithm: After its evaluation on ``eval_dest``.
        known: What that evaluation predicted.
        eval_dest: What the names of the metrics begin with.

    Returns:
        What to log; nothing where there are no unknown test images.
    """
    if UNKNOWN not in algorithm.loader_dict or not known.logits:
        return {}
    # a loader draws a seed for its workers, which the training must not notice
    with use_seed(algorithm.args.seed), use_evaluated_weights(algorithm):
        unknown = predict_unknown(algorithm)
        truth = know_truth(known, unknown)
        own = measure_own_score(algorithm, (known, unknown), truth, eval_dest)
    of_model = {name: measure_logits((known, unknown), name, truth) for name in known.logits}
    whole = {**of_model["logits"], **own}
    if not all(name in of_model for name in PAIR):
        return name_all(whole, eval_dest)
    single = {
        score: {
            name: torch.stack([of_model[side][score][name] for side in PAIR]).mean()
            for name in MEASURES
        }
        for score in LOGIT_SCORES
    }
    return {**name_all(single, eval_dest), **name_all(whole, eval_dest, of_ensemble=True)}


@contextmanager
def use_evaluated_weights(algorithm: ToolboxAlgorithm) -> Iterator[None]:
    """Lets the model predict as the toolbox's evaluation does: averaged weights, no gradient."""
    algorithm.model.eval()
    algorithm.ema.apply_shadow()
    try:
        with torch.no_grad():
            yield
    finally:
        algorithm.ema.restore()
        algorithm.model.train()


def predict_unknown(algorithm: ToolboxAlgorithm) -> Predictions:
    """What the model predicts of the unknown test images."""
    with record_predictions(algorithm, UNKNOWN) as predictions:
        run_over(algorithm, UNKNOWN, algorithm.model)
    return predictions


def run_over(
    algorithm: ToolboxAlgorithm, loader: str, function: Callable[[Tensor], Any]
) -> list[Any]:
    """What a function gives for each batch of a loader's images, on the device of the model."""
    device = next(algorithm.model.parameters()).device
    return [function(data["x_lb"].to(device)) for data in algorithm.loader_dict[loader]]


def know_truth(known: Predictions, unknown: Predictions) -> Tensor:
    """The class of each known image and then, K, of each unknown one: integer (N + M,)."""
    rows, classes = unknown.join().shape
    return torch.cat([*known.targets, torch.full((rows,), classes)])


def measure_logits(parts: Parts, name: str, truth: Tensor) -> dict[str, Measures]:
    """Measures every score that the logits of a model give.

    Args:
        parts: What is predicted of known and of unknown images.
        name: Which of their logits.
        truth: See :func:`know_truth`.
    """
    logits = [part.join(name) for part in parts]
    measured = {}
    for score, function in LOGIT_SCORES.items():
        known, unknown = map(function, logits)
        measured[score] = measure(known, unknown, truth, decide(logits, [known, unknown]))
    return measured


def measure_own_score(
    algorithm: ToolboxAlgorithm, parts: Parts, truth: Tensor, eval_dest: str
) -> dict[str, Measures]:
    """Measures the algorithm's own score, as ``own``; nothing where it has none."""

    def ask(method: Callable[[Tensor], Tensor]) -> list[Tensor]:
        return [torch.cat(run_over(algorithm, name, method)).cpu() for name in (eval_dest, UNKNOWN)]

    score_unknown = getattr(algorithm, "score_unknown", None)
    if score_unknown is None:
        return {}
    known, unknown = ask(score_unknown)
    classify = getattr(algorithm, "classify_open_set", None)
    if classify is not None:
        decided = torch.cat(ask(classify))
    else:
        decided = decide([part.join() for part in parts], [known, unknown])
    return {"own": measure(known, unknown, truth, decided)}


def decide(logits: Sequence[Tensor], scores: Sequence[Tensor]) -> Tensor:
    """The most likely class of all images, or K for those whose score is in the upper group."""
    joined, whole = torch.cat([*logits]), torch.cat([*scores])
    threshold = separating_threshold(whole)
    return reject(joined.argmax(dim=1), whole, threshold, joined.shape[1])


def measure(known: Tensor, unknown: Tensor, truth: Tensor, decided: Tensor) -> Measures:
    """Measures the scores (N,) of known and (M,) of unknown images, and what was decided of them.

    Args:
        known, unknown: The scores.
        truth: Integer (N + M,), see :func:`know_truth`.
        decided: The same by the algorithm.
    """
    return {
        "auroc": area_under_roc(known, unknown),
        "fpr95": false_alarm_rate(known, unknown),
        "balanced_accuracy": balanced_accuracy(decided, truth),
    }


def name_all(
    measured: dict[str, Measures], eval_dest: str, of_ensemble: bool = False
) -> dict[str, float]:
    """The measures of all scores by their names in the records."""
    return {
        name_metric(eval_dest, score, measure, of_ensemble): value.item()
        for score, measures in measured.items()
        for measure, value in measures.items()
    }
