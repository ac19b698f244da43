"""Names of files and folders, made harmless where they are shown."""

import re
from typing import Any


def for_terminal(text: str) -> str:
    """The text in one line, with control characters as escapes: none reaches the terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def for_markdown(text: str) -> str:
    """The text as one line of Markdown: no cell, tag or link ends or begins in it."""
    text = for_terminal(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return text.replace("](", "]\\(")


def fence(text: str) -> str:
    """The text as a block of code in Markdown, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}\n{text}\n{marks}"


def for_spreadsheet(value: object) -> Any:
    """The value, text that a spreadsheet would take for a formula with an apostrophe before it."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value
