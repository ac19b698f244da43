"""Which code made a run: an installed copy, a git checkout, one with changes."""

import subprocess

import pytest

from dnll_plugin.runs import code_version
from dnll_plugin.runs.code_version import describe_code, digest_sources, find_commit, note_code


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("a = 1\n")
    return folder


def git(folder, *words):
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_digest_is_of_names_and_contents_of_python_files(package):
    before = digest_sources(package)
    (package / "note.txt").write_text("no code")
    assert digest_sources(package) == before
    (package / "__init__.py").write_text("a = 2\n")
    assert digest_sources(package) != before


def test_a_commit_is_told_of_a_tracked_folder_only_and_changes_are_said(package):
    assert find_commit(package) is None
    git(package.parent, "init", "-q")
    assert find_commit(package) is None
    git(package.parent, "add", "package")
    git(package.parent, "commit", "-q", "-m", "first")
    commit = git(package.parent, "rev-parse", "--short=12", "HEAD")
    assert find_commit(package) == commit
    (package / "__init__.py").write_text("a = 2\n")
    assert find_commit(package) == f"{commit} and changes"


def test_a_run_keeps_every_code_that_worked_on_it(tmp_path, monkeypatch):
    file = tmp_path / "code.txt"
    assert note_code(file) == note_code(file) == [describe_code()]
    monkeypatch.setattr(code_version, "describe_code", lambda: "another")
    assert note_code(file) == [describe_code(), "another"]


def test_a_damaged_list_of_codes_is_kept_and_does_no_harm(tmp_path):
    file = tmp_path / "code.txt"
    file.write_bytes(b"0.1.0 \xff\xfe\n")
    assert note_code(file) == ["0.1.0 \ufffd\ufffd", describe_code()]
