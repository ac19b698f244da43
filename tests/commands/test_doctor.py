"""``dnll doctor``: reading the facts in child processes, and what it prints."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dnll_plugin.commands import doctor
from dnll_plugin.diagnosis import facts as facts_module
from dnll_plugin.diagnosis.findings import Facts, TorchFacts, diagnose
from dnll_plugin.diagnosis.packages import KNOWN_SET, PACKAGES
from dnll_plugin.toolbox.checkout.version import WHEEL, ToolboxVersion

GOOD = Facts(
    python="python",
    versions={package.name: KNOWN_SET.get(package.name, "99.0") for package in PACKAGES},
    torchvision_needs="==2.11.0",
    torch=TorchFacts(),
    toolbox=Path("semilearn"),
    toolbox_version=ToolboxVersion(WHEEL, modified=False),
    cores=2,
)


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a made-up torch that child processes find before the installed one."""
    folder = tmp_path / "made_up"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder / "torch.py"


WORKS = """
from types import SimpleNamespace as Module
device = Module(name="A GPU", total_memory=2**30)
cuda = Module(device_count=lambda: 2, get_device_properties=lambda index: device)
version = Module(cuda="13.0")
backends = Module(mps=Module(is_available=lambda: False))
"""


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("raise RuntimeError('CUDA versions\\ndiffer')", "RuntimeError: CUDA versions differ"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os; os._exit(3)", "the process ended without an answer (exit code 3)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("def", "SyntaxError"),
    ],
)
def test_an_import_that_fails_is_told_in_one_line(torch, content, cause):
    torch.write_text(content)
    answer, error = facts_module.ask("torch")
    assert answer is None
    assert cause in error
    assert "\n" not in error


def test_an_import_that_hangs_is_given_up(torch):
    torch.write_text("import threading; threading.Event().wait()")
    assert facts_module.ask("torch", seconds=0.5) == (None, "no answer within 0.5 seconds")


def test_what_images_do_not_need_may_fail(tmp_path, monkeypatch):
    (tmp_path / "aim").mkdir()
    (tmp_path / "aim" / "__init__.py").write_text("raise AttributeError('ImpImporter')")
    monkeypatch.syspath_prepend(tmp_path)
    assert facts_module.ask("toolbox") == ({}, None)
    assert facts_module.ask("aim") == (None, "AttributeError: ImpImporter")


def test_a_module_may_print_while_it_is_imported(torch):
    torch.write_text("import sys\nprint('{}')\nprint('a warning', file=sys.stderr)" + WORKS)
    gpu = ["A GPU", 2**30]
    assert facts_module.ask("torch") == ({"cuda": "13.0", "gpus": [gpu, gpu], "mps": False}, None)


