"""A run that goes on beyond the end that it was started with."""

from collections.abc import Mapping

from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.runs.same_settings import Difference


def follow_schedule(algorithm: ToolboxAlgorithm) -> tuple[float, float]:
    """Sets the learning rate to that of the algorithm's own schedule at its step.

    A checkpoint brings the rate of the schedule that it was written under.

    Returns:
        The learning rate before and after, of the last group of parameters.
    """
    scheduler, groups = algorithm.scheduler, algorithm.optimizer.param_groups
    before = groups[-1]["lr"]
    for group, first, factor in zip(groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True):
        group["lr"] = first * factor(scheduler.last_epoch)
    return before, groups[-1]["lr"]


def describe_schedules(
    differences: Mapping[str, Difference], epochs: int, rates: tuple[float, float]
) -> list[str]:
    """What becomes of the schedules of a run that goes on beyond its end, one sentence each.

    Args:
        differences: Those of its length.
        epochs: Epochs of the longer run.
        rates: The learning rates that :func:`follow_schedule` gives.
    """
    steps = differences["num_train_iter"]
    before, now = rates
    lines = [
        f"num_train_iter was {steps.before}: the learning rate goes on as if it had been "
        f"{steps.now} from the start, {now:.3g} where it was {before:.3g}"
    ]
    epochs_before = differences["epoch"].before if "epoch" in differences else epochs
    lengths = steps.before // epochs_before, steps.now // epochs
    if lengths[0] != lengths[1]:
        lines.append(
            f"an epoch, by which weights ramp up, was {lengths[0]} steps and is {lengths[1]}; "
            f"epoch={steps.now // lengths[0]} keeps its length"
        )
    return lines
