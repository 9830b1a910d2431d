"""Log text → OomEvents, as the reports end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Callable, Optional, Union

from oomtrace.errors import OomtraceError
from oomtrace.formats import KINDS
from oomtrace.model import OomEvent

from .copies import Events, RecentLines
from .join import Joiner, Logical
from .lines import LogLine, lines
from .order import Order, Unit
from .report import Offer, OpenReport, regrouped
from .source import chunks
from .table import table_of
from .texts import Texts
from .together import KillsTogether
from .troubles import Troubles

_AFTER_END = 100  # lines of the log in which the reaper or more of a group may still come
_AFTER_ANCHOR = 20  # lines in which a report must begin
_WITHIN = 500  # lines of others within a report
_DOUBTFUL = 3  # lines of others within what may be no OOM at all
_SILENCES = 10  # of the input before an unfinished report is given up
_REPORTS = 64  # open at a time


def read(stream: Union[BinaryIO, Iterable[bytes]], told: Optional[Events] = None) -> Iterator[OomEvent]:
    """The OOMs in a log, each as soon as its report is over.

    ``stream`` is a binary file, or an iterable of pieces of any size; an empty piece says that nothing comes for the
    moment, so that a report that could go on (more kills of a group, the reaper) is over. ``told``: the OOMs of
    other logs, which this one may have as well; they are not given again.
    """
    reader = LogReader(told)
    try:
        for line in lines(chunks(stream), lambda: reader.reading, reader.take_rows):
            yield from reader.feed(line)
    except OomtraceError:  # a damaged archive: what came before is told first
        yield from reader.finish()
        raise
    yield from reader.finish()


_Offered = Callable[[OpenReport, Logical], Optional[Offer]]


class LogReader:
    """The reports that are open, and the lines that come in."""

    def __init__(self, told: Optional[Events] = None) -> None:
        self._texts = Texts()
        self._order = Order()
        self._joiner = Joiner()
        self._copies = RecentLines()
        self._troubles = Troubles()
        self._together = KillsTogether(told or Events())
        self._open: list[OpenReport] = []
        self._silent = 0
        self._idle = _AFTER_ANCHOR  # lines since the last one for which lines were delivered
        self._raw = ""  # the last line as the log has it
        self._last = -1  # its number
        self._begun = 0  # number of the line with which this place of the log begins
        self._count = 0  # lines of text so far

    @property
    def reading(self) -> bool:
        """Is there a report for which the next line matters, or could one begin?"""
        return bool(self._open) or self._idle < _AFTER_ANCHOR or self._order.holding

    def feed(self, line: LogLine) -> Iterator[OomEvent]:
        """The events that are over with this line."""
        if line.data is None:
            yield from self._silence()
            return
        self._silent = 0
        if not self._last <= line.number <= self._last + 1:  # what is between was skipped
            yield from self._flush()
            self._order.begin()
            self._begun = line.number
        self._last = line.number
        self._idle = 0 if line.anchor else self._idle + 1
        self._raw = line.data.decode("utf-8", "surrogateescape")
        for record in self._texts.add(self._raw):
            self._written(Unit(line.number, record))
        yield from self._over()

    def take_rows(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        """Takes the rows of a table that begin at ``at``, if the last line was one: how many, and where they end."""
        going = [report for report in self._open if not report.ended]
        plain = len(going) == 1 and not self._order.backwards and not self._copies.among
        row = going[0].table if plain else None
        last = self._joiner.plain(self._raw) if row is not None else None
        table = table_of(row, last.prefix) if row is not None and last is not None else None
        if table is None or row is None:
            return 0, at
        report, scope = going[0], KINDS[row.kind].scope
        batch = table.take(data, at, end, self._last + 1, report.draft.count(scope) + 1)
        if batch is None or not batch.lines:
            return 0, at
        for logical in self._joiner.flush():
            self._take(logical)
        taken = len(batch.lines)
        if report.table is not row or report.draft.count(scope) != batch.lines[0].item:
            return 0, at
        report.take_rows(row, batch)
        for each in self._open:
            each.since += taken if each is not report else 1
        self._last += taken
        self._count += taken
        self._idle += taken
        return taken, batch.end

    def finish(self) -> Iterator[OomEvent]:
        """The events that are left when the log is over."""
        yield from self._flush()
        rest, self._open = self._open, []
        yield from self._together.events(rest)

    def _silence(self) -> Iterator[OomEvent]:
        self._silent += 1
        yield from self._flush()
        over = [report for report in self._open if report.ended or self._silent >= _SILENCES]
        yield from self._close(over)

    def _flush(self) -> Iterator[OomEvent]:
        self._released()
        for logical in self._joiner.flush():
            self._take(logical)
        return self._over()

    # Records in the order in which they were written.

    def _written(self, unit: Unit) -> None:
        """A record of the log. If that runs backwards it waits for those that were written before it."""
        order = self._order
        if not order.decided and order.turns(unit):
            self._joiner.flush()
            self._open = [report for report in self._open if report.number < self._begun]
        elif order.backwards:
            if order.complete_before(unit):
                self._released()
            order.hold(unit)
        else:
            self._told(unit)

    def _released(self) -> None:
        if not self._order.holding:
            return
        for unit in self._order.release():
            self._told(unit)
        for logical in self._joiner.flush():
            self._take(logical)

    def _told(self, unit: Unit) -> None:
        for text in unit.lines:
            for logical in self._joiner.add(unit.number, text):
                self._take(logical)

    def _take(self, logical: Logical) -> None:
        """Gives a line to the report that it continues, or to a new one, or to the one that it interrupts."""
        self._count += 1
        logical = logical._replace(at=self._count)
        if not self._copies.is_copy(logical) and not self._troubles.has(
                logical, [report for report in self._open if not report.ended]):
            self._given(logical)
        for report in self._open:
            report.since += 1

    def _given(self, logical: Logical) -> None:
        grouped = regrouped(logical, self._open)
        if grouped is not None:
            self._open = [report for report in self._open if report not in grouped]
            return
        recent = sorted(self._open, key=lambda report: report.since) if len(self._open) > 1 else self._open
        if not (_given(logical, recent, OpenReport.offer) or self._opens(logical, OpenReport.offer, recent)):
            going = [report for report in recent if not report.ended]
            if not _given(logical, going, OpenReport.offer_cut):
                if going:
                    going[0].hold(logical)
                else:
                    self._opens(logical, OpenReport.offer_cut, recent)

    def _opens(self, logical: Logical, offered: _Offered, recent: list[OpenReport]) -> bool:
        """Is this the first line of a report? Not the trace of a panic for which the report before stands."""
        report = OpenReport(logical.number, logical.stripped.source, logical.stripped.caller, logical.at)
        if not _given(logical, [report], offered) or (recent and recent[0].panicked and not report.telling):
            return False
        self._open.append(report)
        return True

    def _over(self) -> Iterator[OomEvent]:
        """Reports to which nothing more can come."""
        over = [report for report in self._open if report.since > _patience(report)]
        if not over and len(self._open) <= _REPORTS:
            return iter(())
        if len(self._open) - len(over) > _REPORTS:
            over = self._open[: -_REPORTS]
        return self._close(over)

    def _close(self, over: list[OpenReport]) -> Iterator[OomEvent]:
        if over:
            self._open = [report for report in self._open if report not in over]
        return self._together.events(over)


def _given(logical: Logical, reports: list[OpenReport], offered: _Offered) -> bool:
    """Gives a line to the report that it continues best; the most recent one if several do equally."""
    offers = [(report, offer) for report in reports for offer in [offered(report, logical)] if offer is not None]
    if not offers:
        return False
    best, offer = offers[0] if len(offers) == 1 else min(offers, key=lambda pair: pair[0].cost(logical, pair[1]))
    return best.take(logical, offer)


def _patience(report: OpenReport) -> int:
    if not report.telling:
        return _DOUBTFUL
    return _AFTER_END if report.ended else _WITHIN
