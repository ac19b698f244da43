"""What a notebook calls: the commands as functions, and a trained net as an object."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnll_plugin.errors import InputError

if TYPE_CHECKING:  # importing the plugin costs nothing
    from pandas import DataFrame

    from dnll_plugin.prediction.trained_net import TrainedNet


def load(
    run: str | Path,
    *,
    weights: str = "last",
    submodel: str | None = None,
    device: str = "auto",
    plugin: str | None = None,
) -> "TrainedNet":
    """Loads the net that a run trained; nothing in its files is executed.

    Args:
        run: the run's folder.
        weights: ``last``: those whose error the run reports; ``best``: of its best evaluation,
            which was chosen on its validation images or, without any, on its test images.
        submodel: ``ensemble`` (the default), ``left`` or ``right`` of a pair; ``teacher`` (the
            default) or ``student``; None: the default.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        plugin: modules of your own that the run needs, separated by commas; they are imported.

    Returns:
        An object with ``net``, ``transform``, ``classes``, ``predict(images)``, ``config``,
        ``metrics`` and ``result``; and with ``find_threshold(share)`` and
        ``predict_open_set(images, unknown_above)``, which tell images of no class.

    Raises:
        InputError: The folder is none of a run, or its checkpoint is damaged or missing.
    """
    from dnll_plugin.prediction import trained_net

    return trained_net.load(run, weights=weights, submodel=submodel, device=device, plugin=plugin)


def train(config: str | Path, *, resume: bool = False, **settings: object) -> "TrainedNet":
    """Trains as ``dnll train`` does, in this process.

    Args:
        config: a config file, or the name of one of the plugin's.
        resume: whether to go on with the run in the folder.
        **settings: keys that beat the file's.

    Returns:
        The trained net, with the weights of the last step.

    Raises:
        InputError: Settings, data, device or run folder are wrong.
        KeyboardInterrupt: The run was interrupted; its checkpoint is saved.
    """
    from dnll_plugin.commands import train as command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = parser.parse_args(["--c", str(config), *["--resume"] * resume])
    options.set = _overrides(settings)
    if command.run(options) != 0:
        raise KeyboardInterrupt
    resolved = command.resolve_options(options)
    folder = Path(resolved["save_dir"]) / resolved["save_name"]
    return load(folder, device=resolved["device"], plugin=resolved["plugin"])


def compare(
    config: str | Path,
    algorithms: Sequence[str],
    seeds: Sequence[int],
    *,
    out: str | Path,
    baseline: str | None = None,
    jobs: int = 1,
    **settings: object,
) -> "DataFrame":
    """Compares algorithms as ``dnll compare`` does, in processes of their own.

    Args:
        config: a config file, or the name of one of the plugin's.
        algorithms: their names.
        seeds: one run each for every algorithm.
        out: folder of the report and the runs.
        baseline: the algorithm that the others are compared with; None: the first that is not of
            this package.
        jobs: runs at a time.
        **settings: keys that beat the file's, for every algorithm that has them.

    Returns:
        What ``results.csv`` in ``out`` holds, one row a run; ``report.html`` stands beside it.

    Raises:
        InputError: The options or settings are wrong.
        RuntimeError: A run failed; ``logs/`` in ``out`` says why.
    """
    command = [sys.executable, "-m", "dnll_plugin", "compare", "--c", str(config)]
    command += ["--out", str(out), "--jobs", str(jobs)]
    command += ["--algorithms", *algorithms, "--seeds", *map(str, seeds)]
    command += ["--baseline", baseline] if baseline else []
    command += ["--set", *_overrides(settings)] if settings else []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    line = ""
    for line in process.stdout:
        print(line, end="")
    if process.wait() == 2:
        raise InputError(line.strip().removeprefix("dnll: error: "))
    if process.returncode != 0:
        raise RuntimeError(f"dnll compare ended with exit code {process.returncode}")
    import pandas as pd

    return pd.read_csv(Path(out) / "results.csv")


def _overrides(settings: dict[str, Any]) -> list[str]:
    """``key=value`` each."""
    from dnll_plugin.settings.config_file import write_override

    return [
        write_override(key, str(value) if isinstance(value, Path) else value)
        for key, value in settings.items()
    ]
