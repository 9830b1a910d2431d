"""Rows that a database's client shows as records, a field a line: mysql's \\G, psql's \\x."""

from __future__ import annotations

import re
from typing import Optional

from .structured import tells

_BEGINS = re.compile(r"\*{10,} \d+\. row \*{10,}$|-\[ RECORD \d+ \][-+]*$")
_OVER = re.compile(r"\(?\d+ rows?(?: in set\b.*|\))$")
_FIELD = re.compile(r" *([A-Za-z_]\w*)(?:: ?| *\| )(.*)$", re.DOTALL)


class Records:
    """Which field has the kernel's words, learned from a record in which that is certain."""

    def __init__(self) -> None:
        self._within = False
        self._field: Optional[str] = None  # which has them
        self._width: Optional[int] = None  # of the names, which stand below one another
        self._text = False  # is the next line more of that field, if it is no other?

    def text(self, line: str) -> Optional[str]:
        """The kernel's words in a line of a record; "" for a line of one without any. None: it is none."""
        if _BEGINS.match(line):
            self._within, self._width, self._text = True, None, False
            return ""
        if not self._within:
            return None
        if _OVER.match(line):
            self._within = False
            return ""
        match = _FIELD.match(line)
        width = match.start(2) if match is not None and match.group(2) else len(line.rstrip(" "))
        if match is None or (self._width is not None and abs(width - self._width) > (not match.group(2))):
            return None if self._text else ""
        name, text = match.groups()
        self._width = self._width or match.start(2)
        if self._field != name and tells(text):
            self._field = name
        self._text = name == self._field
        return text if self._text else ""
