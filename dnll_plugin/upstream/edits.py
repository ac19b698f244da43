"""Changes of a toolbox's files: what a patch of the series is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dnll_plugin.errors import InputError
from dnll_plugin.upstream.rewrite import upstream_files

FILES = Path(__file__).parent / "files"
"""New files, in a folder for each patch that has some, laid out as in the toolbox."""


@dataclass(frozen=True)
class Edit:
    """One place in a file.

    Attributes:
        file: Path below the checkout.
        old: Text that is there exactly once; empty for the end of the file.
        new: What takes its place.
        until: Last of the text that is replaced, the first such after ``old``; empty for ``old``
            alone.
    """

    file: str
    old: str
    new: str
    until: str = ""


@dataclass(frozen=True)
class Patch:
    """One pull request.

    Attributes:
        subject: First line of its message.
        what: What it does and why.
        edits: The changes of existing files.
        folder: The folder of :data:`FILES` with its new files.
        modules: Modules of the plugin that become new files, and their names there.
        issues: Issues of the toolbox's tracker that it is about; empty: there is none yet.
        breaking: Breaking changes.
        documented: Whether it changes the documentation.
    """

    subject: str
    what: str
    edits: tuple[Edit, ...]
    folder: str
    modules: Mapping[str, str] = field(default_factory=dict)
    issues: str = ""
    breaking: str = "None"
    documented: bool = False

    @property
    def message(self) -> str:
        """The commit's message, in the form of the repository's pull-request template."""
        return _TEMPLATE.format(
            subject=self.subject,
            what=self.what.strip(),
            issues=self.issues or _NO_ISSUE,
            breaking=self.breaking,
            discussed=f" (reported: {self.issues})" if self.issues else "",
            documented="[x]" if self.documented else "[ ]",
            unnecessary="" if self.documented else " (nothing there is about it)",
            ready="[x]" if self.issues else "[ ]",
            draft="" if self.issues else " (a draft until there is an issue)",
        )

    def files(self, plugin: Path) -> dict[str, str]:
        """Content of its new files by path.

        Args:
            plugin: The plugin's folder.
        """
        folder = FILES / self.folder
        written = {
            path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*.py"))
        }
        return written | upstream_files(plugin, self.modules)

    def apply(self, checkout: Path, plugin: Path) -> None:
        """Makes the patch's changes in a checkout.

        Raises:
            InputError: If a place is not there, or a new file is there already.
        """
        for edit in self.edits:
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
    if not edit.old:
        text = text.rstrip("\n") + "\n" + edit.new
    else:
        if text.count(edit.old) != 1:
            first = edit.old.strip().splitlines()[0]
            count = text.count(edit.old)
            raise InputError(f"{edit.file}: '{first}' is there {count} times, not once")
        before, after = text.split(edit.old)
        if edit.until and edit.until not in after:
            raise InputError(f"{edit.file}: '{edit.until.strip()}' is not there")
        text = before + edit.new + (after.split(edit.until, 1)[1] if edit.until else after)
    path.write_bytes(text.encode())


_NO_ISSUE = """\
This has not been discussed yet. Please open an issue for it before the pull request, as the
template asks, and put its number here: Fixes #<issue_number>"""

_TEMPLATE = """\
{subject}

## What does this PR do?

{what}

{issues}

### Does your PR introduce any breaking changes? If yes, please list them.

{breaking}

## Before submitting

- [ ] Was this **discussed/approved** via a GitHub issue? (not for typos and docs){discussed}
- [ ] Did you read the contributor guideline, **Pull Request** section?
- [x] Did you make sure your **PR does only one thing**, instead of bundling different changes together?
- {documented} Did you make sure to **update the documentation** with your changes? (if necessary){unnecessary}
- [x] Did you list all the **breaking changes** introduced by this pull request?

## PR review

- {ready} Is this pull request ready for review? (if not, please submit in draft mode){draft}
- [ ] Check that all items from **Before submitting** are resolved
- [x] Make sure the title is self-explanatory and the description concisely explains the PR
- [ ] Add labels and milestones (and optionally projects) to the PR so it can be classified
"""  # noqa: E501
