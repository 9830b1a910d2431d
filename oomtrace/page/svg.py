"""Bars as SVG: lengths in per cent of whatever width there is, so that text beside them never shrinks with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup, escape

from oomtrace.escape import escaped

_LEAST = 0.004  # of the width: what is there can be seen


@dataclass(frozen=True)
class Segment:
    """A piece of a bar. ``start`` and ``length`` are parts of 1; ``look`` is a class of the style sheet.

    ``key``: a row of the table beside it has the same, and is marked while the piece is pointed at.
    """

    start: float
    length: float
    look: str
    title: str = ""
    key: Optional[str] = None


@dataclass(frozen=True)
class Mark:
    """A line across a bar, such as a limit."""

    at: float
    look: str
    title: str = ""


def bar(segments: Iterable[Segment], marks: Iterable[Mark] = (), label: str = "", height: int = 16) -> Markup:
    """The picture of one bar. ``label`` says in words what it shows; without one, the text beside it does."""
    shapes = [_rect(segment, height) for segment in segments if segment.length > 0]
    shapes += [_line(mark, height) for mark in marks if 0 <= mark.at <= 1]
    return Markup(f'<svg class="bar" height="{height}" {_role(label)}>{"".join(shapes)}</svg>')


def _role(label: str) -> str:
    return f'role="img" aria-label="{text(label)}"' if label else 'aria-hidden="true"'


def _rect(segment: Segment, height: int) -> str:
    key = f' data-key="{text(segment.key)}"' if segment.key is not None else ""
    length = min(max(segment.length, _LEAST), max(1 - segment.start, _LEAST))
    return (f'<rect class="{segment.look}" x="{per_cent(segment.start)}" width="{per_cent(length)}" height="{height}"'
            f"{key}>{_title(segment.title)}</rect>")


def _line(mark: Mark, height: int) -> str:
    at = per_cent(mark.at)
    return (f'<line class="mark {mark.look}" x1="{at}" x2="{at}" y1="0" y2="{height}">{_title(mark.title)}</line>')


def _title(title: str) -> str:
    return f"<title>{text(title)}</title>" if title else ""


def per_cent(part: float) -> str:
    """0.1234 → "12.34%"."""
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + "%"


def text(words: str) -> str:
    """Anybody's words, as HTML and without what hides or reorders its neighbours."""
    return str(escape(escaped(words)))
