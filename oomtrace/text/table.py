"""The rows of a table, many at a time: most lines of a report are, and one row of formats prints them all.

What is taken here is what the way of every other line would have taken, in the same words; only lines of which that is
certain are. So a name with a character that some log writes differently ends a batch, and its line goes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from functools import cache, lru_cache
from operator import itemgetter
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
        self._line = re.compile(f"({shape})(?! )({_source(row)})\n")
        self._timed = re.compile(shape).groups  # 0 or 1
        self._printed = row.format.plain
        self._numbers = _columns(row) or slice(0)
        self._names = [hole.parse for hole in row.format.holes[: self._numbers.start]]
        self._make = _maker(row)

    def take(self, data: bytes, at: int, end: int, number: int, index: int) -> Optional[Batch]:
        """The rows that begin at ``at``, but for the last one: what is behind it may be a part of it.

        ``number`` and ``index`` are those of the first: its line in the log, its place in the table.
        """
        text = data[at:min(end, at + _MOST_BYTES)].decode("latin-1")
        found: list[tuple[Any, ...]] = []
        ends = [0]
        match = self._line.match(text)
        while match is not None:
            found.append(match.groups())
            ends.append(match.end())
            match = self._line.match(text, ends[-1])
        if len(found) <= _LEAST:
            return None
        read = self._read(found[:-1])
        key, timed = self.row.key, self._timed
        lines = [_line(number + more, key, index + more, _time_ns(groups[1]) if timed else None, groups[0])
                 for more, groups in enumerate(found[: len(read)])]
        return Batch(at + ends[len(read)], read, list(map(self._make, read)), lines)

    def _read(self, found: Sequence[tuple[str, ...]]) -> list[tuple[Any, ...]]:
        """The values of lines, up to the first that the row does not print just so."""
        read: list[tuple[Any, ...]] = []
        whole, first = self._timed + 1, self._timed + 2
        numbers, names, printed = self._numbers, self._names, self._printed
        for groups in found:
            parts = groups[first:]
            head = [parse(part) for parse, part in zip(names, parts)] if names else ()
            values = (*head, *map(int, parts[numbers]), *parts[numbers.stop:])
            if printed % values != groups[whole]:
                break
            read.append(values)
        return read


def _line(number: int, key: str, index: int, time_ns: Optional[int], prefix: str) -> Line:
    """Made as ``_maker`` makes items."""
    line: Line = object.__new__(Line)
    line.__dict__.update(number=number, row=key, index=index, text=None, time_ns=time_ns, prefix=prefix)
    return line


def _time_ns(digits: str) -> int:
    return int(digits.replace(".", "")) * 1000


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
    return plain and single and simple and _columns(row) is not None


def _columns(row: Row) -> Optional[slice]:
    """Which of the values are numbers, if they stand together, and what follows them is text as it is."""
    parses = [hole.parse for hole in row.format.holes]
    numbers = [at for at, parse in enumerate(parses) if parse is int]
    found = slice(numbers[0], numbers[-1] + 1) if numbers else slice(0)
    together = len(parses[found]) == len(numbers) and all(parse is str for parse in parses[found.stop:])
    return found if numbers and together else None


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
