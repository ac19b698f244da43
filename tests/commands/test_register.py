"""``python register.py``: what it prints and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from dnll_plugin.commands import register
from dnll_plugin.diagnosis.findings import Facts, TorchFacts
from dnll_plugin.diagnosis.packages import KNOWN_SET, PACKAGES
from dnll_plugin.toolbox.checkout.version import find_toolbox

PLUGIN = Path(__file__).resolve().parents[2]
GOOD = Facts(
    python="python",
    versions={package.name: KNOWN_SET.get(package.name, "99.0") for package in PACKAGES},
    torchvision_needs="==2.11.0",
    torch=TorchFacts(cuda="13.0", gpus=(("A GPU", 2**30),)),
    toolbox=Path("semilearn"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    installed = find_toolbox()
    assert installed is not None
    (tmp_path / "semilearn").mkdir()
    (tmp_path / "semilearn" / "__init__.py").write_bytes((installed / "__init__.py").read_bytes())
    (tmp_path / "config").mkdir()
    (tmp_path / "train.py").touch()
    return tmp_path


def call(*arguments: object) -> int:
    return register.main(PLUGIN, [str(argument) for argument in arguments])


def test_register_status_remove(checkout, capsys, monkeypatch):
    monkeypatch.setattr(register, "read_facts", lambda: GOOD)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    assert call("--toolbox", checkout) == 0
    printed = capsys.readouterr().out
    assert "wrote    config/dnll_cifar10_40.yaml\n" in printed
    assert printed.splitlines()[-1] == "wrote    semilearn/__init__.py"

    assert call("--toolbox", checkout) == 0
    assert capsys.readouterr().out == "registered already: nothing to do\n"

    assert call("--toolbox", checkout, "--status") == 0
    printed = capsys.readouterr().out
    count = len(list((PLUGIN / "config").glob("*.yaml")))
    assert f"plugin   registered, {count} configs\n" in printed
    assert printed.endswith("problem  none\n")

    assert call("--toolbox", checkout, "--remove") == 0
    assert "restored semilearn/__init__.py\n" in capsys.readouterr().out
    assert list((checkout / "config").iterdir()) == []

    assert call("--toolbox", checkout, "--remove") == 0
    assert capsys.readouterr().out == "not registered: nothing to do\n"


def test_status_says_what_would_not_work(checkout, capsys, monkeypatch):
    without = Facts(GOOD.python, {**GOOD.versions, "timm": None}, "", TorchFacts())
    monkeypatch.setattr(register, "read_facts", lambda: without)
    monkeypatch.setattr(register, "is_installed", lambda folder: False)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    call("--toolbox", checkout)
    (checkout / "config" / "dnll_cifar10_40.yaml").unlink()
    (checkout / "config" / "fixmatch_cifar10_40.yaml").write_text("mine: 1\n")
    capsys.readouterr()
    assert call("--toolbox", checkout, "--status") == 0
    printed = capsys.readouterr().out
    assert "note     missing or old, so register again: config/dnll_cifar10_40.yaml\n" in printed
    assert "note     config/fixmatch_cifar10_40.yaml differs from the plugin's" in printed
    assert "problem  dnll_plugin is not installed for this Python\n" in printed
    assert "problem  timm is not installed\n" in printed
    assert "use dnll train --c FILE" in printed
    assert sys.path[0] == str(checkout)  # where train.py would look first


def test_whoever_has_not_installed_the_plugin_is_told(checkout, capsys, monkeypatch):
    monkeypatch.setattr(register, "is_installed", lambda folder: False)
    assert call("--toolbox", checkout) == 0
    assert f"-m pip install -e {PLUGIN}\n" in capsys.readouterr().out


def test_here_is_the_default(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    assert call() == 0
    assert call("--remove") == 0


def test_wrong_input_is_one_line(tmp_path, capsys):
    assert call("--toolbox", tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("register.py: error: ")
    assert error.count("\n") == 1


def test_other_failures_are_one_line(checkout, capsys, monkeypatch):
    def fail(plan: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(register.checkout, "carry_out", fail)
    assert call("--toolbox", checkout) == 1
    assert capsys.readouterr().err == "register.py: error: No space left on device\n"


def test_patches_need_the_toolboxs_history(checkout, tmp_path, capsys):
    assert call("--toolbox", checkout, "--patches", tmp_path / "patches") == 2
    assert "git history lacks" in capsys.readouterr().err
    assert not (tmp_path / "patches").exists()


def test_the_script(checkout):
    command = [sys.executable, PLUGIN / "register.py", "--toolbox", checkout]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "wrote    semilearn/__init__.py" in done.stdout
    twice = subprocess.run([*command, "--status", "--remove"], capture_output=True, check=False)
    assert twice.returncode == 2
