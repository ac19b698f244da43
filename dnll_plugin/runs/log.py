"""What a run says: everything into ``log.txt``, what a person wants to know on the console."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

FORMAT = "[%(asctime)s] %(message)s"


class ConsoleHandler(logging.Handler):
    """Prints messages above the progress bar, if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


class ToolboxLog(io.TextIOBase):
    """What the toolbox logs and prints: into the file, and its warnings on the console too."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def info(self, message: object) -> None:
        text = str(message)
        self.logger.log(logging.INFO if text.startswith("warning") else logging.DEBUG, text)

    def write(self, text: str) -> int:
        if text.strip():
            self.info(text.strip())
        return len(text)


@contextmanager
def run_logger(file: Path | None, console: Console) -> Iterator[logging.Logger]:
    """A logger of one run: all levels into ``file``, from INFO on to the console.

    Without a file it logs nothing: of several processes one speaks for all.

    Python's warnings go into the file too, where they are captured: those of the toolbox about its
    own old calls are nothing that a user can mend.
    """
    logger = logging.Logger("dnll.run", logging.DEBUG)
    if file is None:
        logger.addHandler(logging.NullHandler())
        yield logger
        return
    to_file = logging.FileHandler(file, encoding="utf-8")
    to_file.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(to_file)
    logger.addHandler(ConsoleHandler(console))
    logging.getLogger("py.warnings").addHandler(to_file)
    try:
        yield logger
    finally:
        logging.getLogger("py.warnings").removeHandler(to_file)
        to_file.close()
