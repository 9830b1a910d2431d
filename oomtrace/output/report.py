"""The kernel's report: alone and byte for byte (``kernel``), or as dmesg shows it and then explained (``text``)."""

from __future__ import annotations

from typing import Any, Optional

from oomtrace import text
from oomtrace.model import OomEvent, Report

from .base import Writer
from .explanation import PeopleWriter
from .terminal import escaped


class _LinesWriter(Writer):
    """Writes the kernel's lines as they are, but to a terminal only what it does not act on."""

    for_people = False

    def _put_lines(self, lines: str) -> None:
        if self.terminal or self.for_people:
            lines = "".join(escaped(line) + "\n" for line in lines.split("\n")[:-1])
        self.put(lines)


class KernelWriter(_LinesWriter):
    """The lines that the kernel printed or would have printed, without prefixes, as soon as it prints them: what the
    oom_reaper says seconds later may come after other reports, as in the kernel's log."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._begun: dict[Optional[int], str] = {}  # what is written of OOMs that are not over, by oom_id

    def begin(self, event: OomEvent) -> None:
        lines = self._begun[event.trace.oom_id] = text.text(self.records(event))
        self._put_lines(lines)
        self._stream.flush()

    def write_event(self, event: OomEvent) -> None:
        lines, begun = text.text(self.records(event)), self._begun.pop(event.trace.oom_id, "")
        self._put_lines(lines[len(begun):] if lines.startswith(begun) else lines)


class TextWriter(PeopleWriter, _LinesWriter):
    """The report with timestamps where they are known, then the explanation, clearly set apart.

    It is for people: what is piped through a pager or tee ends at a terminal too.
    """

    for_people = True

    def write_report(self, event: OomEvent, apart: str) -> None:
        records = self.records(event)
        if event.report.stack is not None and not event.is_oom:
            # Where a charge failed.
            records = text.replay(OomEvent(report=Report(machine=event.report.machine, stack=event.report.stack)))
        stamped = any(record.time_ns is not None for record in records)
        self.put(apart)
        self._put_lines(text.text(records, timestamps=stamped))

    def write_why(self, said: str) -> None:
        rule = "-- why " + "-" * (self.width - 7)
        self.put(f"\n{self.style('dim', rule)}\n")
        self.put(said)
