"""The settings of a run: the config file, what the command line says over it, and the defaults."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from dnll_plugin.datasets import DATASETS
from dnll_plugin.errors import InputError
from dnll_plugin.settings.checks import CHECKS, find_nearest, suggest_name
from dnll_plugin.settings.config_file import (
    one_line,
    read_config,
    read_value,
    shorten,
    write_config,
)
from dnll_plugin.settings.keys import Keys, MethodKeys, choices_of, range_in_words
from dnll_plugin.settings.toolbox_keys import (
    IGNORED,
    RUN_FIELDS,
    UNREAD,
    RunConfigKeys,
    ToolboxKeys,
    algorithm_arguments,
    collect_keys,
    known_keys,
)
from dnll_plugin.toolbox.plugins import import_plugins

DEFAULT, FILE, COMMAND_LINE, DATA = "default", "file", "command line", "data"


class Given(NamedTuple):
    """A value as the user wrote it, and where."""

    value: Any
    origin: str
    place: str


@dataclass(frozen=True)
class Settings:
    """Checked settings of a run, read as attributes or by ``[]``.

    Attributes:
        values: each key that the run reads; the types are those of the key tables.
        origins: of each key: ``default``, ``file``, ``command line`` or ``data``.
        notes: one line each, about keys of the file that were accepted although the run does not
            read them, or takes its algorithm's own values.
        places: of each key that was given: file and line, or the option; for messages.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    notes: Sequence[str]
    places: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["values"][key]
        except KeyError:
            raise AttributeError(key) from None

    def namespace(self) -> argparse.Namespace:
        """The settings as the toolbox takes them, beside fields that the runner may set."""
        return argparse.Namespace(**{**RUN_FIELDS, **self.values})

    def dump(self, path: Path) -> None:
        """Writes a config file that resolves to the same values."""
        title = "the settings of this run, and where each comes from"
        write_config(Path(path), self.values, self.origins, title)

    def error(self, key: str, message: str) -> InputError:
        """What to raise when a key turns out wrong later, once the data is known."""
        return _error(key, message, self.places.get(key, DEFAULT))

    def check_label_count(self, images: int) -> None:
        """Checks ``num_labels`` against the training images that there are.

        Raises:
            InputError: there are fewer.
        """
        if self.num_labels > images:
            message = f"{self.num_labels} is more than the {images} training images there are"
            raise self.error("num_labels", f"{message}; write at most {images}")


def resolve(
    config_file: Path | None,
    overrides: Sequence[str] = (),
    *,
    data_dir: str | Path | None = None,
    save_dir: str | Path | None = None,
    save_name: str | None = None,
    seed: int | None = None,
    plugin: str | None = None,
) -> Settings:
    """Reads a config file, lays the command line over it and checks the result.

    Args:
        config_file: a YAML file with the toolbox's keys and ours; None: every default.
        overrides: ``key=value`` each, the value written as in the file; later ones win.
        data_dir: given as an option of its own; None: not given.
        save_dir: the same.
        save_name: the same.
        seed: the same.
        plugin: the same.

    Raises:
        InputError: anything about them is wrong; the message is one line.
    """
    options = {"data_dir": data_dir, "save_dir": save_dir, "save_name": save_name, "seed": seed}
    options["plugin"] = plugin
    in_file = {} if config_file is None else _in_file(config_file)
    given = {**in_file, **_in_overrides(overrides), **_in_options(options)}
    import_given_plugins(given)
    given |= read_data_facts(given)
    algorithm = _algorithm(given)
    tuned = _tuned_for_another(algorithm, in_file, given)
    given = {key: given[key] for key in given if key not in tuned}
    read = {key: given[key] for key in given if key in collect_keys(algorithm).model_fields}
    unread = [key for key in given if key not in read]
    known = known_keys()
    for key in unread:
        if key not in known:
            raise _error(key, f"unknown key; {suggest_name(key, known)}", given[key].place)
    values = _checked(algorithm, read)
    origins = {key: read[key].origin if key in read else DEFAULT for key in values}
    places = {key: read[key].place for key in read}
    return Settings(values, origins, _notes(algorithm, unread, tuned), places)


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
            raise _error(key, f"{place} say {value}; leave it out", given[key].place)
    return facts


