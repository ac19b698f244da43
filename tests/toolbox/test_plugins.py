"""Code of others: modules that the user names, and installed packages."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox import plugins


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_are_found_in_the_current_folder(here):
    (here / "first_of_mine.py").write_text("value = 1")
    (here / "pack").mkdir()
    (here / "pack" / "second_of_mine.py").write_text("value = 2")
    plugins.import_plugins("first_of_mine, pack.second_of_mine")
    assert sys.modules["first_of_mine"].value == 1
    assert sys.modules["pack.second_of_mine"].value == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere_at_all", "plugin: cannot import nowhere_at_all: there is no such module in /"),
        ("lacks", "plugin: cannot import lacks: ModuleNotFoundError: No module named 'what'"),
        ("broken", "plugin: cannot import broken: SyntaxError: "),
        ("raises", "plugin: cannot import raises: ZeroDivisionError: division by zero"),
        ("a/b.py", "plugin: 'a/b.py' is not the name of a module; write my_module for my_module"),
        ("raises.", "plugin: 'raises.' is not the name of a module"),
        ("math,", "plugin: '' is not the name of a module"),
    ],
)
def test_what_cannot_be_imported_is_an_input_error_that_names_it(here, name, message):
    (here / "lacks.py").write_text("import what")
    (here / "broken.py").write_text("def")
    (here / "raises.py").write_text("1 / 0")
    with pytest.raises(InputError) as caught:
        plugins.import_plugins(name)
    assert str(caught.value).startswith(message)


def test_a_broken_installed_plugin_is_one_line_and_the_others_are_loaded(here, monkeypatch, capsys):
    (here / "fine.py").write_text("")
    (here / "raises.py").write_text("raise ValueError('two\\nlines')")
    monkeypatch.syspath_prepend(here)
    entries = [EntryPoint("x", name, plugins.GROUP) for name in ("raises", "fine")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    plugins.load_installed_plugins()
    assert "fine" in sys.modules
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dnll: warning: the installed plugin x (raises) cannot be loaded: Value")


def test_an_installed_plugin_is_loaded_with_the_toolbox(tmp_path):
    """By whoever imports the toolbox, once: also a rank, or a loader's worker that is spawned."""
    (tmp_path / "theirs.py").write_text(
        "import semilearn\n"
        "from dnll_plugin.nets.lookup import NETS\n"
        "NETS['theirs'] = semilearn.nets.wrn_28_2\n"
        "print('loaded')\n"
    )
    facts = tmp_path / "theirs-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[dnll_plugin]\ntheirs = theirs\n")
    program = "import dnll_plugin, semilearn; semilearn.nets.theirs(num_classes=2)"
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines().count("loaded") == 1
