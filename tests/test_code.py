"""What the code promises of itself: sizes, types, and one direction of dependency."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dnll_plugin.commands.main import COMMANDS

PACKAGE = Path(__file__).parents[1] / "dnll_plugin"
FILES = sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("upstream/files/**/*.py")))
"""Without the files of the patch series, which are in the toolbox's style."""

LAYERS = (
    ("errors", "files", "protocols"),
    ("functional",),
    ("nets", "datasets", "augment"),
    ("hooks",),
    ("algorithms",),
    ("toolbox",),
    ("settings",),
    ("runs",),
    ("training",),
    ("upstream", "diagnosis"),
    ("comparison", "prediction", "benchmark", "export", "evaluation"),
    ("api", "commands", "__main__", "__init__"),
)
"""Rooms from the lowest to the highest: a module imports from its own layer and those below."""

FACE = "dnll_plugin/__init__.py"
"""It registers the plugin when it is imported, and reaches down for that."""


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield f"{file.relative_to(PACKAGE)}:{node.name}", node


def parameters(node: ast.FunctionDef) -> list[ast.arg]:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [arg for arg in named if arg.arg not in ("self", "cls")]


def test_files_are_short() -> None:
    lengths = {str(f): len(f.read_text(encoding="utf-8").splitlines()) for f in FILES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_functions_are_short() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > 50} == {}


def test_functions_have_few_parameters() -> None:
    numbers = {name: len(parameters(node)) for name, node in functions()}
    assert {name: number for name, number in numbers.items() if number > 8} == {}


def test_few_parameters_are_of_any_type() -> None:
    everything = [
        arg
        for _, node in functions()
        for arg in (*parameters(node), node.args.vararg, node.args.kwarg)
        if arg is not None and arg.annotation is not None
    ]
    of_any = [arg for arg in everything if ast.unparse(arg.annotation).startswith("Any")]
    assert len(of_any) < 60


def layer_of(module: str) -> int:
    room = module.split(".")[0]
    return next(level for level, rooms in enumerate(LAYERS) if room in rooms)


def test_no_module_imports_upwards() -> None:
    upwards = []
    for file in FILES:
        own = file.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        if f"dnll_plugin/{own}.py" == FACE:
            continue
        text = file.read_text(encoding="utf-8")
        for found in re.finditer(r"^\s*(?:from|import) dnll_plugin\.(\w+)", text, re.MULTILINE):
            if layer_of(found[1]) > layer_of(own):
                upwards.append((own, found[1]))
    assert upwards == []


def test_no_command_imports_another() -> None:
    commands = {command.module.split(".")[-1] for command in COMMANDS}
    for name in commands:
        text = (PACKAGE / "commands" / f"{name}.py").read_text(encoding="utf-8")
        imported = set(re.findall(r"dnll_plugin\.commands\.(\w+) import", text))
        assert not imported & commands, name


def test_no_room_holds_more_than_a_quarter() -> None:
    lengths: dict[str, int] = {}
    for file in FILES:
        room = file.relative_to(PACKAGE).parts[0]
        lengths[room] = lengths.get(room, 0) + len(file.read_text(encoding="utf-8").splitlines())
    assert max(lengths.values()) <= sum(lengths.values()) / 4
