"""When a run is finished, and what must not stand in its way."""

from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import BEST, LATEST, PREVIOUS, RunFolder


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"error_rate": null}', "[" * 10**5])
def test_a_result_that_says_nothing_is_no_end(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    assert not folder.is_finished()
    folder.result.write_text(content)
    assert not folder.is_finished()


def test_a_result_is_the_end(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.result.write_text('{"error_rate": 3.5}')
    assert folder.is_finished()


@pytest.mark.parametrize("name", [BEST, PREVIOUS, "curves.png", "metrics.jsonl"])
def test_what_a_run_leaves_makes_a_folder_its_own(tmp_path: Path, name: str) -> None:
    assert not RunFolder(tmp_path).holds_run()
    (tmp_path / name).touch()
    assert RunFolder(tmp_path).holds_run()


@pytest.mark.parametrize("name", ["metrics.jsonl", "curves.png", "log.txt", LATEST])
def test_a_folder_where_a_file_belongs_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with (
        pytest.raises(InputError, match=f"{name}: is a folder, where the run writes a file"),
        RunFolder(tmp_path).acquire(resume=True),
    ):
        pass


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"^save_name: x{40}…: File name too long; give a shorter"),
        RunFolder(tmp_path / ("x" * 300)).acquire(resume=True),
    ):
        pass
