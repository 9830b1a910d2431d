"""Log lines → the kernel's lines: records with newlines taken apart, wrapped lines put together again.

A line is rejoined only with certainty: if a row reads what comes of it, and does not read the pieces.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .match import is_read, readings
from .prefix import Stripped, clean, strip, unwrap

_MAIL, _CUT = "mail", "cut"
_LONG = 100
_PIECES = 16  # of one wrapped line
_HELD = 128  # lines without prefix that may follow one with a prefix: a record with that many newlines
_ESCAPED = re.compile(r"#012|\\x0a")
_OPEN = frozenset(["hardware", "workqueue", "sched_ext", "task_in", "stats_head", "panic", "task"])


class Logical(NamedTuple):
    """A line as the kernel printed it."""

    number: int  # of its first piece
    text: str
    stripped: Stripped  # its first piece
    bare: bool = False  # without prefix of its own


class _Piece(NamedTuple):
    number: int
    stripped: Stripped
    bare: bool


class Joiner:
    """Takes the lines of a log, and gives the kernel's lines as soon as they are certainly complete."""

    def __init__(self) -> None:
        self._held: List[_Piece] = []
        self._marked: Optional[Stripped] = None  # the last line with a prefix
        self._indent = 0  # of lines without prefix
        self._joins: Dict[str, int] = {}  # how often each way of joining was certain

    @property
    def holding(self) -> bool:
        """Is a line held back?"""
        return bool(self._held)

    def add(self, number: int, raw: str) -> List[Logical]:
        """The kernel's lines that are complete now."""
        found: List[Logical] = []
        line = clean(raw)
        parts = unwrap(line)
        if parts is not None:
            for part in parts:
                found += self._split(number, part)
            return found
        return self._split(number, line)

    def flush(self) -> List[Logical]:
        """What is held back, in case that more of it comes: nothing did."""
        held, self._held = self._held, []
        return self._resolved(held)

    def _split(self, number: int, line: str) -> List[Logical]:
        stripped = strip(line)
        if "\xa0" in line and not is_read(stripped.text):  # mail programs make them of blanks
            stripped = strip(line.replace("\xa0", " "))
        text = stripped.text
        if ("#012" in text or "\\x0a" in text) and not is_read(text):
            found: List[Logical] = []
            for part in _ESCAPED.split(text):
                found += self._take(_Piece(number, _with(stripped, part), False))
            return found
        if "\n" in text:  # a /dev/kmsg record
            found = []
            for part in text.split("\n"):
                found += self._take(_Piece(number, _with(stripped, part), False))
            return found
        if self._dated() and not _DIGIT.search(stripped.prefix):  # not much of a prefix: "kernel:" of a wrapped one
            return self._take(_Piece(number, _with(stripped, line), True))
        bare = not stripped.prefix.strip(" \t>|#") and stripped.time_ns is None
        return self._take(_Piece(number, stripped, bare))

    def _dated(self) -> bool:
        return self._marked is not None and _DIGIT.search(self._marked.prefix) is not None

    def _take(self, piece: _Piece) -> List[Logical]:
        if not piece.bare:
            self._marked = piece.stripped
        starts = not piece.bare or (self._marked is None and is_read(self._dedented(piece.stripped.text)))
        if not starts and len(self._held) < _HELD:
            self._held.append(piece)
            return []
        held, self._held = self._held, [piece]
        return self._resolved(held)

    # The pieces between one beginning and the next.

    def _resolved(self, held: Sequence[_Piece]) -> List[Logical]:
        if not held:
            return []
        if len(held) == 1:
            piece = held[0]
            return [Logical(piece.number, self._text(piece), piece.stripped, piece.bare)]
        flowed = self._flowed(held)
        if flowed is not None:
            return flowed
        texts = [self._text(piece) for piece in held]
        read = [is_read(text) for text in texts]
        found: List[Logical] = []
        at = 0
        while at < len(held):
            text, count = self._longest(texts, read, at)
            piece = held[at]
            found.append(Logical(piece.number, text, piece.stripped, piece.bare))
            at += count
        return found

    def _longest(self, texts: Sequence[str], read: Sequence[bool], at: int) -> Tuple[str, int]:
        """The longest join of pieces from ``at`` on that is certain, and of how many pieces."""
        end = at + 1
        while end < len(texts) and not read[end] and texts[end].strip() and end - at < _PIECES:
            end += 1
        for stop in range(end, at + 1, -1):
            pieces = texts[at:stop]
            for way in (_MAIL, _CUT):
                text = _joined(pieces, way)
                if is_read(text) and self._certain(text, pieces, way, read[at]):
                    self._joins[way] = self._joins.get(way, 0) + 1
                    return text, stop - at
            if len(pieces) == 2 and pieces[0].startswith("["):
                row = _table_row(pieces)
                if row is not None:
                    self._joins[_MAIL] = self._joins.get(_MAIL, 0) + 1
                    return row, 2
        return texts[at], 1

    def _certain(self, text: str, pieces: Sequence[str], way: str, first_read: bool) -> bool:
        """Rows that take any text at the end read any join: then only in the way that others were joined.

        No mail program leaves lines longer than _LONG: they were cut at the width of a terminal.
        """
        long = len(pieces[0]) > _LONG
        other = _CUT if way == _MAIL else _MAIL
        if first_read and {reading.row.kind for reading in readings(text)} & _OPEN:
            return self._joins.get(way, 0) > 0 or (long and way == _CUT)
        joined = _joined(pieces, other)
        if joined == text or not is_read(joined):
            return True
        return way == _CUT if long else self._joins.get(way, 0) >= self._joins.get(other, 0)

    def _text(self, piece: _Piece) -> str:
        return self._dedented(piece.stripped.text) if piece.bare else piece.stripped.text

    def _dedented(self, text: str) -> str:
        """A line without prefix, less the blanks that stand for one."""
        if not text.startswith((" ", "\t")):
            return text
        width = len(self._marked.prefix) if self._marked is not None else self._indent
        if width and not text[:width].strip():
            return text[width:]
        if is_read(text) and not (self._marked is None and _begins_with_name(text)):
            return text
        bare = text.lstrip(" \t")
        for guess in (bare, " " + bare):
            if is_read(guess):
                if self._marked is None:
                    self._indent = len(text) - len(guess)
                return guess
        return text

    def _flowed(self, held: Sequence[_Piece]) -> Optional[List[Logical]]:
        """Text that a mail program wrapped as one paragraph: prefixes stand in the middle of lines."""
        first = held[0]
        if first.bare or len(first.stripped.prefix) < 12:
            return None
        shape = re.sub(r"(?:\\ )+", " +", re.sub(r"\d+", r"\\d+", re.escape(first.stripped.prefix.strip())))
        text = _joined([piece.stripped.prefix + piece.stripped.text for piece in held], _MAIL)
        parts = re.split(shape + " ?", text)
        if len(parts) < 3 or parts[0].strip():
            return None
        return [Logical(first.number, part.rstrip(), first.stripped) for part in parts[1:]]


_DIGIT = re.compile(r"\d")


def _with(stripped: Stripped, text: str) -> Stripped:
    return Stripped(text, stripped.prefix, stripped.time_ns, stripped.source, stripped.caller, stripped.kernel)


def _table_row(pieces: Sequence[str]) -> Optional[str]:
    """A row of the task table, broken at the blanks between two columns: only one number of blanks fits."""
    fitting = []
    for blanks in range(1, 24):
        text = pieces[0].rstrip(" ") + " " * blanks + pieces[1].lstrip(" ")
        if any(reading.row.kind == "task" for reading in readings(text)):
            fitting.append(text)
    return fitting[0] if len(fitting) == 1 else None


def _joined(pieces: Sequence[str], way: str) -> str:
    """Pieces as one line: broken at a blank or behind a hyphen (_MAIL), or at a column (_CUT)."""
    text = pieces[0]
    for piece in pieces[1:]:
        text += piece if way == _CUT or text.endswith((" ", "-")) else " " + piece.lstrip(" ")
    return text


def _begins_with_name(text: str) -> bool:
    """Do only rows read it that begin with a name? Then the blanks before that are indentation."""
    return not any(reading.row.format.text.startswith((" ", "{")) for reading in readings(text))
