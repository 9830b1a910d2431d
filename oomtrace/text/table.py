"""The rows of a table, many at a time: most lines of a report are, and one row of formats prints them all.

What is taken here is what the way of every other line would have taken, in the same words; only lines of which that is
certain are. So a name with a character that some log writes differently ends a batch, and its line goes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from functools import cache, lru_cache
from itertools import accumulate, count, repeat, takewhile
from operator import attrgetter, itemgetter
from typing import Any, Callable, NamedTuple, Optional

from oomtrace.formats import KINDS, ROWS, Into, Row
from oomtrace.formats.tokens import Hole
from oomtrace.model import Line

from .draft import class_of

_LEAST = 4  # rows that make it worth the while
_MOST_BYTES = 1 << 18  # of the log that are looked at in one go
# What no form of log has in other words: no escapes, no quotes, no markup, no bytes beyond ASCII.
_SAFE = r"[ !$()*+,\-./0-9:;?@A-Z^_a-z~]"
# A prefix that is none of those; and with a digit, as one without is taken for the end of another that was broken.
_DATED = re.compile(r"(?=.*\d)[ -%\'-<>-{}~]{1,100}")
# What differs between the prefixes of lines that follow one another, and what it is then. Two groups: of the time of
# the kernel, as digits, with the point or without.
_CHANGING = (
    (re.compile(r"\A\d{1,4},\d+,\d+,"), r"\d{1,4},\d+,(\d+),"),
    (re.compile(r"\[ *\d+\.\d{6}\]"), r"\[ *(\d+\.\d{6})\]"),
    (re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)?"), r"\d\d:\d\d:\d\d(?:[.,]\d+)?"),
)


class Batch(NamedTuple):
    """Rows that follow one another: where the line behind them begins, and what each of them says."""

    end: int
    values: list[tuple[Any, ...]]
    items: list[Any]
    lines: list[Line]


class TableRows:
    """Reads the lines that ``row`` prints, behind prefixes like one of them."""

    def __init__(self, row: Row, shape: str) -> None:
        self.row = row
        # Any character in place of a row ends the table: so the matches are those of lines that follow one another.
        self._line = re.compile(f"({shape})(?! ){_source(row)}\n|(?s:.)")
        self._first = re.compile(shape).groups + 1  # of the values among the groups: the time may be one, too
        self._printed = f"%s{row.format.plain}\n"
        self._parses = [hole.parse for hole in row.format.holes]
        self._make = _maker(row)

    def take(self, data: bytes, at: int, end: int, number: int, index: int) -> Optional[Batch]:
        """The rows that begin at ``at``, but for the last one: what is behind it may be a part of it.

        ``number`` and ``index`` are those of the first: its line in the log, its place in the table.
        """
        text = data[at:min(end, at + _MOST_BYTES)].decode("latin-1")
        found = list(map(_GROUPS, takewhile(_IS_ROW, self._line.finditer(text))))[:-1]
        if len(found) < _LEAST:
            return None
        prefixes, *columns = zip(*found)
        times = columns[0] if self._first == 2 else ()
        read = list(zip(*[column if parse is str else list(map(parse, column))
                          for parse, column in zip(self._parses, columns[self._first - 1:])]))
        exact = self._exact(text, prefixes, read)
        rows = len(exact)
        time_ns = _times_ns(times[:rows]) if times else repeat(None, rows)
        lines = map(Line, count(number), repeat(self.row.key), count(index), repeat(None), time_ns, prefixes)
        return Batch(at + sum(map(len, exact)), read[:rows], list(map(self._make, read[:rows])), list(lines))

    def _exact(self, text: str, prefixes: Sequence[str], read: Sequence[tuple[Any, ...]]) -> list[str]:
        """The lines that the text begins with, up to the first that the row does not print just so."""
        shown = [self._printed % (prefix, *values) for prefix, values in zip(prefixes, read)]
        if text.startswith("".join(shown)):
            return shown
        ends = accumulate(map(len, shown), initial=0)
        return [line for line, _ in takewhile(lambda pair: text.startswith(*pair), zip(shown, ends))]


_GROUPS = re.Match.groups
_IS_ROW = attrgetter("lastindex")


def _times_ns(digits: Sequence[str]) -> list[int]:
    return [int(each.replace(".", "")) * 1000 for each in digits]


def table_of(row: Row, prefix: str) -> Optional[TableRows]:
    """The table of which ``row`` printed a line, which has this prefix. None: its rows must go one by one."""
    if not is_table(row.key) or not _DATED.fullmatch(prefix):
        return None
    return _table(row.key, _shape(prefix))


@lru_cache(maxsize=64)
def _table(key: str, shape: str) -> Optional[TableRows]:
    return TableRows(ROWS[key], shape) if re.compile(shape).groups < 2 else None


def _shape(prefix: str) -> str:
    """The regular expression for the prefixes of the lines behind this one."""
    shape, at = "", 0
    while at < len(prefix):
        for changing, source in _CHANGING:
            match = changing.match(prefix, at)
            if match is not None:
                shape, at = shape + source, match.end()
                break
        else:
            shape, at = shape + re.escape(prefix[at]), at + 1
    return shape


@cache
def is_table(key: str) -> bool:
    """Are the lines of a row items of their own, each with all of its values, which tell it from the others?"""
    row = ROWS[key]
    kind = KINDS[row.kind]
    plain = all(path.isidentifier() for path in row.fields) and not row.sets and len(set(row.fields)) == len(row.fields)
    single = kind.scope != "" and kind.into is Into.NEW and kind.key is not None and not kind.loose and not kind.timed
    simple = all(isinstance(token, str) or (isinstance(token, Hole) and token.show is None)
                 for token in row.format.tokens)
    return plain and single and simple and any(hole.parse is int for hole in row.format.holes)


def _source(row: Row) -> str:
    """As the row's own regular expression, but with words of safe characters alone."""
    parts = []
    for token in row.format.tokens:
        if isinstance(token, str):
            parts.append(re.escape(token))
        elif isinstance(token, Hole):
            parts.append(f"({token.pattern if token.parse is int else _SAFE + '*?'})")
    return "".join(parts)


def _maker(row: Row) -> Callable[[tuple[Any, ...]], Any]:
    """What makes an item of the row's values.

    Past the frozen dataclass's own way, which sets each field by a call: that takes more than twice as long.
    """
    made = class_of(KINDS[row.kind].scope)
    names = tuple(field.name for field in fields(made))
    others = tuple(field.default for field in fields(made) if field.name not in row.fields)
    order = [*row.fields, *(name for name in names if name not in row.fields)]
    pick, new = itemgetter(*map(order.index, names)), object.__new__

    def make(values: tuple[Any, ...]) -> Any:
        item = new(made)
        item.__dict__.update(zip(names, pick(values + others)))
        return item

    return make
