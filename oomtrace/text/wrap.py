"""Wrapped lines: pieces of one line on several, broken by a mail program or at the width of a terminal.

Pieces are joined only with certainty: a row reads what comes of it and reads none of the pieces after the first. Where
both ways of joining give a line that some row reads, the way is taken in which other lines of the log were broken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from oomtrace.formats import KINDS, Row

from .match import companion, cut, is_read_by, known, loose, of_table, readings, rows_within

_LETTERS = 16384  # of one line: the kernel's have 1024, and those of many tasks in one have a few thousand
_PIECES = 16  # of one line
_MAIL, _CUT = "mail", "cut"  # at a blank, which is gone then, or behind a hyphen; at a column
_MAIL_WIDTH = 80  # no mail program leaves longer lines, if it finds a blank


class Piece(NamedTuple):
    """A line of the log that may be a piece of one of the kernel's."""

    text: str
    width: int  # of the whole line in the log
    read: bool  # a row reads it as it is


class _Possible(NamedTuple):
    """What pieces can be, told from all of them at once: few rows need to be tried on each joining of some."""

    rows: Sequence[tuple[str, tuple[Row, ...]]]  # see match.rows_within
    names_first: bool  # a row that begins with a name


_NOTHING = _Possible((), False)


def _possible(pieces: Sequence[Piece]) -> _Possible:
    squeezed = "".join(piece.text for piece in pieces).replace(" ", "")
    return _Possible(rows_within(squeezed), _NAMES_FIRST_SQUEEZED.search(squeezed) is not None)


class Wrapping:
    """How a log's lines are broken, learned from those that can have been broken in one way only."""

    def __init__(self) -> None:
        self._joins: dict[str, int] = {_MAIL: 0, _CUT: 0}
        self._widths: dict[int, int] = {}  # of lines that were cut
        self._table: Optional[Row] = None  # the row of the task table that was begun

    def join(self, pieces: Sequence[Piece]) -> list[tuple[str, int]]:
        """The lines that the pieces make, each with the number of its pieces."""
        found: list[tuple[str, int]] = []
        at = 0
        while at < len(pieces):
            text, count = self._longest(pieces, at)
            self.note(text)
            found.append((text, count))
            at += count
        return found

    def note(self, text: str) -> None:
        """Remembers the head of a task table, whose rows have its columns."""
        if text.startswith("[") and "oom_score_adj" in text:
            self._table_row(text)

    def _longest(self, pieces: Sequence[Piece], at: int) -> tuple[str, int]:
        end, letters = at + 1, len(pieces[at].text)
        while end < len(pieces) and not pieces[end].read and pieces[end].text.strip() and end - at < _PIECES:
            letters += len(pieces[end].text)
            if letters > _LETTERS:
                break
            end += 1
        possible = _possible(pieces[at:end]) if end > at + 1 else _NOTHING
        for stop in range(end, at + 1, -1):
            text = self._certain(pieces[at:stop], possible)
            if text is not None:
                return text, stop - at
        texts = [piece.text for piece in pieces[at:end]]
        if len(texts) > 1 and not (pieces[at].read or _begins_later(texts)):
            joined = _joined(texts, _MAIL)
            if _tells_more(texts[0], joined):
                return joined, end - at
        return pieces[at].text, 1

    def _certain(self, pieces: Sequence[Piece], possible: _Possible) -> Optional[str]:
        """The one line that the pieces can be, if there is one."""
        texts = [piece.text for piece in pieces]
        if possible.names_first and _needless(texts, possible):
            return None
        ways = {}
        for way in (_MAIL, _CUT) if possible.rows else ():
            whole = _whole(_joined(texts, way), possible)
            if whole is not None:
                ways[way] = whole
        if not ways:
            return self._blanks_lost(texts)
        usual = self._usual(pieces)
        if pieces[0].read and _within_number(texts) and not self._cut_at(pieces):
            return None  # a line that is whole, and another one that begins with a digit
        if len(set(ways.values())) == 1 and not (pieces[0].read and self._is_open(next(iter(ways.values())))):
            if len(ways) == 1:
                self._learn(next(iter(ways)), pieces)
            elif usual == _CUT or texts[0].endswith(" "):
                self._learn(usual or _MAIL, pieces)
            return next(iter(ways.values()))
        return ways.get(usual or "")

    def _blanks_lost(self, texts: Sequence[str]) -> Optional[str]:
        """Lines whose blanks tell nothing: those between the columns of a table, or behind the taint flags."""
        text = _joined(texts, _MAIL)
        row = self._table_row(text)
        if row is not None:
            self._joins[_MAIL] += 1
            return row
        return text if loose(text) is not None else None

    def _table_row(self, text: str) -> Optional[str]:
        if not text.startswith("["):
            return None
        for reading in readings(text, first=self._table):
            if of_table(reading.row):
                self._table = companion(reading.row)
                return reading.text
        return None

    def _is_open(self, text: str) -> bool:
        return any(KINDS[reading.row.kind].open_ended for reading in readings(text))

    def _usual(self, pieces: Sequence[Piece]) -> Optional[str]:
        """In which way these pieces will have been broken. None: there is nothing to tell."""
        widths = {piece.width for piece in pieces[:-1]}
        if self._cut_at(pieces):
            return _CUT
        if any(piece.text.startswith(" ") for piece in pieces[1:]):
            return _CUT
        if self._joins[_MAIL] != self._joins[_CUT]:
            return _MAIL if self._joins[_MAIL] > self._joins[_CUT] else _CUT
        if max(widths) > _MAIL_WIDTH + 20:
            return _CUT
        return _MAIL if not pieces[0].read or pieces[0].text.endswith(" ") else None

    def _cut_at(self, pieces: Sequence[Piece]) -> bool:
        """Were other lines cut at the column at which these pieces are?"""
        widths = {piece.width for piece in pieces[:-1]}
        return len(widths) == 1 and self._widths.get(next(iter(widths)), 0) > 0

    def _learn(self, way: str, pieces: Sequence[Piece]) -> None:
        self._joins[way] += 1
        if way == _CUT:
            for piece in pieces[:-1]:
                self._widths[piece.width] = self._widths.get(piece.width, 0) + 1


