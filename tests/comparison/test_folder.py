"""Where the runs of a comparison are, and that none is run a second time elsewhere."""

from contextlib import ExitStack

import pytest

from dnll_plugin.comparison import folder
from dnll_plugin.comparison.folder import place_runs
from dnll_plugin.errors import InputError


def test_a_task_has_a_folder_of_its_own_where_there_are_several(tmp_path):
    assert place_runs(tmp_path, ["a"]) == {"a": tmp_path / "runs"}
    assert place_runs(tmp_path, ["a", "b"]) == {
        "a": tmp_path / "a" / "runs",
        "b": tmp_path / "b" / "runs",
    }


def test_runs_of_one_task_are_not_run_again_for_several(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match="holds the runs of one task; move"):
        place_runs(tmp_path, ["a", "b"])


def test_runs_of_several_tasks_are_not_run_again_for_one(tmp_path):
    (tmp_path / "a" / "runs").mkdir(parents=True)
    with pytest.raises(InputError, match="holds a comparison over several tasks; name them all"):
        place_runs(tmp_path, ["a"])


def test_a_folder_that_cannot_be_made_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "is_orphaned", lambda out: True)
    (tmp_path / "out").write_text("a file")
    with ExitStack() as held, pytest.raises(InputError, match="cannot be written"):
        folder.acquire_folder(tmp_path / "out", held, print)
