"""Which row printed this line?

A row reads a line only if it prints it back, byte for byte; so any order of trial finds the right words. The order
matters where several rows print the same text: the kernel's own dialect goes first, if it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, Optional

from oomtrace.formats import DIALECTS, KINDS, ROWS, Dialect, Row

# No record of the kernel is longer than 1024 bytes (PRINTKRB_RECORD_MAX); what is, no row need try.
MAX_TEXT = 2048
_TITLES = tuple(kind for kind in KINDS.values() if kind.title_of)
TABLES = frozenset(kind.title_of for kind in _TITLES)


class LineReading(NamedTuple):
    """A line as a row reads it."""

    row: Row
    values: Sequence[Any]
    text: str  # as the row prints it


@lru_cache(maxsize=64)
def _ordered(name: Optional[str]) -> tuple[Row, ...]:
    """All rows: those of a dialect in printing order, then the others, the newest and mainline's first."""
    dialect = DIALECTS[name] if name is not None else None
    own: list[Row] = [row for rows in dialect.rows.values() for row in rows] if dialect is not None else []
    rest = [
        (bool(variant.flavour or variant.archs), tuple(-part for part in variant.since), number, row)
        for kind in KINDS.values() for variant in kind.variants for number, row in enumerate(variant.rows)
    ]
    keys = {row.key for row in own}
    others = [row for *_, row in sorted(rest, key=lambda item: item[:3]) if row.key not in keys]
    return tuple(own + others)


@lru_cache(maxsize=64)
def _by_literal(name: Optional[str] = None) -> Mapping[str, tuple[tuple[int, Row], ...]]:
    """Rows by the text that each line of theirs has: far fewer texts than rows, of which a line has few. Each row with
    its place in the order of trial."""
    found: dict[str, list[tuple[int, Row]]] = {}
    for place, row in enumerate(_ordered(name)):
        found.setdefault(row.format.literal, []).append((place, row))
    return {literal: tuple(rows) for literal, rows in found.items()}


def _likely(text: str, dialect: Optional[Dialect]) -> list[Row]:
    """The rows worth trying, in the order of trial."""
    by_literal = _by_literal(dialect.name if dialect is not None else None)
    present = [place for literal, rows in by_literal.items() if literal in text for place in rows]
    present.sort(key=_PLACE)
    return [row for _, row in present]


_PLACE = itemgetter(0)


def readings(text: str, dialect: Optional[Dialect] = None, first: Optional[Row] = None) -> Iterator[LineReading]:
    """All rows that print ``text``. ``first`` is tried first: the row that read the line before."""
    if len(text) > MAX_TEXT:
        return
    if first is not None:
        values = first.format.read(text)
        if values is not None:
            yield LineReading(first, values, text)
    found = False
    for row in _likely(text, dialect):
        if row is first:
            continue
        values = row.format.read(text)
        if values is not None and _exact(row, values):
            found = True
            yield LineReading(row, values, text)
    if not found:
        yield from _spaced(text, first)
        yield from _mended(text)


def _spaced(text: str, last: Optional[Row]) -> Iterator[LineReading]:
    """A line of the task table with other blanks between the columns. Its format is that of the table's title."""
    rows: Sequence[Row] = ()
    if last is not None and last.kind in TABLES:
        rows = [last]
    elif text.split()[:2] == ["[", "pid"]:
        rows = [row for kind in _TITLES for variant in kind.variants for row in variant.rows]
    for row in rows:
        values = row.format.read_loose(text)
        shown = row.format.show(values) if values is not None else None
        if values is not None and shown is not None:
            yield LineReading(row, values, shown)


def companion(row: Row) -> Row:
    """The row to expect after this one: a table's rows have the format of its title."""
    below = KINDS[row.kind].title_of
    return ROWS.get(below + row.key[len(row.kind):], row) if below else row


def of_table(row: Row) -> bool:
    """Is it a line of the task table, or its title?"""
    return row.kind in TABLES or bool(KINDS[row.kind].title_of)


def _mended(text: str) -> Iterator[LineReading]:
    """Blanks that logs lose or add at the ends of lines, where the row leaves no doubt about them."""
    bare = text.rstrip(" \t")
    guesses = [(bare, _ordered(None))] if bare != text else []
    if bare and not bare.startswith(" "):
        guesses.append((" " + bare, _begin_with_blank()))
    guesses.append((bare + " ", _end_with_blank()))
    for guess, rows in guesses:
        for row in rows:
            values = row.format.read(guess)
            if values is not None and _exact(row, values):
                yield LineReading(row, values, guess)


@lru_cache(maxsize=1)
def _begin_with_blank() -> tuple[Row, ...]:
    return tuple(row for row in _ordered(None) if row.format.text.startswith(" ") or row.kind == "raw_words")


@lru_cache(maxsize=1)
def _end_with_blank() -> tuple[Row, ...]:
    return tuple(row for row in _ordered(None) if row.format.text.endswith(" "))


@lru_cache(maxsize=256)
def is_read(text: str) -> bool:
    """Does any row that leaves no doubt read it as it is?"""
    return is_read_by(_clear_rows(), text)


