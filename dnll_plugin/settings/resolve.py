"""The settings of a run: the config file, what the command line says over it, and the defaults."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnll_plugin.errors import InputError
from dnll_plugin.settings.checks import (
    CHECKS,
    CHECKS_WITHOUT_TOOLBOX,
    apply_checks,
    check_algorithm,
    check_unknown,
    round_to_epochs,
    validate,
)
from dnll_plugin.settings.config_file import write_config
from dnll_plugin.settings.given import (
    DEFAULT,
    FILE,
    Given,
    import_given_plugins,
    read_data_facts,
    read_given,
    read_yaml,
)
from dnll_plugin.settings.keys import MethodKeys
from dnll_plugin.settings.toolbox_keys import (
    IN_EVERY_CONFIG,
    RUN_FIELDS,
    UNREAD,
    RunConfigKeys,
    ToolboxKeys,
    algorithm_arguments,
    collect_keys,
    known_keys,
)

__all__ = ["Settings", "read_yaml", "resolve"]


@dataclass(frozen=True)
class Settings:
    """Checked settings of a run, read as attributes or by ``[]``.

    Attributes:
        values: each key that the run reads; the types are those of the key tables.
        origins: of each key: ``default``, ``file``, ``command line`` or ``data``.
        notes: one line each, about keys of the file that were accepted although the run does not
            read them, or takes its algorithm's own values, or another value than is written.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    notes: Sequence[str]

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
    in_file, given = read_given(config_file, overrides, options)
    import_given_plugins(given)
    given |= read_data_facts(given)
    algorithm = check_algorithm(given, algorithm_arguments())
    tuned = _tuned_for_another(algorithm, in_file, given)
    given = {key: given[key] for key in given if key not in tuned}
    read = {key: given[key] for key in given if key in collect_keys(algorithm).model_fields}
    unread = [key for key in given if key not in read]
    check_unknown({key: given[key] for key in unread}, known_keys())
    values = _checked(algorithm, read)
    origins = {key: read[key].origin if key in read else DEFAULT for key in values}
    notes = (*_notes_on_keys(algorithm, unread, tuned), *_notes_on_length(values, read))
    return Settings(values, origins, notes)


def read_run_config(file: Path) -> dict[str, Any]:
    """The keys of a run's ``config.yaml`` that its trained net is put together from.

    They are checked as those of a user's file are, each by itself; the toolbox is not imported.

    Raises:
        InputError: it cannot be read, a key is missing, or a value is out of its range.
    """
    given, _ = read_given(file, (), {})
    known = {key: given[key] for key in RunConfigKeys.model_fields if key in given}
    for key, field in RunConfigKeys.model_fields.items():
        if field.is_required() and key not in known:
            raise InputError(f"{file}: {key} is missing; take the file that the run wrote")
    return validate(RunConfigKeys, known)


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
    values = validate(collect_keys(algorithm), read)
    apply_checks((*CHECKS_WITHOUT_TOOLBOX, *CHECKS), values, read)
    return {**values, **_derived(values)}


def _derived(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that follow from other keys."""
    from dnll_plugin.functional.negatives import default_num_negatives

    derived: dict[str, Any] = {
        "num_train_iter": round_to_epochs(values["num_train_iter"], values["epoch"])
    }
    if values["save_name"] is None:
        derived["save_name"] = f"{values['algorithm']}_{values['dataset']}"
    if values.get("num_negatives", 0) is None:
        derived["num_negatives"] = default_num_negatives(values["num_classes"])
    return derived


def _notes_on_length(values: Mapping[str, Any], read: Mapping[str, Given]) -> list[str]:
    key, epochs = "num_train_iter", values["epoch"]
    written = int(read[key].value if key in read else ToolboxKeys.model_fields[key].default)
    if written == values[key]:
        return []
    return [f"{key}: {written} is no multiple of epoch {epochs}, rounded to {values[key]}"]


def _notes_on_keys(algorithm: str, unread: Sequence[str], tuned: Sequence[str]) -> list[str]:
    nothing = sorted(UNREAD.intersection(unread) - IN_EVERY_CONFIG)
    others = sorted(set(unread) - UNREAD)
    notes = []
    if nothing:
        notes.append(f"{', '.join(nothing)}: accepted, but nothing reads it")
    if others:
        notes.append(f"{', '.join(others)}: accepted, but {algorithm} does not read it")
    if tuned:
        own = f"{algorithm} has its own defaults; --set changes them"
        notes.append(f"{', '.join(tuned)}: set for the file's algorithm; {own}")
    return notes
