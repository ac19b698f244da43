"""Whether a checkpoint fits a run, also one that the toolbox's ``train.py`` wrote."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.training import checkpoint

OF_DDP = "module."
"""What stands before the names of weights that the toolbox saved from several processes."""


@contextmanager
def malformed_is_wrong_input(path: Path) -> Iterator[None]:
    """Turns what goes wrong with a file that is no checkpoint after all into an InputError."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        what = f"holds no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: not a checkpoint of this algorithm: {what}") from error


def load_from_toolbox(state: Mapping[str, Any], algorithm: ToolboxAlgorithm, path: Path) -> None:
    """Puts an algorithm to where the toolbox's ``train.py`` wrote a checkpoint.

    Args:
        state: What the checkpoint holds.
        algorithm: The algorithm of the run, on its device.
        path: The checkpoint, for messages.

    Raises:
        InputError: If it does not fit, or nothing is left to train.
    """
    weights = {kind: checkpoint.get_weights(state, kind, path) for kind in ("model", "ema_model")}
    state = {**state, **{kind: without_ddp(weights[kind]) for kind in weights}}
    check_weights(state, algorithm, path)
    if state["it"] >= algorithm.num_train_iter:
        raise InputError(
            f"{path}: is at step {state['it']} of {algorithm.num_train_iter}, so that nothing is "
            "left to train; give a larger num_train_iter"
        )
    with TemporaryDirectory() as folder:  # the toolbox's algorithms load from a file only
        file = Path(folder) / path.name
        checkpoint.write(state, file)
        try:
            algorithm.load_model(str(file))
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: does not fit {algorithm.algorithm}: {reason}") from error


def without_ddp(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under the names that they have in a single process."""
    return {name.removeprefix(OF_DDP): value for name, value in weights.items()}


def check_weights(state: Mapping[str, Any], algorithm: ToolboxAlgorithm, path: Path) -> None:
    """Checks that a checkpoint's weights are those of the run's nets.

    Raises:
        InputError: If they are not; the message names the first difference.
    """
    models: dict[str, nn.Module] = {"model": algorithm.model, "ema_model": algorithm.ema_model}
    for kind, model in models.items():
        weights = checkpoint.get_weights(state, kind, path)
        found = {name: tuple(value.shape) for name, value in weights.items()}
        wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        difference = first_difference(found, wanted)
        if difference:
            raise InputError(
                f"{path}: is of another net or other classes than {algorithm.args.net} with "
                f"{algorithm.num_classes}: {difference}"
            )


def first_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What sets the shapes of two nets' weights apart, or nothing."""
    for name, shape in wanted.items():
        if name not in found:
            return f"it lacks {name}"
        if found[name] != shape:
            return f"its {name} has shape {found[name]}, not {shape}"
    return "".join(f"it has {name}" for name in list(found.keys() - wanted.keys())[:1])