def is_read_by(rows: Sequence[tuple[str, tuple[Row, ...]]], text: str) -> bool:
    """Does one of these rows? They stand by the text that each line of theirs has, as ``rows_within`` gives them."""
    if len(text) > MAX_TEXT:
        return False
    for literal, those in rows:
        if literal not in text:
            continue
        for row in those:
            values = row.format.read(text)
            if values is not None and _exact(row, values):
                return True
    return False


def rows_within(squeezed: str) -> Sequence[tuple[str, tuple[Row, ...]]]:
    """The rows that leave no doubt and may read a part of this text, with blanks put back into it anywhere."""
    return [(literal, rows) for literal, rows in _clear_rows() if literal.replace(" ", "") in squeezed]


@lru_cache(maxsize=1)
def _clear_rows() -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Rows that leave no doubt, by the text that each line of theirs has."""
    clear = ((literal, tuple(row for _, row in rows if not KINDS[row.kind].loose))
             for literal, rows in _by_literal().items())
    return tuple((literal, rows) for literal, rows in clear if rows)


def loose(text: str) -> Optional[LineReading]:
    """A CPU line whose blanks are lost: how many there were behind the taint flags cannot be known.

    What it says is known nevertheless; ``text`` of the reading is the line as it is.
    """
    if _CPU_LINE.match(text) is None or len(text) > MAX_TEXT:
        return None
    for row in _ordered(None):
        if row.kind != "cpu":
            continue
        values = row.format.read_loose(text)
        if values is not None:
            return LineReading(row, values, text)
    return None


def decoded(text: str) -> Optional[LineReading]:
    """A frame as the kernel's scripts/decode_stacktrace.sh writes it: the source's line in place of the offset.

    ``text`` of the reading is the line as it is: no kernel prints it.
    """
    match = _DECODED.match(text) if ".c:" in text or ".S:" in text or ".h:" in text else None
    if match is None:
        return None
    known = {"symbol": match["symbol"], "module": match["module"], "reliable": match["doubt"] is None}
    row = ROWS["frame/5.14"]
    return LineReading(row, [known.get(path) for path in row.fields], text)


_DECODED = re.compile(r" {0,3}(?P<doubt>\? )?(?P<symbol>[A-Za-z_][\w.]*) "
                      r"\([\w./+-]+:\d+(?: \(discriminator \d+\))?(?: [\w./+-]+:\d+(?: \(discriminator \d+\))?)* ?\)"
                      r"(?: (?P<module>[\w-]+))?(?: \([A-Z]+\))? *$")
_CPU_LINE = re.compile(r"(?:CPU: \d+ |Pid: \d+, comm: )")
_TAINT_FLAGS = 12  # in the oldest kernel; an unset one is a blank


def _exact(row: Row, values: Sequence[Any]) -> bool:
    """The taint flags are a field of fixed width: one that is too short lost blanks."""
    if row.kind != "cpu":
        return True
    taint = values[row.fields.index("machine.taint")]
    return taint is None or not taint.startswith("Tainted: ") or len(taint) >= len("Tainted: ") + _TAINT_FLAGS


class Cut(NamedTuple):
    """The beginning of a line as far as it is there."""

    row: Row
    values: Sequence[Any]


@lru_cache(maxsize=64)
def cut(text: str) -> Optional[Cut]:
    """A line that ends too early: the row whose beginning it is, and the values that are there in full."""
    best: Optional[Cut] = None
    for telling, rows in _by_telling().items() if len(text) <= MAX_TEXT else ():
        for row in rows if telling in text else ():
            values = row.format.read_cut(text)
            if values is not None and (best is None or known(values) > known(best.values)):
                best = Cut(row, values)
    named = _NAMED.search(text) if best is not None and "comm" in best.row.fields else None
    if best is not None and named is not None:  # of a name alone nobody knows whether it is whole
        values = list(best.values)
        values[best.row.fields.index("comm")] = named.group(1)
        return Cut(best.row, values)
    return best


_NAMED = re.compile(r"Killed process \d+ \((.{1,15})\)[\s.,\u2026]*$")


def cut_row(text: str, last: Row) -> Optional[Cut]:
    """A row of a table that ends too early, by the row before it or the table's title; and a title that does."""
    row = companion(last)
    values = row.format.read_cut_row(text) if row.kind in TABLES else None
    return None if values is None else Cut(row, values)


def cut_title(text: str) -> Optional[Cut]:
    """The title of a table that ends too early: of those that begin so, the newest."""
    if len(text) < _TITLE or not text.startswith("[ "):
        return None
    rows = [row for row in _ordered(None) if row.kind in _TITLE_KINDS and row.format.text.startswith(text)]
    return Cut(rows[0], ()) if rows else None


_TITLE = 20  # characters by which it is told
_TITLE_KINDS = frozenset(kind.name for kind in _TITLES)


@lru_cache(maxsize=1)
def _by_telling() -> Mapping[str, tuple[Row, ...]]:
    """Rows by the text without which a beginning of their line says nothing."""
    found: dict[str, list[Row]] = {}
    for row in ROWS.values():
        found.setdefault(row.format.telling, []).append(row)
    return {telling: tuple(rows) for telling, rows in found.items()}


def known(values: Sequence[Any]) -> int:
    """How many of the values are there."""
    return sum(value is not None for value in values)
