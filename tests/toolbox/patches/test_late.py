"""Packages that images do not need: stand-ins while the toolbox is imported, themselves later."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dnll_plugin.toolbox.patches import late

PACKAGE = """
class Number:
    names = ("one", "two")

    def __init__(self, value=0):
        self.value = value
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the table, made up, with a module; nothing of it stays imported."""
    root = tmp_path / "made_up_package"
    root.mkdir()
    (root / "__init__.py").write_text(PACKAGE)
    (root / "inner.py").write_text("def double(value):\n    return 2 * value\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(late.NEEDED_FOR, root.name, "made-up data sets")
    importlib.invalidate_caches()
    yield root
    for name in [name for name in sys.modules if name.partition(".")[0] == root.name]:
        del sys.modules[name]


def test_a_name_is_imported_when_it_is_called(package):
    with late.stand_ins():
        from made_up_package import Number
        from made_up_package.inner import double
    assert package.name not in sys.modules
    assert double(3) == 6
    assert Number(5).value == 5
    assert Number.names == ("one", "two")
    import made_up_package

    assert isinstance(Number(), made_up_package.Number)


def test_one_that_fails_is_told_in_one_line(package):
    (package / "__init__.py").write_text("raise OSError('compiled for\\nanother CUDA')")
    with late.stand_ins():
        import made_up_package
    with pytest.raises(ImportError) as failure:
        made_up_package.effects.apply(1)
    assert str(failure.value) == (
        "made-up data sets needs made_up_package, which cannot be imported here (OSError: compiled "
        "for another CUDA)"
    )


def test_what_is_imported_already_stays(package):
    import made_up_package

    with late.stand_ins():
        from made_up_package.inner import double
    assert sys.modules[package.name] is made_up_package
    assert double.__module__ == "made_up_package.inner"


def test_stand_ins_serve_as_annotations(package):
    with late.stand_ins():
        from made_up_package import Number

    @dataclass
    class Collator:
        number: Number
        padding: bool | str | None = True

    assert Collator(1).number == 1


def test_the_toolbox_comes_without_them():
    code = "import dnll_plugin, semilearn, sys; print({*sys.argv[1:]} & set(sys.modules))"
    names = ("torchaudio", "transformers", "aim")  # timm imports wandb where it can
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *names],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
