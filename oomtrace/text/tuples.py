"""Dumps of databases: rows of values, as ``INSERT`` has them, of which one has the kernel's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from .structured import tells

_INSERT = re.compile(r"\s*(?:INSERT|REPLACE)\b[^']{0,4000}\bVALUES\b", re.IGNORECASE)
_MORE = re.compile(r"\s*\(.*\)[,;]?\s*$", re.DOTALL)  # further rows, each on a line of its own
# A string in which a quote is escaped or doubled; what stands between values; anything else.
_TOKEN = re.compile(r"[EeNn]?'([^'\\]*(?:(?:\\.|'')[^'\\]*)*)'|([(),])|[^'(),]+|'", re.DOTALL)
_ESCAPE = re.compile(r"\\([nrt0Z'\"\\])|''")
_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a"}
_ENDS = re.compile("\r\n|\n|\r")


class Tuples:
    """Which value of a row has the kernel's words, learned from a row in which that is certain."""

    def __init__(self) -> None:
        self._on = False  # was there such a statement?
        self._place: Optional[int] = None

    def texts(self, line: str) -> Optional[list[list[str]]]:
        """The lines of text in each row. None: it is no line of such a statement."""
        if not (_INSERT.match(line) or (self._on and _MORE.match(line))):
            return None
        rows = list(_rows(line))
        told = next((at for row in rows for at, text in enumerate(row) if text is not None and tells(text)), None)
        if told is not None:
            self._place, self._on = told, True
        self._on = self._on or bool(rows) or not line.rstrip().endswith(";")
        found = [row[self._place] for row in rows if self._place is not None and len(row) > self._place]
        return [_ENDS.split(text.rstrip("\r\n")) for text in found if text is not None]


def _rows(line: str) -> Iterator[list[Optional[str]]]:
    """The values of each row; None for one that is no string. What is cut off at the end of the line is no row."""
    row: list[Optional[str]] = []
    value: Optional[str] = None
    depth = 0
    for token in _TOKEN.finditer(line):
        text, mark = token.groups()
        if mark == "(":
            depth += 1
            if depth == 1:
                row, value = [], None
        elif mark == ")":
            depth = max(0, depth - 1)
            if depth == 0:
                yield [*row, value]
        elif mark == "," and depth == 1:
            row.append(value)
            value = None
        elif text is not None and depth == 1:
            value = _ESCAPE.sub(lambda match: _CHARACTERS.get(match[1], match[1] or "'"), text)
