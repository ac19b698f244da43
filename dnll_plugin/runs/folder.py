"""The folder of one run: what is in it, and whose it is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.files import name_unwritten
from dnll_plugin.runs.locks import lock_folder

LATEST, PREVIOUS, BEST = "latest_model.pth", "previous_model.pth", "model_best.pth"
"""Names of the checkpoints: the newest, the one before it, the one with the lowest error on the
validation images or, without any, on the test images."""


@dataclass(frozen=True)
class RunFolder:
    """The files of a run under ``<save_dir>/<save_name>``."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def code(self) -> Path:
        return self.path / "code.txt"

    @property
    def classes(self) -> Path:
        return self.path / "classes.json"

    @property
    def split(self) -> Path:
        return self.path / "split.npz"

    @property
    def ranges(self) -> Path:
        return self.path / "value_ranges.json"

    @property
    def parts(self) -> Path:
        return self.path / "parts.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        return tuple(self.path / name for name in (LATEST, PREVIOUS, BEST))

    def is_finished(self) -> bool:
        """Whether the run came to its end: ``result.json`` is written last, and can be read."""
        try:
            result = json.loads(self.result.read_bytes())
        except (OSError, ValueError, RecursionError):  # a power cut leaves it empty
            return False
        return isinstance(result, dict) and isinstance(result.get("error_rate"), (int, float))

    def holds_run(self) -> bool:
        """Whether a run did a step here, finished or not: before that it leaves none of these."""
        files = (self.config, self.metrics, self.curves, self.result, *self.checkpoints)
        return any(file.exists() for file in files)

    def set_result_aside(self) -> None:
        """Keeps the result of a finished run that goes on beyond its end, under another name."""
        if self.is_finished():
            steps = json.loads(self.result.read_bytes()).get("iterations")
            with name_unwritten(self.result):
                self.result.rename(self.path / f"result_at_{steps}.json")

    def check_files(self) -> None:
        """Checks that nothing but files is where the run writes its files.

        Raises:
            InputError: If a folder is there, or the name of the run folder is too long.
        """
        own = (self.config, self.log, self.metrics, self.curves, self.code, self.result)
        of_images = (self.classes, self.split, self.ranges, self.parts)
        try:
            blocked = [file for file in (*own, *of_images, *self.checkpoints) if file.is_dir()]
        except OSError as error:
            raise InputError(
                f"save_name: {self.path.name[:40]}…: {error.strerror}; give a shorter one"
            ) from error
        if blocked:
            raise InputError(
                f"{blocked[0]}: is a folder, where the run writes a file; move it away, or give "
                "another --save_name"
            )

    @contextmanager
    def acquire(self, resume: bool) -> Iterator[None]:
        """Makes the folder, for a new run or for one to go on with, and keeps others out of it.

        Raises:
            InputError: If it holds a run and ``resume`` is not asked for, if a run is going on
                there, or if it cannot be written.
        """
        self.check_files()
        if self.holds_run() and not resume:
            raise InputError(
                f"{self.path}: holds a run already; go on with it by --resume, or give another "
                "--save_name"
            )
        with lock_folder(self.path, "a run", "--save_dir or --save_name"):
            yield
