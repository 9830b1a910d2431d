"""OomEvent → the kernel's text.

Two ways: as a dialect's kernel prints it, or as the log had it that the event was read from (``event.lines``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby, repeat
from operator import attrgetter
from typing import Any, Callable, NamedTuple, Optional

from oomtrace.formats import DIALECTS, KINDS, NEWEST, ORDER, ROWS, Dialect, Kind, Row, choose
from oomtrace.model import OomEvent

from . import foreign
from .items import Items, getter, holds, may_print, values


class Record(NamedTuple):
    """One printk record: its text (newlines in it where the kernel's has some), and what is known of it."""

    text: str
    part: str  # of the report: "header", "stack", "memcg", … (formats.Kind.part); "" for a line that no row reads
    level: Optional[int]  # printk level
    time_ns: Optional[int]  # boot clock
    kind: str = ""


def dialect_of(event: OomEvent) -> Dialect:
    """The dialect of the kernel that the event is from: by its release, or by its lines, or the newest one."""
    machine = event.report.machine
    known = choose(machine.release, machine.package) or next(reversed(dialects_of(event)), NEWEST)
    return known.on(machine.arch)


def dialects_of(event: OomEvent) -> list[Dialect]:
    """The dialects that print the event's lines as the log has them, the oldest first."""
    items = Items(event.report)
    seen = {line.row: line for line in event.origin.lines
            if line.row in ROWS and KINDS[ROWS[line.row].kind].part != "stack"}.values()  # that is architecture
    texts = [(KINDS[ROWS[line.row or ""].kind], line.item, show(ROWS[line.row or ""], items, line.item))
             for line in seen]
    fitting = [dialect for dialect in DIALECTS.values() if texts and all(
        any(show(row, items, index) == text for row in dialect.rows.get(kind.name, ()))
        for kind, index, text in texts)]
    return sorted(fitting, key=lambda dialect: (not dialect.flavour, dialect.at, dialect.flavour_at))


def write(event: OomEvent, dialect: Optional[Dialect] = None) -> list[Record]:
    """The report's records in printed order, as ``dialect`` prints it (default: the event's own kernel).

    What the event does not know is left out: a field, a line, a part. A task that waits or that gets ENOMEM has no
    report: the kernel prints nothing for it.
    """
    if not event.is_oom:
        return []
    own = dialect_of(event)
    wanted = dialect or own
    event = foreign.named(event, own) if wanted == own else foreign.translated(event, own, wanted)
    return _Writer(event, wanted).records()


def replay(event: OomEvent) -> list[Record]:
    """The records as the log had them, without prefixes; as ``write`` does for an event that no log had."""
    if not event.origin.lines:
        return write(event)
    items = Items(event.report)
    records: list[Record] = []
    for key, group in groupby(event.origin.lines, attrgetter("row")):
        row = ROWS.get(key or "")
        if row is None:
            records += [Record(line.text or "", "", None, line.time_ns, "") for line in group]
        else:
            kind, shown = KINDS[row.kind], shower(row, items)
            lines = list(group)
            texts = [line.text or shown(line.item or 0) or "" for line in lines]
            records += map(Record, texts, repeat(kind.part), repeat(kind.level), map(_TIME, lines), repeat(kind.name))
    return records


_TIME = attrgetter("time_ns")


def show(row: Row, items: Items, index: Optional[int]) -> Optional[str]:
    """The text of one row for one item, None if the event cannot make it."""
    return shower(row, items)(index or 0)


def shower(row: Row, items: Items) -> Callable[[int], Optional[str]]:
    """Gives the text of a row for each item, by its number."""
    scope, show, fields = items(KINDS[row.kind].scope), row.format.show, row.format.fields
    if row.sets:
        return lambda number: _show(row, scope[number]) if number < len(scope) else None
    get = getter(scope[0], fields) if items.one_class(KINDS[row.kind].scope) else None
    if get is not None:
        return lambda number: show(get(scope[number])) if number < len(scope) else None
    return lambda number: show(values(scope[number], fields)) if number < len(scope) else None


def _show(row: Row, item: Any) -> Optional[str]:
    return row.format.show(values(item, row.format.fields)) if not row.sets or holds(item, row.sets) else None


def text(records: Sequence[Record], timestamps: bool = False) -> str:
    """Records as lines, each ended by a newline; with ``timestamps`` as the kernel's console prints them."""
    if not timestamps:
        return "".join([record.text + "\n" for record in records])
    lines = []
    last = 0
    for record in records:
        last = record.time_ns if record.time_ns is not None else last
        prefix = f"[{last // 1000000000:5d}.{last // 1000 % 1000000:06d}] "
        lines += [prefix + line + "\n" for line in record.text.split("\n")]
    return "".join(lines)


def _line_times(event: OomEvent) -> dict[tuple[str, int], Optional[int]]:
    """When a log had each line, by kind and item."""
    return {(ROWS[line.row].kind, line.item or 0): line.time_ns for line in event.origin.lines if line.row in ROWS}


_Kinds = tuple[tuple[Kind, tuple[Row, ...]], ...]


@lru_cache(maxsize=1024)
def _likely(dialect: Dialect, place: int, item: type) -> tuple[_Kinds, ...]:
    """The kinds of line, with their rows, that a step of ORDER can make of such an item."""
    groups = []
    for kinds in ORDER[place].kinds:
        rows = [(kind, dialect.rows.get(kind.name, ())) for kind in kinds]
        groups.append(tuple(each for each in rows if any(may_print(item, row) for row in each[1])))
    return tuple(filter(None, groups))


class _Writer:
    """Prints one event in one dialect."""

    def __init__(self, event: OomEvent, dialect: Dialect) -> None:
        self.event = event
        self.dialect = dialect
        self.items = Items(event.report)
        self.times = _line_times(event)

    def records(self) -> list[Record]:
        records: list[Record] = []
        for kind, group in groupby(self._lines(), attrgetter("kind")):
            first, *others = group
            if KINDS[kind].joined and others:
                records.append(first._replace(text=self._cut("\n".join([first.text, *(one.text for one in others)]))))
            else:
                records += [first, *others]
        return records

    def _lines(self) -> Iterator[Record]:
        for place, step in enumerate(ORDER):
            items = self.items(step.scope)
            likely = {item: _likely(self.dialect, place, item) for item in set(map(type, items))}
            for number in range(*slice(step.first, step.last).indices(len(items))):
                for kinds in likely[type(items[number])]:
                    record = self._line(kinds, items[number], number)
                    if record is not None:
                        yield record

    def _line(self, kinds: "_Kinds", item: Any, number: int) -> Optional[Record]:
        """The record of the first kind that can print the item."""
        for kind, rows in kinds:
            shown = [line for row in rows for line in (_show(row, item),) if line is not None]
            if shown:
                return Record("\n".join(shown), kind.part, kind.level, self._time(kind, item, number), kind.name)
        return None

    def _cut(self, joined: str) -> str:
        """A record with newlines, as much of it as one record holds."""
        raw = joined.encode("utf-8", "surrogateescape")
        return raw[: self.dialect.record_bytes].decode("utf-8", "surrogateescape")

    def _time(self, kind: Kind, item: Any, number: int) -> Optional[int]:
        own = getattr(item, "time_ns", None) if kind.scope else None
        if own is None:
            own = self.times.get((kind.name, number), self.event.trace.times_ns.get(kind.part))
        return own if own is None else int(own)
