"""What a run says: everything into ``log.txt``, what a person wants to know on the console."""

import io
import logging
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from dnll_plugin.files import name_unwritten

FORMAT = "[%(asctime)s] %(message)s"

LINE = 119
"""Characters of a line that goes into a pipe or a file."""

SHORT = "short"
"""Attribute of a record that holds what the console shows of it; the file gets all of it."""


class ConsoleHandler(logging.Handler):
    """Prints messages above the progress bar, if there is one.

    A full disk behind stdout ends the printing, which is said once on stderr, not the training.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = getattr(record, SHORT, None) or self.format(record)
            if not self.console.is_terminal:  # a terminal wraps by its own width
                text = wrap_long(text)
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.console.quiet = True
            print(f"dnll: warning: stdout: {error.strerror}; the run goes on", file=sys.stderr)


def wrap_long(text: str) -> str:
    """A message in lines that are not too long; a word, such as a path, is never cut."""
    wrapper = textwrap.TextWrapper(
        LINE, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    lines = text.splitlines()
    return "\n".join(line if len(line) <= LINE else wrapper.fill(line) for line in lines)


class FileHandler(logging.FileHandler):
    """Writes messages into a file; what cannot be written is left out, which is said once.

    Args:
        file: The file.
        warn: Is told, once, why the file is not written.
    """

    def __init__(self, file: Path, warn: Callable[[str], None]) -> None:
        super().__init__(file, encoding="utf-8")
        self.setFormatter(logging.Formatter(FORMAT))
        self.warn = warn
        self.failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by emit where a message could not be written; logging would print a traceback."""
        if not self.failed:
            self.failed = True
            error = sys.exc_info()[1]
            reason = getattr(error, "strerror", None) or error
            self.warn(f"{self.baseFilename}: could not be written ({reason}); the run goes on")

    def close(self) -> None:
        with suppress(OSError):
            super().close()


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
    with name_unwritten(file):
        to_file = FileHandler(file, lambda text: print(f"dnll: warning: {text}", file=sys.stderr))
    logger.addHandler(to_file)
    logger.addHandler(ConsoleHandler(console))
    logging.getLogger("py.warnings").addHandler(to_file)
    before = threading.excepthook
    threading.excepthook = partial(log_failed_thread, logger)
    try:
        yield logger
    finally:
        threading.excepthook = before
        logging.getLogger("py.warnings").removeHandler(to_file)
        to_file.close()


def log_failed_thread(logger: logging.Logger, failure: threading.ExceptHookArgs) -> None:
    """Logs why a thread ended, such as TensorBoard's on a full disk; its user says it to the user.

    Python would print the traceback on stderr.
    """
    logger.debug(f"a thread failed: {failure.exc_type.__name__}: {failure.exc_value}")
