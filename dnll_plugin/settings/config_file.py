"""Reads and writes config files: flat YAML 1.2, one value a key, nothing executed.

The toolbox reads its configs with a loader that can call any Python function. Here only the nodes
of the YAML text are looked at; numbers, booleans, text, nothing and flat lists of them become
values, everything else is an error.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dnll_plugin.errors import InputError
from dnll_plugin.files import write_text
from dnll_plugin.settings.suggestions import find_nearest

MAX_BYTES = 2**20
"""A config has a few KiB; whatever is larger (a checkpoint, ``/dev/zero``) is not one."""

_CORE = "tag:yaml.org,2002:"
_SCALARS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null"))
_TIMESTAMP = _CORE + "timestamp"


class Entry(NamedTuple):
    """A value as written, and the line it stands on (from 1)."""

    value: Any
    line: int


class _Problem(Exception):
    """What is wrong with a YAML text, and on which line (from 1; None where nobody knows)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def read_config(file: Path) -> dict[str, Entry]:
    """Reads a config file.

    Args:
        file: path of the YAML file, or the name of a config of the plugin; its top level is a
            mapping.

    Returns:
        The entry of each key, in the file's order. Dates stay text.

    Raises:
        InputError: the file cannot be read, or is not such a mapping.
    """
    try:
        return _entries(_parse(_text(find_config(file))))
    except _Problem as problem:
        place = f"{file}" if problem.line is None else f"{file} line {problem.line}"
        raise InputError(one_line(f"{place}: {problem}")) from problem


def list_configs() -> dict[str, Path]:
    """The configs of the plugin, by name."""
    package = Path(__file__).parents[1]
    installed, clone = package / "config", package.with_name("config")
    folder = installed if installed.is_dir() else clone
    files = sorted(folder.rglob("*.yaml"))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def find_config(file: Path) -> Path:
    """The path of a config: the file where there is one, else the plugin's config of that name."""
    if file.exists() or file.suffix:
        return file
    return list_configs().get(file.as_posix(), file)


def read_value(text: str) -> Any:
    """Reads one value as if it stood behind ``key:`` in a config file.

    Raises:
        InputError: the text is not a value.
    """
    try:
        node = _parse(text)
        return None if node is None else _value(node)
    except _Problem as problem:
        raise InputError(one_line(f"{shorten(text)} is not a YAML value: {problem}")) from problem


def write_override(key: str, value: Any) -> str:
    """``key=value`` as :func:`read_value` reads it: JSON is YAML."""
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def write_config(
    file: Path, values: Mapping[str, Any], comments: Mapping[str, str], title: str
) -> None:
    """Writes values as a config file that reads back to the same ones.

    Args:
        file: path to write.
        values: numbers, booleans, text without control characters, None.
        comments: what to note behind the value of each key.
        title: comment for the first line.
    """
    lines = [f"{key}: {_written(value)}  # {comments[key]}" for key, value in values.items()]
    write_text(file, "\n".join([f"# {title}", *lines, ""]))


def shorten(value: object) -> str:
    """A value for a message: on one line, and short whatever it is."""
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**40:  # str() refuses to print the largest
        return "a huge number"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    return " ".join(text.split())


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        nearest = find_nearest(file.stem, list_configs(), cutoff=0.8)
        hint = f"did you mean {nearest}? Or " if nearest else ""
        raise _Problem(
            f"no such file; {hint}give the path of a config, a YAML file, or the name of one that "
            "`dnll list configs` lists"
        ) from None
    except IsADirectoryError:
        raise _Problem("is a folder; give the path of a config, a YAML file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or error
        raise _Problem(f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _Problem("is larger than 1 MiB; give the path of a config, a YAML file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Problem("is not UTF-8 text; save it as UTF-8", line) from None


def _parse(text: str) -> Node | None:
    """The nodes of a YAML text: aliases are resolved, nothing is constructed."""
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise _Problem(f"is not valid YAML: {error.problem}", line) from None
    except RecursionError:
        raise _Problem("is nested too deeply; write one value a key") from None
    except (YAMLError, ValueError, IndexError, TypeError, KeyError, AttributeError) as error:
        # besides its own errors, the parser lets a few of Python's through
        raise _Problem(f"is not valid YAML: {error}") from None


def _entries(root: Node | None) -> dict[str, Entry]:
    if root is None:
        raise _Problem("is empty; write one `key: value` a line")
    if not isinstance(root, MappingNode):
        raise _Problem("holds no keys; write one `key: value` a line", root.start_mark.line + 1)
    if root.tag != _CORE + "map":
        raise _tag_problem(root)
    entries: dict[str, Entry] = {}
    for key_node, value_node in root.value:
        line = key_node.start_mark.line + 1
        if key_node.tag != _CORE + "str":
            raise _Problem(f"a key must be a word, got {shorten(key_node.value)}", line)
        key = key_node.value
        if key in entries:
            raise _Problem(
                f"key {shorten(key)} stands on line {entries[key].line} already; keep one", line
            )
        try:
            entries[key] = Entry(_value(value_node), line)
        except _Problem as problem:
            raise _Problem(f"{one_line(key)}: {problem}", line) from None
    return entries


def _value(node: Node) -> Any:
    if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
        return [_scalar(item) for item in node.value]
    return _scalar(node)


def _scalar(node: Node) -> Any:
    if isinstance(node, MappingNode) and node.tag == _CORE + "map":
        raise _Problem("holds a mapping; write one value a key")
    if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
        raise _Problem("holds a list in a list; write one value a key")
    if node.tag == _TIMESTAMP:
        return node.value
    if not isinstance(node, ScalarNode) or node.tag not in _SCALARS:
        raise _tag_problem(node)
    try:
        return YAML(typ="safe", pure=True).constructor.construct_object(node)
    except (YAMLError, ValueError, KeyError, IndexError) as error:
        raise _Problem(f"cannot read {shorten(node.value)}: {error}") from None


def _tag_problem(node: Node) -> _Problem:
    return _Problem(f"YAML tags are not allowed; remove {shorten(node.tag)}")


def _written(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        # a loader for YAML 1.1 takes 5e-05 for text, 5.0e-05 for a number
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
    if isinstance(value, str) and not _reads_back(value):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _reads_back(text: str) -> bool:
    """Whether unquoted text, with a comment behind, is read as that text."""
    try:
        entries = _entries(_parse(f"key: {text}  # comment"))
    except _Problem:
        return False
    return list(entries) == ["key"] and entries["key"].value == text
