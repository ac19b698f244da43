"""The command line: exit codes, one-line errors, and what it does not import."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.commands import main as main_module
from dnll_plugin.commands.main import COMMANDS, Command, _report, main
from dnll_plugin.errors import InputError

Run = Callable[[argparse.Namespace], int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Installs a command ``work --value V`` that does what the test says."""

    def install(run: Run) -> None:
        module = ModuleType("work_command")
        module.add_arguments = lambda parser: parser.add_argument("--value", type=int)
        module.run = run
        monkeypatch.setitem(sys.modules, "work_command", module)
        monkeypatch.setattr(main_module, "COMMANDS", (Command("work", "does it", "work_command"),))

    return install


def raising(error: BaseException) -> Run:
    def run(options: argparse.Namespace) -> int:
        raise error

    return run


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr."""
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == ""
    assert line.startswith("dnll: error: ")
    return line


def test_the_command_gets_its_options_and_gives_the_exit_code(command):
    command(lambda options: options.value)
    assert main(["work", "--value", "7"]) == 7


@pytest.mark.parametrize(
    ("arguments", "named", "where_to_look"),
    [
        ([], "COMMAND", "dnll --help"),
        (["play"], "play", "dnll --help"),
        (["work", "--valve", "1"], "unrecognized option --valve 1", "dnll work --help"),
        (["--fast", "work", "--value", "1"], "unrecognized option --fast", "dnll work --help"),
        (["work", "--val", "1"], "unrecognized option --val 1", "dnll work --help"),
        (["work", "--value", "one"], "--value", "dnll work --help"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    command, capsys, arguments, named, where_to_look
):
    command(lambda options: 0)
    assert main(arguments) == 2
    line = error_line(capsys)
    assert named in line
    assert line.endswith(f"; see {where_to_look}")


def test_wrong_input_is_exit_code_2(command, capsys):
    command(raising(InputError("config/x.yaml: lr must be positive")))
    assert main(["work"]) == 2
    assert error_line(capsys) == "dnll: error: config/x.yaml: lr must be positive"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("out of memory\n  while copying"), "RuntimeError: out of memory while"),
        (KeyError("lr"), "KeyError: 'lr'"),
        (AssertionError(), "AssertionError; DNLL_TRACEBACK=1"),
        (ImportError("no torch"), "dnll doctor"),
        (BrokenPipeError("a worker died"), "a worker died"),
    ],
)
def test_any_other_failure_is_one_line_and_exit_code_1(command, capsys, monkeypatch, error, told):
    monkeypatch.delenv("DNLL_TRACEBACK", raising=False)
    command(raising(error))
    assert main(["work"]) == 1
    assert told in error_line(capsys)


def test_a_traceback_on_demand_stands_before_the_line(command, capsys, monkeypatch):
    monkeypatch.setenv("DNLL_TRACEBACK", "1")
    command(raising(RuntimeError("no")))
    assert main(["work"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("dnll: error: RuntimeError: no")


def test_control_c_outside_a_run_is_130(command, capsys):
    command(raising(KeyboardInterrupt()))
    assert main(["work"]) == 130
    assert error_line(capsys) == "dnll: error: interrupted"


def test_a_command_may_choose_to_exit(command):
    command(raising(SystemExit(138)))
    with pytest.raises(SystemExit) as stop:
        main(["work"])
    assert stop.value.code == 138


def test_no_control_character_of_a_message_reaches_the_terminal(command, capsys):
    command(raising(InputError("a\x1b]0;title\x07b: no such folder")))
    assert main(["work"]) == 2
    assert error_line(capsys) == "dnll: error: a\\x1b]0;title\\x07b: no such folder"


@given(st.text())
def test_a_message_never_spans_lines(message):
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("builtins.print", lambda text, file: written.append(text))
        assert _report(InputError(message), message, 2) == 2
    assert len(written) == 1
    assert len(written[0].splitlines()) == 1


def test_help_lists_every_command_and_names_the_variable(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    assert all(command.name in told for command in COMMANDS)
    assert "DNLL_TRACEBACK=1" in told


def run_python(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, **options
    )


def test_help_and_version_import_neither_torch_nor_the_toolbox():
    script = (
        "import sys\n"
        "from dnll_plugin.commands.main import main\n"
        "for option in ('--help', '--version'):\n"
        "    try: main([option])\n"
        "    except SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'semilearn', 'numpy'} & set(sys.modules), 'too much is imported'\n"
    )
    done = run_python("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("dnll ")


def test_the_package_runs_as_a_module():
    done = run_python("-m", "dnll_plugin", "--nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dnll: error: ")


@pytest.mark.parametrize(
    ("lines", "buffered", "code"), [(1, True, 5), (100_000, True, 141), (1, False, 141)]
)
def test_a_reader_that_left_is_no_error(tmp_path: Path, lines: int, buffered: bool, code: int):
    """``dnll … | true``: at the end of little output, and in the middle of much."""
    script = tmp_path / "closed.py"
    script.write_text(
        "import sys, types\n"
        "from dnll_plugin.commands import main\n"
        "work = types.ModuleType('work')\n"
        "work.add_arguments = lambda parser: None\n"
        f"work.run = lambda options: [print('line') for _ in range({lines})] and 5\n"
        "sys.modules['work'] = work\n"
        "main.COMMANDS = (main.Command('work', 'does it', 'work'),)\n"
        "sys.exit(main.main(['work']))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, str(script)],
            env=os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")
