"""The folder of one run: what is in it, and whose it is."""

from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.errors import InputError


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
    def classes(self) -> Path:
        return self.path / "classes.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    def is_finished(self) -> bool:
        """Whether the run came to its end: ``result.json`` is written last."""
        return self.result.is_file()

    def holds_run(self) -> bool:
        """Whether a run was started here, finished or not."""
        from dnll_plugin.toolbox import checkpoint  # with it torch, which no other question needs

        files = (self.config, self.metrics, self.result, self.path / checkpoint.LATEST)
        return any(file.exists() for file in files)

    def claim(self, resume: bool) -> None:
        """Makes the folder, for a new run or for one to go on with.

        Raises:
            InputError: If it holds a run and ``resume`` is not asked for, or cannot be written.
        """
        if self.holds_run() and not resume:
            raise InputError(
                f"{self.path}: holds a run already; go on with it by --resume, or give another "
                "--save_name"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); give another --save_dir"
            ) from error
