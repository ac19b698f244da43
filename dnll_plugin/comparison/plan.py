"""What a comparison consists of: tasks, runs, and the settings that they have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dnll_plugin.comparison.variants import Variant
from dnll_plugin.runs.folder import RunFolder


@dataclass(frozen=True)
class Request:
    """What the user asks to compare on one task.

    Attributes:
        config: the config file of the task.
        variants: names differ.
        seeds: without repetition.
        overrides: ``key=value`` each, for every algorithm that has the key.
        data_dir: folder of the data sets; None: the config's.
        runs: folder of the run folders.
        plugin: modules that every run imports; None: the config's.
    """

    config: Path
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    data_dir: str | None
    runs: Path
    plugin: str | None = None


@dataclass(frozen=True)
class Run:
    """One variant with one seed.

    Attributes:
        variant: its name; that of the algorithm, where it has no settings of its own.
        iterations: steps.
        folder: where it is.
        arguments: those of ``dnll`` that start the run, or go on with it.
        work: rough measure of its computing, to begin with the longest; see `estimate_work`.
        task: the name of its task, "" where there is one only.
    """

    variant: str
    algorithm: str
    seed: int
    iterations: int
    folder: RunFolder
    arguments: tuple[str, ...]
    work: float = 0.0
    task: str = ""

    @property
    def name(self) -> str:
        """The run folder's name, after that of its task."""
        return f"{self.task}/{self.folder.path.name}" if self.task else self.folder.path.name


class OwnKey(NamedTuple):
    """The value of a variant's own key, and where it comes from."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Plan:
    """The runs of a task, variant by variant, and what they have in common and what not.

    Attributes:
        shared: the settings that must be the same in every run, but for a variant's own.
        own: by the variant's name, its own keys.
        task: its name, "" where there is one only.
    """

    runs: tuple[Run, ...]
    shared: Mapping[str, Any]
    own: Mapping[str, Mapping[str, OwnKey]]
    task: str = ""