def test_children_do_not_import_from_the_working_directory(torch, tmp_path, monkeypatch):
    torch.write_text(WORKS)
    (tmp_path / "torch.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    assert facts_module.ask("torch")[1] is None


def test_the_machine_of_these_tests():
    facts = facts_module.read_facts()
    assert isinstance(facts.torch, TorchFacts)
    assert facts.torchvision_needs.startswith(("==", ">="))
    assert None not in facts.versions.values()
    assert facts.toolbox_version is not None
    assert facts.cores >= 1
    assert [finding for finding in diagnose(facts) if finding.broken] == []


def test_what_is_not_installed_is_reported(monkeypatch):
    def missing(name: str):
        raise facts_module.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(facts_module.metadata, "version", missing)
    monkeypatch.setattr(facts_module.metadata, "requires", missing)
    monkeypatch.setattr(facts_module, "find_toolbox", lambda: None)
    monkeypatch.setattr(facts_module, "ask", lambda question: (None, "ModuleNotFoundError"))
    facts = facts_module.read_facts()
    assert set(facts.versions.values()) == {None}
    assert (facts.torch, facts.toolbox, facts.torchvision_needs) == (None, None, "")
    texts = [finding.text for finding in diagnose(facts)]
    assert texts[0].endswith("are not installed")
    assert texts[-1] == "the toolbox (semilearn) is not installed"


@pytest.mark.parametrize(
    ("declared", "needs"),
    [
        (["numpy", "torch==2.11.0", "pillow>=5.3.0,!=8.3.*"], "==2.11.0"),
        (["torch (>=2.14.0)"], ">=2.14.0"),
        (["torch==2.4.0; python_version < '4'"], "==2.4.0"),
        (["torchdata>=1"], ""),
        (None, ""),
    ],
)
def test_the_torch_that_torchvision_needs(monkeypatch, declared, needs):
    monkeypatch.setattr(facts_module.metadata, "requires", lambda name: declared)
    assert facts_module._torch_that_torchvision_needs() == needs


@pytest.mark.parametrize(
    ("torch", "cores", "told"),
    [
        (None, 1, ["cpu, 1 core"]),
        (TorchFacts(mps=True), 8, ["mps, Apple GPU", "cpu, 8 cores"]),
        (
            TorchFacts("13.0", gpus=(("A", 24 * 2**30), ("B", 2**30))),
            2,
            ["cuda:0, A, 24.0 GiB", "cuda:1, B, 1.0 GiB", "cpu, 2 cores"],
        ),
        (TorchFacts("13.0"), 2, ["cpu, 2 cores (torch is built for CUDA 13.0: no device)"]),
    ],
)
def test_devices(torch, cores, told):
    assert doctor.devices(replace(GOOD, torch=torch, cores=cores)) == told


def printed(facts: Facts, capsys, monkeypatch) -> tuple[int, list[str]]:
    monkeypatch.setattr(doctor, "read_facts", lambda: facts)
    code = doctor.run(argparse.Namespace())
    return code, capsys.readouterr().out.splitlines()


def test_a_good_machine(capsys, monkeypatch):
    code, lines = printed(GOOD, capsys, monkeypatch)
    assert code == 0
    assert lines[0].split() == ["package", "version", "needed", "by", "state"]
    rows = {line.split()[0]: line for line in lines[1 : len(PACKAGES) + 1]}
    assert rows.keys() == {package.name for package in PACKAGES}
    assert all(row.endswith("ok") for row in rows.values())
    assert len({row.index("ok") for row in map(str.rstrip, rows.values())}) == 1
    assert f"toolbox  {GOOD.toolbox_version}, in semilearn" in lines
    assert lines[-1] == "nothing is broken"


def test_a_note_is_not_broken(capsys, monkeypatch):
    facts = replace(GOOD, versions={**GOOD.versions, "ruamel.yaml": "0.19.1"})
    code, lines = printed(facts, capsys, monkeypatch)
    assert code == 0
    assert any(line.startswith("ruamel.yaml   0.19.1") and line.endswith("note") for line in lines)
    assert any(line.startswith("note     ruamel.yaml 0.19.1") for line in lines)


def test_a_broken_machine(capsys, monkeypatch):
    facts = replace(
        GOOD, versions={**GOOD.versions, "tqdm": None}, toolbox_error="ImportError: tqdm"
    )
    code, lines = printed(facts, capsys, monkeypatch)
    assert code == 1
    assert any(line.split() == ["tqdm", "-", "toolbox", "missing"] for line in lines)
    assert "         mend: python -m pip install tqdm" in lines
    assert lines[-1] == "2 things are broken"


@pytest.mark.parametrize("rich", [True, False])
def test_a_terminal_gets_a_table_if_it_can(capsys, monkeypatch, rich):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    doctor.show(GOOD, [])
    out = capsys.readouterr().out
    assert ("┃" in out) is rich
    assert "torchvision" in out


def test_paths_are_told_as_one_would_type_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert facts_module.shortest(tmp_path / ".venv" / "bin" / "python") == ".venv/bin/python"
    assert facts_module.shortest(Path(os.sep, "usr", "python")) == "/usr/python"
