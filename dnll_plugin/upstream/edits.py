"""Changes of a toolbox's files: what a patch of the series is made of."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.errors import InputError


@dataclass(frozen=True)
class Edit:
    """One place in a file.

    Attributes:
        file: Path below the checkout.
        old: Text that is there exactly once; empty for the end of the file.
        new: What takes its place.
    """

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Patch:
    """One pull request.

    Attributes:
        subject: First line of its message.
        what: What it does and why, and the issues that it fixes or is about.
        edits: Gives the changes of existing files; gets the plugin's folder.
        files: Gives the content of new files by path; gets the plugin's folder.
        breaking: Breaking changes.
    """

    subject: str
    what: str
    edits: Callable[[Path], Iterable[Edit]]
    files: Callable[[Path], Mapping[str, str]] = lambda plugin: {}
    breaking: str = "None"

    @property
    def message(self) -> str:
        """The commit's message, in the form of the repository's pull-request template."""
        issues = ", ".join(re.findall(r"#\d+", self.what))
        return _TEMPLATE.format(
            subject=self.subject,
            what=self.what.strip(),
            breaking=self.breaking,
            mark="x" if issues else " ",
            discussed=f" ({issues})" if issues else "",
        )

    def apply(self, checkout: Path, plugin: Path) -> None:
        """Makes the patch's changes in a checkout.

        Raises:
            InputError: If a place is not there, or a new file is there already.
        """
        for edit in self.edits(plugin):
            _edit(checkout, edit)
        for name, content in self.files(plugin).items():
            path = checkout / name
            if path.exists():
                raise InputError(f"{name}: is in the toolbox already")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")


def _edit(checkout: Path, edit: Edit) -> None:
    path = checkout / edit.file
    text = path.read_bytes().decode()
    if edit.old and text.count(edit.old) != 1:
        first = edit.old.strip().splitlines()[0]
        raise InputError(f"{edit.file}: '{first}' is there {text.count(edit.old)} times, not once")
    text = text.replace(edit.old, edit.new) if edit.old else text.rstrip("\n") + "\n" + edit.new
    path.write_bytes(text.encode())


_TEMPLATE = """\
{subject}

## What does this PR do?

{what}

### Does your PR introduce any breaking changes? If yes, please list them.

{breaking}

## Before submitting

- [{mark}] Was this **discussed/approved** via a GitHub issue?{discussed}
- [ ] Did you read the contributor guideline, **Pull Request** section?
- [x] Did you make sure your **PR does only one thing**, instead of bundling different changes together?
- [x] Did you make sure to **update the documentation** with your changes? (if necessary)
- [x] Did you list all the **breaking changes** introduced by this pull request?

## PR review

- [x] Is this pull request ready for review? (if not, please submit in draft mode)
- [x] Make sure the title is self-explanatory and the description concisely explains the PR
"""  # noqa: E501
