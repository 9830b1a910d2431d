"""The page to look at: one OOM, or a log of them, as a single HTML file that needs no network.

``made`` makes the page of an event, ``document`` the file of one or many. Pictures are SVG made here; the page's script
only sorts, zooms, filters and opens.

Importing it raises OomtraceError where the template engine (Jinja2, extra ``html``) is not installed.
"""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from . import required  # first: says what is missing

# isort: split
from markupsafe import Markup

from oomtrace.model import OomEvent
from oomtrace.why import Explanation, Pattern

from . import overview, parts, summary
from .absent import absent
from .case import PageCase
from .engine import render
from .lines import ReportLines

__all__ = ["Made", "document", "made", "required"]


@dataclass(frozen=True)
class Made:
    """An event's page: its line in the overview, and the rest packed (zlib): a line of JSON, then HTML."""

    row: overview.EventRow
    packed: bytes
    files: tuple[str, ...] = ()  # styles and scripts that it needs besides the page's own

    @property
    def json(self) -> str:
        return self._halves()[0]

    @property
    def html(self) -> str:
        return self._halves()[2]

    def _halves(self) -> "tuple[str, str, str]":
        return zlib.decompress(self.packed).decode("utf-8", "backslashreplace").partition("\n")


def made(event: OomEvent, found: Explanation, json: str) -> Made:
    """The page of one event. ``json``: all of it as data, in one line (the ``jsonl`` format's)."""
    case = PageCase(event, found, ReportLines(event))
    shown = parts.found(case)
    names = {part.name for part, _ in shown}
    names |= {name for part, value in shown if part.name == "time" for name, known in value.items() if known}
    html = render(
        "event.html", case=case, badges=summary.badges(case), numbers=summary.numbers(case), parts=shown,
        absent=absent(case, frozenset(names)),
    )
    packed = zlib.compress(f"{json.strip()}\n{html}".encode("utf-8", "backslashreplace"), 6)
    return Made(overview.row(event, found), packed, ("flame",) if "code" in names else ())


def document(pages: Sequence[Made], pattern: Optional[Pattern] = None) -> str:
    """The file: the page of the one event, or an overview of them and each event's page behind it."""
    files = tuple(sorted({file for page in pages for file in page.files}))
    if len(pages) == 1:
        data = base64.b64encode(gzip.compress(pages[0].json.encode(), 9, mtime=0)).decode()
        body = Markup(pages[0].html)
        return render("one.html", files=(*files, "page"), title=pages[0].row.headline, body=body, data=data)
    view = overview.view([page.row for page in pages], pattern)
    packed = [base64.b64encode(page.packed).decode() for page in pages]
    return render("many.html", files=(*files, "page", "many"), title=f"{len(pages)} OOMs", view=view, packed=packed)
