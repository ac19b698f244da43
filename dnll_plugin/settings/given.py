"""What is given of a run's settings, and where: in the file, on the command line, by the data."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dnll_plugin.datasets import DATASETS
from dnll_plugin.errors import InputError
from dnll_plugin.settings.config_file import one_line, read_config, read_value, shorten
from dnll_plugin.settings.toolbox_keys import IGNORED, ToolboxKeys
from dnll_plugin.toolbox.plugins import import_plugins

DEFAULT, FILE, COMMAND_LINE, DATA = "default", "file", "command line", "data"


class Given(NamedTuple):
    """A value as the user wrote it, and where."""

    value: Any
    origin: str
    place: str


def read_given(
    config_file: Path | None, overrides: Sequence[str], options: Mapping[str, Any]
) -> tuple[dict[str, Given], dict[str, Given]]:
    """What the user gives.

    Args:
        config_file: a YAML file or the name of one of the plugin's; None: every default.
        overrides: ``key=value`` each, the value written as in the file; later ones win.
        options: keys that have an option of their own; None: not given.

    Returns:
        What the file says, and what all of it says together, the command line over the file.

    Raises:
        InputError: the file cannot be read, or an override is not ``key=value``.
    """
    in_file = {} if config_file is None else _in_file(config_file)
    return in_file, {**in_file, **_in_overrides(overrides), **_in_options(options)}


def import_given_plugins(given: Mapping[str, Given]) -> None:
    """Imports the modules of the key ``plugin``, which may define what other keys name.

    Raises:
        InputError: one of them cannot be imported.
    """
    if "plugin" not in given:
        return
    value, _, place = given["plugin"]
    if isinstance(value, str) and value not in ("", "None"):  # anything else is refused later
        try:
            import_plugins(value)
        except InputError as error:
            raise InputError(one_line(f"{error} ({place})")) from error


def read_data_facts(given: Mapping[str, Given]) -> dict[str, Given]:
    """What the folders of own images decide, whatever the file says.

    Returns:
        ``num_classes``, and ``num_labels`` where the folders hold labeled images apart from the
        unlabeled ones; nothing for any other data set.

    Raises:
        InputError: the folders are wrong, or the command line contradicts them.
    """
    name = given["dataset"].value if "dataset" in given else None
    read_facts = DATASETS[name].read_facts if isinstance(name, str) and name in DATASETS else None
    if read_facts is None:
        return {}
    default = ToolboxKeys.model_fields["data_dir"].default
    data_dir = given["data_dir"].value if "data_dir" in given else default
    classes, labels = read_facts(str(data_dir))
    place = f"the folders in {data_dir}"
    facts = {"num_classes": Given(len(classes), DATA, place)}
    if labels is not None:
        facts["num_labels"] = Given(labels, DATA, place)
    for key, (value, _, _) in facts.items():
        if key in given and given[key].origin == COMMAND_LINE and given[key].value != value:
            raise setting_error(key, f"{place} say {value}; leave it out", given[key].place)
    return facts


def read_yaml(file: Path) -> dict[str, Any]:
    """The values of a config file as they are written, unchecked.

    Raises:
        InputError: it cannot be read, or is not flat YAML.
    """
    return {key: entry.value for key, entry in read_config(Path(file)).items()}


def _in_file(file: Path) -> dict[str, Given]:
    entries = read_config(Path(file))
    return {
        key: Given(value, FILE, f"{file} line {line}")
        for key, (value, line) in entries.items()
        if key not in IGNORED
    }


def _in_overrides(overrides: Iterable[str]) -> dict[str, Given]:
    given = {}
    for override in overrides:
        key, separator, text = override.partition("=")
        key = key.strip()
        if not separator or not key:
            raise InputError(f"--set {shorten(override)}: write key=value, as in --set lr=0.03")
        if key in IGNORED:
            raise InputError(f"--set {key}: dnll train decides this itself; {IGNORED[key]}")
        try:
            value = read_value(text)
        except InputError as error:
            raise setting_error(key, str(error), "--set") from None
        given[key] = Given(value, COMMAND_LINE, "--set")
    return given


def _in_options(options: Mapping[str, Any]) -> dict[str, Given]:
    return {
        key: Given(str(value) if isinstance(value, Path) else value, COMMAND_LINE, f"--{key}")
        for key, value in options.items()
        if value is not None
    }


def setting_error(key: str, message: str, place: str) -> InputError:
    """The error about a key: what is wrong, and where it is written."""
    return InputError(one_line(f"{key}: {message} ({place})"))
