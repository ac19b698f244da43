"""The README and the pages of docs/ say what the code does."""

import re
from pathlib import Path

import pytest

from dnll_plugin.commands.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_is_there(command: str) -> None:
    assert f"`dnll {command}" in README
    assert f"`dnll {command}" in COMMANDS_PAGE


def test_the_example_in_python_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.search(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL).group(1)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["algorithm"].it == names["config"].num_train_iter
    assert names["algorithm"].best_eval_acc > 0.2  # ten classes


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), f"{page}: {target}"
