"""Writes a report as Markdown, and as one HTML file with the pictures inside."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.comparison.running import Failure
from dnll_plugin.comparison.tables import Table
from dnll_plugin.escaping import fence, for_markdown, for_terminal


@dataclass(frozen=True)
class Picture:
    """A picture in the folder of the report, and what it shows."""

    file: Path
    alt: str

    def inside(self) -> str:
        """The picture as it stands in an HTML file."""
        return base64.b64encode(self.file.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Report:
    """What the templates show.

    Attributes:
        pages: reports of the single tasks, relative to this one.
    """

    title: str
    command: str
    warnings: Sequence[str]
    facts: Sequence[str]
    tables: Sequence[Table]
    failures: Sequence[Failure]
    settings: Sequence[Table]
    pictures: Sequence[Picture]
    pages: Sequence[str] = ()


PAGES = ("report.md", "report.html")
"""The files of a report, each of a template of its name."""


def render(report: Report, out: Path) -> None:
    """Writes ``report.md`` and ``report.html`` into a folder."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("dnll_plugin.comparison"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": for_markdown, "fence": fence, "plain": for_terminal}
    for name in PAGES:
        text = environment.get_template(name).render(report=report)
        (out / name).write_text(text, encoding="utf-8")
