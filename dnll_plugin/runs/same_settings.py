"""Whether a run goes on with the settings that it was started with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.settings.resolve import Settings, read_yaml

MAY_DIFFER_ON_RESUME = {"data_dir", "save_dir", "save_name", "num_workers", "device"}
"""Keys that change nothing of what a run computes."""

LENGTH = {"num_train_iter", "epoch"}
"""Keys that differ where a run is to go on beyond its end."""


class Difference(NamedTuple):
    """A value that a run was started with, and the one that it is to go on with."""

    before: Any
    now: Any


def find_differences(settings: Settings, folder: RunFolder) -> dict[str, Difference]:
    """The settings that matter and are not those of the run in a folder; none without a run.

    Args:
        settings: What the run is to go on with.
        folder: The run folder.
    """
    if not (folder.holds_run() and folder.config.exists()):
        return {}
    before = read_yaml(folder.config)
    return {
        key: Difference(before[key], settings[key])
        for key in settings.values
        if key in before and key not in MAY_DIFFER_ON_RESUME and settings[key] != before[key]
    }


def is_longer(differences: Mapping[str, Difference]) -> bool:
    """Whether a run differs in its length alone, which is to be larger."""
    steps = differences.get("num_train_iter")
    return steps is not None and differences.keys() <= LENGTH and steps.now > steps.before


def check_same_settings(
    settings: Settings, folder: RunFolder, remedy: str, *, may_be_longer: bool = False
) -> None:
    """Compares settings with those that the run in a folder, if there is one, was started with.

    Args:
        settings: What the run is to go on with.
        folder: The run folder.
        remedy: What the user can do, for the message.
        may_be_longer: Whether the run may go on beyond its end.

    Raises:
        InputError: If a setting that matters differs; the message names it.
    """
    differences = find_differences(settings, folder)
    if may_be_longer and is_longer(differences):
        return
    for key, (before, now) in differences.items():
        raise InputError(f"{key}: the run in {folder.path} has {before!r}, not {now!r}; {remedy}")
