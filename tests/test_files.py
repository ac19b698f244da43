"""Files are written whole or not at all, and what goes wrong is a line that names them."""

import io
import os
from pathlib import Path

import pytest

from dnll_plugin.errors import FileNotWrittenError
from dnll_plugin.files import append_text, name_unwritten, replace_whole, write_text

FULL = Path("/dev/full")
"""A device to which nothing can be written, as to a full disk."""

needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


def test_a_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_text(file, "één\n")
    append_text(file, "twee\n")
    assert file.read_text(encoding="utf-8") == "één\ntwee\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_the_old_file_stays_where_the_new_one_fails(tmp_path: Path, failure: BaseException) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail() -> None:
        with replace_whole(file) as temporary:
            temporary.write_text("half of the n")
            raise failure

    with pytest.raises((FileNotWrittenError, KeyboardInterrupt)) as caught:
        fail()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    if isinstance(caught.value, FileNotWrittenError):
        assert str(caught.value) == (
            f"{file}: could not be written (No space left on device): is the disk full? What was "
            "there before is intact"
        )


@needs_full
def test_a_full_disk_is_one_line() -> None:
    with pytest.raises(FileNotWrittenError, match=r"^/dev/full: could not be written \(No space"):
        append_text(FULL, "x")


def test_a_part_of_a_line_is_taken_away_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("whole\n")

    class Filling:
        """A file on a disk that takes two bytes more."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            self.file = io.FileIO(file, "ab")

        def __enter__(self) -> "Filling":
            return self

        def __exit__(self, *args: object) -> None:
            self.file.close()

        def seek(self, *args: int) -> int:
            return self.file.seek(*args)

        def write(self, data: bytes) -> int | None:
            return self.file.write(data[:2])

        def truncate(self, size: int) -> int:
            return self.file.truncate(size)

    monkeypatch.setattr("builtins.open", Filling)
    with pytest.raises(FileNotWrittenError):
        append_text(file, "cut off\n")
    monkeypatch.undo()
    assert file.read_text() == "whole\n"


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotWrittenError, match="No such file or directory"):
        write_text(tmp_path / "gone" / "a.txt", "x")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "through\n")
    assert os.read(reader, 100) == b"through\n"
    os.close(reader)
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@needs_full
def test_a_full_device_is_named_and_stays_a_device() -> None:
    with pytest.raises(FileNotWrittenError, match=r"^/dev/full: could not be written \(No space"):
        write_text(FULL, "x")
    assert FULL.is_char_device()


def test_other_failures_pass() -> None:
    with pytest.raises(ZeroDivisionError), name_unwritten(FULL):
        _ = 1 / 0
