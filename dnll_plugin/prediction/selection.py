"""Which of the models of a run predicts, and whether its code may be imported.

Apart from the nets, so that a wrong choice is told before torch is imported.
"""

from dnll_plugin.errors import InputError
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.settings.ranges import join_names


def check_plugin(asked: str | None, run: TrainedRun) -> None:
    """Checks that the user names the code that a run needs; that its folder does is not enough.

    Raises:
        InputError: The run needs code and none is named.
    """
    if asked is None and run.plugin is not None:
        raise InputError(
            f"{run.config_file}: plugin: the run needs code, {run.plugin}, which is only imported "
            f"when you say so: give --plugin {run.plugin}"
        )


def choose_submodel(asked: str | None, run: TrainedRun) -> str:
    """The submodel to predict with.

    Raises:
        InputError: If the run has none of that name.
    """
    if asked is None:
        return run.submodels[0]
    if asked not in run.submodels:
        raise InputError(
            f"--submodel: a run of {run.algorithm} has {join_names(run.submodels)}, not {asked!r}"
        )
    return asked


def check_share(share: float) -> None:
    """Checks the share of the run's test images that may be called unknown.

    Raises:
        InputError: It is none.
    """
    if not 0 < share < 1:
        raise InputError(f"--unknown_share: must be above 0 and below 1, got {share}")