def _within_number(texts: Sequence[str]) -> bool:
    return texts[0][-1:].isdigit() and texts[1][:1].isdigit()


def _joined(texts: Sequence[str], way: str) -> str:
    line = texts[0]
    for text in texts[1:]:
        line += text if way == _CUT or line.endswith((" ", "-")) else " " + text.lstrip(" ")
    return line


def paragraph(texts: Sequence[str]) -> str:
    """Lines as one, as a mail program had broken them."""
    return _joined(texts, _MAIL)


def _whole(text: str, possible: _Possible) -> Optional[str]:
    """The text as a row reads it. Lost where lines are broken: the blank at the end of the CPU line (6.15+), and that
    in front of Mem-Info's counters."""
    guesses = [text]
    if "CPU: " in text:
        guesses.append(text + " ")
    elif _COUNTER.match(text):
        guesses.append(" " + text)
    return next((guess for guess in guesses if is_read_by(possible.rows, guess)), None)


_COUNTER = re.compile(r"[a-z_]+:\d+")
# These rows begin with a name, before which anything may stand that is no part of it.
_NAMES_FIRST = re.compile(r" invoked oom-killer: | cpuset=\S* mems_allowed=")
_NAMES_FIRST_SQUEEZED = re.compile(_NAMES_FIRST.pattern.replace(" ", ""))


def _begins_later(texts: Sequence[str]) -> bool:
    """Does a line begin with one of the pieces after the first?"""
    return _NAMES_FIRST.search(texts[0]) is None and any(map(_NAMES_FIRST.search, texts[1:]))


def _needless(texts: Sequence[str], possible: _Possible) -> bool:
    """Does the line begin with the second piece, and the first is what somebody wrote before it?"""
    return _NAMES_FIRST.search(texts[0]) is None and any(
        _NAMES_FIRST.search(_joined(texts[1:], way)) and _whole(_joined(texts[1:], way), possible) is not None
        for way in (_MAIL, _CUT))


def _tells_more(text: str, joined: str) -> bool:
    """Is ``joined`` the beginning of a line, and more of it than ``text``?"""
    before, after = cut(text), cut(joined)
    return after is not None and known(after.values) > 1 + (known(before.values) if before is not None else 0)
