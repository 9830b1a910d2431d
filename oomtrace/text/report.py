"""One report in the making: which lines are its own, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional, Union

from oomtrace.formats import KINDS, RANK, ROWS, Dialect, Row, choose
from oomtrace.model import Line, OomEvent

from .draft import Conflict, Draft
from .finish import finished
from .join import Logical
from .match import LineReading, companion, cut, cut_row, cut_title, decoded, is_read, loose, of_table, readings
from .others import is_foreign, is_prose
from .place import DOUBT, LinePlace
from .table import Batch, is_table

_TELLING_SYMBOL = "dump_header"  # the others are in the trace of a lockup within an OOM too
# What may follow the last line: more kills of a group, the reaper, a panic. A cheap test before the rows are tried.
_AFTER_END = re.compile("|".join(sorted({
    re.escape(row.format.literal) for row in ROWS.values() if RANK[row.kind] >= RANK["killed"]
})))

_KILLED = re.compile(r"(?:(?:Memory cgroup out|Out) of memory[^:]{0,40}: )?Killed process \d")
_BACKWARDS_NS = 1_000_000  # CPUs' clocks may differ by less
_LISTS = frozenset(["stack", "stats", "tasks"])  # parts of which nobody knows how many lines they have
_GROUP_NS = 1_000_000_000  # a group's kills are printed at once
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)")
_OF_MEMBER = frozenset(["killed", "reaped", "unreaped"])
_FLOOD = 3  # a line that comes so often between two of a report is not of it


class _Own(NamedTuple):
    """A line of the report: as a row reads it, or as it is."""

    logical: Logical
    reading: Optional[LineReading] = None
    item: Optional[int] = None

    def line(self) -> Line:
        """As the event has it. The text is what the row prints; ``finished`` leaves it out where that is certain."""
        stripped, reading = self.logical.stripped, self.reading
        return Line(
            number=self.logical.number, row=reading.row.key if reading else None, item=self.item,
            text=reading.text if reading else self.logical.text, time_ns=stripped.time_ns, prefix=stripped.prefix,
        )


class Offer(NamedTuple):
    """How a line would continue a report."""

    reading: LineReading
    exact: bool  # False: no kernel prints it so
    whole: bool = True  # False: the line is damaged


class OpenReport:
    """What is known of one report so far."""

    def __init__(self, number: int, source: str, caller: str, at: int = 0) -> None:
        self.number = number  # of its first line
        self.at = at  # of which among the lines that were read, whatever their order in the log
        self.source = source
        self.caller = caller
        self.draft = Draft()
        self.place = LinePlace()
        self.since = 0  # lines of the log since the last one of the report
        self.telling = False  # certainly an OOM
        self.ended = False  # its last line has come; more may follow: a group's kills, the reaper
        self._own: list[Union[_Own, Line]] = []  # a Line: one of which no doubt is left
        self._pending: list[Logical] = []  # lines that no row reads, since the last one that one did
        self.cut: set[str] = set()  # parts of which something was left out
        self._gap = ""  # the part after whose line something was left out
        self._time_ns: Optional[int] = None  # of the last line
        self._dialect: Optional[Dialect] = None
        self._last: Optional[Logical] = None  # line that was taken
        self.grouped = False  # several reports were found to be one of a group

    @property
    def panicked(self) -> bool:
        """Was a panic its last line? Its trace follows, which tells nothing new."""
        return "panic" in self.place.kinds and len(self.place.kinds) > 1

    def asks_again(self, logical: Logical) -> bool:
        """Is it another CPU line of the task that asked? A trace of something else follows."""
        pid = self.draft.values.get("trigger.pid")
        return pid is not None and self._same_source(logical) and any(
            ("trigger.pid", pid) in zip(reading.row.fields, reading.values) for reading in readings(logical.text))

    def offer(self, logical: Logical) -> Optional[Offer]:
        """How the line would continue this report. None: it does not."""
        if not self._same_source(logical) or (self.ended and not self._may_follow(logical)):
            return None
        if logical.cut:
            return self.offer_cut(logical)
        last = self.place.last
        for reading in readings(logical.text, self._dialect, companion(last) if last is not None else None):
            if self._fits(reading, logical):
                return Offer(reading, True)
        found = loose(logical.text) or decoded(logical.text)
        return Offer(found, False) if found is not None and self._fits(found, logical) else None

    def _may_follow(self, logical: Logical) -> bool:
        """Could the line come after the end? Of kills only a group's: of logs with kills alone each line is an OOM."""
        text = logical.text
        if _KILLED.match(text) is not None:
            return self.place.allows("killed") and (not self.grouped or (self.since <= 1 and self.near(logical)))
        return _AFTER_END.search(text) is not None

    # A group kill whose announcement is missing.

    def near(self, logical: Logical) -> bool:
        """Is the line of the same second, or of the next one, as the report's last? False if that is not known."""
        before = self._last.stripped if self._last is not None else None
        if before is None or not self._same_source(logical):
            return False
        if before.time_ns is not None and logical.stripped.time_ns is not None:
            return 0 <= logical.stripped.time_ns - before.time_ns <= _GROUP_NS
        seconds = [_CLOCK.search(stripped.prefix) for stripped in (before, logical.stripped)]
        first, last = (3600 * int(at[1]) + 60 * int(at[2]) + int(at[3]) if at else None for at in seconds)
        return first is not None and last is not None and 0 <= last - first <= 1

    def killed_first(self, reading: LineReading) -> bool:
        """Is the kill line about this report's first victim?"""
        kills = self.draft.items.get("kills", [])
        said = dict(zip(reading.row.fields, reading.values))
        return bool(kills) and all(kills[0].get(key) == said.get(key) for key in ("pid", "comm", "total_vm_kb"))

    @property
    def of_group(self) -> bool:
        """Is it known that a group is killed? Then its kills come without more ado."""
        return "oom_group" in self.place.kinds

    @property
    def only_killed(self) -> bool:
        """Has it the kill line alone, and perhaps the reaper's?"""
        return self.place.kinds.keys() <= _OF_MEMBER and all(isinstance(own, _Own) for own in self._own)

    def absorb(self, others: Iterable[OpenReport], logical: Logical, reading: LineReading) -> None:
        """Takes the kills of others, and the line that comes again: all are of one group."""
        self.grouped = True
        self.place.kinds.setdefault("oom_group", 0)
        found = [own for other in others for own in other._own if isinstance(own, _Own)]
        for each, read in [(own.logical, own.reading) for own in found] + [(logical, reading)]:
            if read is not None:
                self.take(each, Offer(read, True))
            else:
                self.hold(each)

    def offer_cut(self, logical: Logical) -> Optional[Offer]:
        """The same for a line whose end is missing: it is kept as it is, but what it says is known."""
        if not self._same_source(logical) or logical.elided:
            return None
        last = self.place.last
        found = cut_row(logical.text, last) if last is not None and of_table(last) else None
        found = found or cut(logical.text) or cut_title(logical.text)
        if found is None:
            return None
        values = ["" if value is None and path == "comm" else value
                  for value, path in zip(found.values, found.row.fields)]
        reading = LineReading(found.row, values, logical.text)
        return Offer(reading, False, whole=False) if self._fits(reading, logical) else None

    def cost(self, logical: Logical, offer: Offer) -> tuple[int, int]:
        """How far the line is from what would come next, and from the last line in ns: the less, the likelier."""
        if not offer.exact:
            return 0, 0
        apart = self._apart(logical)
        return self._cost(offer.reading) + (DOUBT if apart < -_BACKWARDS_NS else 0), abs(apart)

    def take(self, logical: Logical, offer: Offer) -> bool:
        """Adds the line."""
        reading = offer.reading
        try:
            index = self.draft.take(reading.row, reading.values)
        except Conflict:
            return False
        self._settle()
        self._close_gap(KINDS[reading.row.kind].part)
        if offer.exact:
            self._own.append(_Own(logical, reading, index))
            self._stamp(reading.row.kind, index, logical)
        else:
            self._own.append(_Own(logical))
        if not offer.whole:
            self.cut.add(KINDS[reading.row.kind].part)
        self._note(reading)
        self._time_ns = logical.stripped.time_ns
        self._last = logical
        return True

    def take_rows(self, row: Row, batch: Batch) -> None:
        """Adds rows of the table, of which the last line was one."""
        self.draft.add(KINDS[row.kind].scope, batch.items)
        self._own += batch.lines
        self.place.note_rows(row, batch.values)
        self.since = 0
        self._time_ns = batch.lines[-1].time_ns

    @property
    def table(self) -> Optional[Row]:
        """The row of which more lines will come, if the last line was one of a table, and the log's next one too."""
        last = self.place.last
        return last if last is not None and not self.ended and not self._pending and is_table(last.key) else None

    def _close_gap(self, part: str) -> None:
        """Lines were left out before this one: of the part that it is of, or of a list before it."""
        if self._gap and (self._gap == part or self._gap in _LISTS):
            self.cut.add(self._gap)
        self._gap = ""

    def _apart(self, logical: Logical) -> int:
        """The time since the report's last line, 0 where the log does not have it."""
        time_ns = logical.stripped.time_ns
        return 0 if time_ns is None or self._time_ns is None else time_ns - self._time_ns

    def _same_source(self, logical: Logical) -> bool:
        stripped = logical.stripped
        if logical.bare or stripped.source == self.source:
            return True
        # Somebody copied a line from its middle on: it has the kernel's time, and no host.
        half = not (stripped.source and self.source) and stripped.time_ns is not None and self._time_ns is not None
        return half and abs((stripped.time_ns or 0) - (self._time_ns or 0)) <= _GROUP_NS

    def _fits(self, reading: LineReading, logical: Logical) -> bool:
        kind = reading.row.kind
        if not self.place.allows(kind) or not self.draft.agrees(reading.row, reading.values):
            return False
        if KINDS[kind].late:
            return True
        caller = logical.stripped.caller
        return not (self.caller and caller and caller != self.caller)

    def _cost(self, reading: LineReading) -> int:
        if KINDS[reading.row.kind].late:  # is it this report's victim that the reaper speaks of?
            pids = {item.get("pid") for item in self.draft.items.get("kills", ())}
            return 0 if reading.values[reading.row.fields.index("pid")] in pids else DOUBT
        late = min(self.since, DOUBT) if self.ended else 0  # a group's kills follow at once
        return late + self.place.cost(reading.row, reading.values)

    def _stamp(self, kind: str, index: Optional[int], logical: Logical) -> None:
        if KINDS[kind].timed and index is not None and logical.stripped.time_ns is not None:
            self.draft.items[KINDS[kind].scope][index]["time_ns"] = logical.stripped.time_ns

    def _note(self, reading: LineReading) -> None:
        kind = KINDS[reading.row.kind]
        self.place.note(reading.row, reading.values)
        self.since = 0
        self.ended = self.ended or (kind.ends and not self.place.panic_first)
        if kind.telling or (kind.name == "frame" and any(
                str(value).split(".")[0] == _TELLING_SYMBOL for value in reading.values)):
            self.telling = True
        if "machine.release" in reading.row.fields:
            values = self.draft.values
            self._dialect = choose(values.get("machine.release"), values.get("machine.package"))

    # Lines that no row reads.

    def hold(self, logical: Logical) -> None:
        """A line that nothing reads: it may belong to the report, if more of that follows."""
        if logical.elided:
            self._gap = KINDS[self.place.last.kind].part if self.place.last is not None else ""
        elif self._same_source(logical):
            self._pending.append(logical)

    def _settle(self) -> None:
        """The lines before this one are inside the report: its own, if nothing shows that they are another's."""
        counts: dict[str, int] = {}
        for pending in self._pending:
            counts[pending.text] = counts.get(pending.text, 0) + 1
        for pending in self._pending:
            if counts[pending.text] < _FLOOD and not self._foreign(pending):
                self._own.append(_Own(pending))
        self._pending = []

    def _foreign(self, logical: Logical) -> bool:
        stripped = logical.stripped
        if not stripped.kernel or (self.caller and stripped.caller and stripped.caller != self.caller):
            return True
        other = is_foreign(logical.text) or (logical.bare and self._is_prose(logical))
        return other and not is_read(logical.text)

    def _is_prose(self, logical: Logical) -> bool:
        """Are these people's words on the report: quoted less or more than it, or a sentence where it has times?"""
        own = self._own[0] if self._own else None
        first = (own.prefix or "") if isinstance(own, Line) else own.logical.stripped.prefix if own else ""
        if logical.stripped.prefix.count(">") != first.count(">"):
            return True
        return any(char.isdigit() for char in first) and is_prose(logical.text)

    # The end.

    def event(self) -> OomEvent:
        """The event that the report tells."""
        lines = tuple(own if isinstance(own, Line) else own.line() for own in self._own)
        return finished(self.draft, lines, frozenset(self.place.kinds), self.cut)


def regrouped(logical: Logical, reports: Sequence[OpenReport]) -> Optional[Sequence[OpenReport]]:
    """Gives a kill line to the report whose first victim it names again, with the kills between: the reports that are
    now a part of it. None: it names none again.

    Only a group kill (memory.oom.group) prints that: oom_kill_process() kills the chosen one, then all of its cgroup,
    and that one among them (3d8b38eb81ca). ``reports``: in the order in which they began.
    """
    if _KILLED.match(logical.text) is None:
        return None
    reading = next((each for each in readings(logical.text) if each.row.kind == "killed"), None)
    between: list[OpenReport] = []
    for report in reversed(reports):
        if reading is None or report.of_group or not report.near(logical):
            return None
        if report.killed_first(reading):
            between.reverse()
            report.absorb(between, logical, reading)
            return between
        if not report.only_killed:
            return None
        between.append(report)
    return None
