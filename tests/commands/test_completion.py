"""``dnll completion``: the scripts work in their shells."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dnll_plugin.commands.main import COMMANDS, main


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    file = tmp_path / "dnll.bash"
    file.write_text(capsys.readouterr().out)
    return file


def complete(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words that follow ``dnll``."""
    line = (
        f'source "{script}"; COMP_WORDS=(dnll "$@"); COMP_CWORD=$#; '
        "$(complete -p dnll | grep -o -- '-F [^ ]*' | cut -c 4-); "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", line, "bash", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    )
    return done.stdout.split()


def test_bash_completes_commands_options_choices_and_files(script: Path) -> None:
    (script.parent / "runs").mkdir()
    assert {command.name for command in COMMANDS} <= set(complete(script, ""))
    assert {"--images", "--montage", "--workers"} <= set(complete(script, "predict", "--"))
    assert complete(script, "predict", "--format", "p") == ["parquet"]
    assert complete(script, "list", "al") == ["algorithms"]
    assert complete(script, "predict", "--run", "r") == ["runs"]


def test_zsh_gets_a_function(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", "zsh"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("#compdef dnll")
    assert all(command.name in text for command in COMMANDS)
    if shutil.which("zsh"):
        (tmp_path / "_dnll").write_text(text)
        subprocess.run(["zsh", "-n", str(tmp_path / "_dnll")], check=True)


def test_without_shtab_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("needs shtab: pip install 'dnll-plugin[completion]'")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
