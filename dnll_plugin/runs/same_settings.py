"""Whether a run goes on with the settings that it was started with."""

from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.settings.resolve import Settings, read_yaml

MAY_DIFFER_ON_RESUME = {"data_dir", "save_dir", "num_workers", "device"}
"""Keys that change nothing of what a run computes."""


def check_same_settings(settings: Settings, config: Path, remedy: str) -> None:
    """Compares settings with those that the run in a folder, if there is one, was started with.

    Args:
        settings: What the run is to go on with.
        config: The ``config.yaml`` of the run folder.
        remedy: What the user can do, for the message.

    Raises:
        InputError: If a setting that matters differs; the message names it.
    """
    before = read_yaml(config) if config.exists() else {}
    for key in before.keys() & settings.values.keys() - MAY_DIFFER_ON_RESUME:
        if settings[key] != before[key]:
            raise InputError(
                f"{key}: the run in {config.parent} has {before[key]!r}, not {settings[key]!r}; "
                f"{remedy}"
            )
