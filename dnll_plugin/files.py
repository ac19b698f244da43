"""Writing files: whole or not at all, and one line that names the file that could not be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnll_plugin.errors import FileNotWrittenError


@contextmanager
def name_unwritten(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is written into a line that names it.

    Raises:
        FileNotWrittenError: On a full disk, say.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has left: nothing is wrong
    except PermissionError as error:
        raise FileNotWrittenError(f"{path}: could not be written ({error.strerror})") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileNotWrittenError(
            f"{path}: could not be written ({reason}): is the disk full? "
            "What was there before is intact"
        ) from error


def is_pipe_or_device(path: Path) -> bool:
    """Whether there is something to write to that loses nothing by it, such as ``/dev/null``."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Lets a file be written beside its place, and puts it there when it is whole.

    At any moment ``path`` is the old file or the new one. A pipe or a device, such as
    ``/dev/null``, is no file to replace: it is written to.

    Yields:
        Where to write.

    Raises:
        FileNotWrittenError: If it could not be written; the old one is then untouched.
    """
    if is_pipe_or_device(path):
        with name_unwritten(path):
            yield path
        return
    temporary = path.with_name(f"{path.name}.writing")
    try:
        with name_unwritten(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole, as UTF-8.

    Raises:
        FileNotWrittenError: If it could not be written; the old one is then untouched.
    """
    with replace_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_or_remove(path: Path, text: str | None) -> None:
    """Writes a text file whole; None removes what is there.

    Raises:
        FileNotWrittenError: If that failed.
    """
    if text is not None:
        write_text(path, text)
        return
    with name_unwritten(path):
        path.unlink(missing_ok=True)


def append_text(path: Path, text: str) -> None:
    """Adds to the end of a text file; what could be added in part only is taken away again.

    Raises:
        FileNotWrittenError: If it could not be written.
    """
    with name_unwritten(path), open(path, "ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        data = text.encode()
        try:
            if file.write(data) != len(data):  # the disk is full after a part
                raise OSError("No space left on device")
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise
