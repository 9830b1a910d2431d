"""The lines of a file → the lines of text in it: what a medium wrapped around them is taken off.

Each step looks first whether there can be something for it: most lines are plain.
"""

from __future__ import annotations

import re

from .cells import Cells
from .markup import clean, unmarked
from .match import is_read
from .oneline import apart
from .prefix import strip
from .quoted import Quoted
from .records import Records
from .structured import Structure
from .tuples import Tuples

Record = list[str]  # lines that belong together

_ESCAPED_END = re.compile(r"(?:\\r)?\\n|\\012")
_CODE = re.compile(r"\s*(?:[-*+] +|\d+\. +)?`([^`].*[^`])`\s*$")  # Markdown, in a list or not
_BACKSLASHED = re.compile(r"\\([_*<>()\[\]#+.!|~-])")  # Markdown's own characters
_MARKED = re.compile(r"^\s*(?:\{(?:code|noformat)[^}]{0,40}\}|\[(?:code|quote|pre)(?:=[^\]]{0,60})?\])"  # of trackers
                     r"|(?:\{(?:code|noformat)\}|\[/(?:code|quote|pre)\])\s*$", re.IGNORECASE)
_FENCE = "```"
_FENCES = re.compile(r"^\s*```(?=.*\d)|```\s*$")  # on the report's own lines, as chats have them
_LONG = 250  # characters; a shorter line has no other in it, unless it says so
_MOST = 20000  # lines in one
_DIGITS = 9  # of a number of a line


class Texts:
    """The steps, and what they have learned of a log."""

    def __init__(self) -> None:
        self._structure = Structure()
        self._quoted = Quoted()
        self._cells = Cells()
        self._records = Records()
        self._tuples = Tuples()
        self._number = 0  # the last line that was nothing but a number

    def add(self, raw: str) -> list[Record]:
        """The records in a line of the file, each of them the lines of text in it. None may be complete yet."""
        if self._structure.within:
            return self._structure.unwrap(raw) or [[raw]]
        line = self._quoted.line(clean(raw))
        if line is None:
            return []
        shown = self._records.text(line)
        if shown is not None:
            return [[part] for part in self._parts(shown)] if shown else []
        rows = self._tuples.texts(line) if "(" in line else None
        found = rows if rows is not None else self._structure.unwrap(line)
        if found is None:
            return [[part] for part in self._parts(line)]
        return [[part for text in record for part in self._parts(clean(text))] for record in found]

    def _parts(self, line: str) -> list[str]:
        """The lines in one: those of a page, of a row of a table, or of a text whose line ends were lost."""
        code = _CODE.match(line) if "`" in line else None
        line = code.group(1) if code is not None else line
        if _FENCE in line and line.strip() != _FENCE:
            line = _FENCES.sub("", line)
        if "{" in line or "[/" in line or line[:1] == "[":
            line = _MARKED.sub("", line)
        if "\\_" in line or "\\[" in line:
            line = _BACKSLASHED.sub(r"\1", line)
        parts = unmarked(line) if "<" in line or "&" in line else [line]
        if "|" in line or parts[0:1] != [line]:
            parts = [self._cell(part) if "|" in part else part for part in parts]
        if "\\n" in line or "\\012" in line:
            parts = [one for part in parts for one in _split(part)]
        if len(line) > _LONG:
            parts = [one for part in parts for one in (apart(part) if len(part) > _LONG else (part,))]
        return [part for part in parts if not (part.isdigit() and self._is_number_of_line(part))][:_MOST]

    def _is_number_of_line(self, text: str) -> bool:
        """Is it the next number of those that a page or an editor puts between the lines?"""
        if len(text) > _DIGITS:
            return False
        before, self._number = self._number, int(text)
        return self._number == before + 1

    def _cell(self, line: str) -> str:
        text = self._cells.text(line)
        return line if text is None else text


def _split(text: str) -> tuple[str, ...]:
    """The lines of a text in which their ends are escaped: \\n in so many letters."""
    if is_read(strip(text).text):
        return (text,)
    return tuple(_ESCAPED_END.split(text))
