"""Telling the toolbox's two versions apart by the content of their files."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dnll_plugin.toolbox.checkout.version import (
    _MARKS,
    NEWEST,
    WHEEL,
    ToolboxVersion,
    find_toolbox,
    identify,
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A copy of the Python files of the installed toolbox."""
    installed = find_toolbox()
    assert installed is not None
    others = shutil.ignore_patterns("__pycache__", "*.[!p]*")
    return Path(shutil.copytree(installed, tmp_path / "semilearn", ignore=others))


def write_marks(folder: Path, commit: str, newline: bytes = b"\n") -> None:
    for name, line in _MARKS[commit]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as stream:
            stream.write(b"# some line" + newline + b"    " + line + newline)


def test_the_wheel_as_installed(wheel):
    assert identify(wheel) == ToolboxVersion(WHEEL, modified=False)


def test_line_endings_do_not_matter(wheel):
    for file in wheel.rglob("*.py"):
        content = file.read_bytes().replace(b"\r\n", b"\n")
        file.write_bytes(content.replace(b"\n", b"\r\n"))
    assert identify(wheel) == ToolboxVersion(WHEEL, modified=False)


def test_compiled_files_do_not_matter(wheel):
    cache = wheel / "core" / "__pycache__"
    cache.mkdir()
    (cache / "algorithmbase.cpython-311.pyc").write_bytes(b"compiled")
    assert not identify(wheel).modified


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_changed_copy_is_modified(wheel, change):
    file = wheel / "algorithms" / "fixmatch" / "fixmatch.py"
    if change == "changed":
        file.write_text(file.read_text() + "# mine\n")
    elif change == "added":
        file.with_name("mine.py").write_text("")
    else:
        file.unlink()
    assert identify(wheel) == ToolboxVersion(WHEEL, modified=True)
    assert str(identify(wheel)).endswith(", with changed files")


@pytest.mark.parametrize("commit", [WHEEL, NEWEST])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_marks_of_a_version(tmp_path, commit, newline):
    write_marks(tmp_path, commit, newline)
    assert identify(tmp_path) == ToolboxVersion(commit, modified=True)
    assert commit in str(identify(tmp_path))


def test_a_mixture_is_neither(tmp_path):
    write_marks(tmp_path, WHEEL)
    write_marks(tmp_path, NEWEST)
    assert identify(tmp_path).commit is None


def test_an_incomplete_copy_is_neither(tmp_path):
    write_marks(tmp_path, NEWEST)
    (tmp_path / "core" / "hooks" / "timer.py").unlink()
    assert identify(tmp_path).commit is None
    assert "unknown" in str(identify(tmp_path))


def test_an_empty_folder_is_no_toolbox(tmp_path):
    assert identify(tmp_path).commit is None


def test_finding_the_toolbox_does_not_import_it():
    script = (
        "import sys\n"
        "from dnll_plugin.toolbox.checkout.version import find_toolbox\n"
        "assert (find_toolbox() / 'core' / 'algorithmbase.py').is_file()\n"
        "assert not {'semilearn', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("spec", [None, importlib.util.spec_from_loader("semilearn", None)])
def test_no_toolbox(monkeypatch, spec):
    """Not installed, and a folder that only happens to be called ``semilearn``."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert find_toolbox() is None


def test_a_module_without_a_spec_is_no_toolbox(monkeypatch):
    monkeypatch.setitem(sys.modules, "semilearn", ModuleType("semilearn"))
    assert find_toolbox() is None