def read_run_config(file: Path) -> dict[str, Any]:
    """The keys of a run's ``config.yaml`` that its trained net is put together from.

    They are checked as those of a user's file are, each by itself; the toolbox is not imported.

    Raises:
        InputError: it cannot be read, a key is missing, or a value is out of its range.
    """
    given = _in_file(file)
    known = {key: given[key] for key in RunConfigKeys.model_fields if key in given}
    for key, field in RunConfigKeys.model_fields.items():
        if field.is_required() and key not in known:
            raise InputError(f"{file}: {key} is missing; take the file that the run wrote")
    return _in_range(RunConfigKeys, known)


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
            raise _error(key, str(error), "--set") from None
        given[key] = Given(value, COMMAND_LINE, "--set")
    return given


def _in_options(options: Mapping[str, Any]) -> dict[str, Given]:
    return {
        key: Given(str(value) if isinstance(value, Path) else value, COMMAND_LINE, f"--{key}")
        for key, value in options.items()
        if value is not None
    }


def _algorithm(given: Mapping[str, Given]) -> str:
    """The name of the algorithm, which decides what the other keys are."""
    if "algorithm" not in given:
        return str(ToolboxKeys.model_fields["algorithm"].default)
    name, _, place = given["algorithm"]
    names = algorithm_arguments()
    if not isinstance(name, str) or name not in names:
        message = f"unknown name {shorten(name)}; {suggest_name(str(name), names)}"
        raise _error("algorithm", message, place)
    return name


def _tuned_for_another(
    algorithm: str, in_file: Mapping[str, Given], given: Mapping[str, Given]
) -> list[str]:
    """Keys of the method that the file sets for its own algorithm, with other defaults in ours.

    A file is run with another algorithm by ``--set algorithm=...``; the weight of a loss that one
    algorithm wants would not fit another. Keys with the same default in both are common to both.
    """
    written = in_file["algorithm"].value if "algorithm" in in_file else algorithm
    if not isinstance(written, str) or written not in algorithm_arguments():
        return []
    theirs, ours = collect_keys(written).model_fields, collect_keys(algorithm).model_fields
    common = MethodKeys.model_fields.keys() & theirs.keys() & ours.keys()
    differing = {key for key in common if theirs[key].default != ours[key].default}
    return [key for key in given if key in differing and given[key].origin == FILE]


def _checked(algorithm: str, read: Mapping[str, Given]) -> dict[str, Any]:
    """Values of every key of the algorithm: each in its range, and fit for one another."""
    values = _in_range(collect_keys(algorithm), read)
    for check in CHECKS:
        problem = check(values)
        if problem is not None:
            key, message = problem
            raise _error(key, message, read[key].place if key in read else DEFAULT)
    return {**values, **_derived(values)}


def _in_range(model: type[Keys], read: Mapping[str, Given]) -> dict[str, Any]:
    """Values of every key of a model, each in its range.

    Raises:
        InputError: one is not.
    """
    try:
        return dict(model(**{key: entry.value for key, entry in read.items()}))
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        value, _, place = read[key]
        wanted = range_in_words(model.model_fields[key])
        hint = ""
        if wanted.startswith("text") and isinstance(value, (int, float)):
            hint = "; put it in quotes"
        elif isinstance(value, str):
            nearest = find_nearest(value, choices_of(model.model_fields[key]))
            hint = "" if nearest is None else f"; did you mean {nearest!r}?"
        raise _error(key, f"must be {wanted}, got {shorten(value)}{hint}", place) from None


def _derived(values: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that follow from other keys."""
    from dnll_plugin.functional.negatives import default_num_negatives

    derived: dict[str, Any] = {}
    if values["save_name"] is None:
        derived["save_name"] = f"{values['algorithm']}_{values['dataset']}"
    if values.get("num_negatives", 0) is None:
        derived["num_negatives"] = default_num_negatives(values["num_classes"])
    return derived


def _notes(algorithm: str, unread: Sequence[str], tuned: Sequence[str]) -> tuple[str, ...]:
    nothing = sorted(UNREAD.intersection(unread))
    others = sorted(set(unread) - UNREAD)
    notes = []
    if nothing:
        notes.append(f"{', '.join(nothing)}: accepted, but nothing reads it")
    if others:
        notes.append(f"{', '.join(others)}: accepted, but {algorithm} does not read it")
    if tuned:
        own = f"{algorithm} has its own defaults; --set changes them"
        notes.append(f"{', '.join(tuned)}: set for the file's algorithm; {own}")
    return tuple(notes)


def _error(key: str, message: str, place: str) -> InputError:
    return InputError(one_line(f"{key}: {message} ({place})"))
