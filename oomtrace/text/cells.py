"""Lines that are rows of a table (Markdown, a database's client, a page): the cell with the kernel's words."""

from __future__ import annotations

import re
from typing import Optional

from .match import is_read
from .prefix import strip

_ROW = re.compile(r"\s*\|.*\|\s*$|\s*\| .*")
_RULE = re.compile(r"[\s|:+=-]+$")
_SPLIT = re.compile(r"(?<!\\)\|(?=\s|$)")
_MOST = 16  # columns


class Cells:
    """Which column has the kernel's words, learned from a row in which that is certain."""

    def __init__(self) -> None:
        self._column: Optional[int] = None
        self._columns = 0

    def text(self, line: str) -> Optional[str]:
        """The kernel's words in a row of a table, "" for a row without any. None: it is no row, as far as is known."""
        if not _ROW.match(line):
            return None
        if _RULE.match(line):
            return "" if line.count("-") > 2 else None
        parts = _SPLIT.split(line.strip().replace("\xa0", " "))
        cells = [_bare(part) for part in (parts[1:-1] if not parts[-1].strip() else parts[1:])]
        if not 1 <= len(cells) <= _MOST:
            return None
        if self._column is None or self._columns != len(cells):
            found = _certain(cells)
            if found is None:
                return None
            self._column, self._columns = found, len(cells)
        return cells[self._column]


def _bare(cell: str) -> str:
    """A cell's text: one blank stands on either side of it; what begins with blanks keeps the others."""
    text = cell[1:] if cell.startswith(" ") else cell
    text = text.rstrip(" ").replace("\\|", "|")
    if len(text) > 1 and text[0] == text[-1] == "`":
        text = text.strip("`")
    return text


def _certain(cells: list[str]) -> Optional[int]:
    return next((number for number, cell in enumerate(cells)
                 if is_read(strip(cell).text) or " invoked oom-killer: " in cell), None)
