"""The kernel's report: alone and byte for byte (``kernel``), or as dmesg shows it and then explained (``text``)."""

from __future__ import annotations

from typing import Optional

from oomtrace import text, why
from oomtrace.model import OomEvent

from .explanation import explanation, pattern_text
from .terminal import escaped
from .writer import Writer, with_names


class KernelWriter(Writer):
    """The lines that the kernel printed or would have printed, without prefixes."""

    for_people = False

    def write_event(self, event: OomEvent) -> None:
        self._put_lines(text.text(self.records(event)))

    def _put_lines(self, lines: str) -> None:
        """As they are, but to a terminal only what it does not act on."""
        if self.terminal or self.for_people:
            lines = "".join(escaped(line) + "\n" for line in lines.split("\n")[:-1])
        self.put(lines)


class TextWriter(KernelWriter):
    """The report with timestamps where they are known, then the explanation, clearly set apart.

    It is for people: what is piped through a pager or tee ends at a terminal too.
    """

    for_people = True

    def write_event(self, event: OomEvent) -> None:
        records = self.records(event)
        if event.stack is not None and not event.is_oom:
            records = text.replay(OomEvent(machine=event.machine, stack=event.stack))  # where a charge failed
        stamped = any(record.time_ns is not None for record in records)
        self.put("\n" if self.count else "")
        self._put_lines(text.text(records, timestamps=stamped))
        rule = "-- why " + "-" * (self.width - 7)
        self.put(f"\n{self.style('dim', rule)}\n")
        self.put(explanation(why.explain(with_names(event)), self.style, self.width))

    def write_end(self, pattern: Optional[why.Pattern]) -> None:
        if pattern is not None and pattern.events > 1:
            self.put("\n" + pattern_text(pattern, self.style, self.width))
