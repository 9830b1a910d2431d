"""The lines of the kernel's report, and at which of them a fact can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from markupsafe import Markup

from oomtrace import text
from oomtrace.model import OomEvent, Report

from . import svg

_WORD = re.compile(r"\s*([A-Za-z_0-9]+)[ :]")


class ReportLines:
    """The report as it is shown. A line that something rests on becomes a target: it gets a name to link to."""

    def __init__(self, event: OomEvent) -> None:
        records = _records(event)
        stamped = any(record.time_ns is not None for record in records)
        self.lines = text.text(records, timestamps=stamped).split("\n")[:-1]
        self.first: dict[str, int] = {}  # the first line of each kind, from 0
        self._parts: dict[str, list[int]] = {}
        self._bare: list[str] = []  # without the time
        self._kinds: list[str] = []
        self._targets: set[int] = set()
        self._words: Optional[dict[str, int]] = None
        for record in records:
            for line in record.text.split("\n"):
                self.first.setdefault(record.kind, len(self._bare))
                self._parts.setdefault(record.part, []).append(len(self._bare))
                self._kinds.append(record.kind)
                self._bare.append(line)

    def kind(self, *kinds: str) -> Optional[str]:
        """A link to the first line of the first of these kinds that is there."""
        return next((self._link(self.first[kind]) for kind in kinds if kind in self.first), None)

    def saying(self, kind: str, words: str) -> Optional[str]:
        """A link to the first line of a kind with these words in it."""
        found = (at for at, line in enumerate(self._bare) if self._kinds[at] == kind and words in line)
        return next((self._link(at) for at in found), None)

    def counter(self, name: str) -> Optional[str]:
        """A link to the line of a counter: ``anon 123`` of the statistics, ``active_anon:123`` of Mem-Info."""
        if self._words is None:
            self._words = dict(reversed(list(self._counters())))
        at = self._words.get(name)
        return None if at is None else self._link(at)

    def _counters(self) -> Iterator[tuple[str, int]]:
        for part in ("stats", "memcg", "meminfo"):
            for at in self._parts.get(part, ()):
                if self._kinds[at] == "stat":
                    match = _WORD.match(self._bare[at])
                    yield from [(match.group(1), at)] if match else []
                elif self._kinds[at] in ("counters", "stat_line", "stats_line", "node"):
                    yield from ((name, at) for name in re.findall(r"([a-z_]+)[: (]", self._bare[at]))

    def task(self, pid: int) -> Optional[str]:
        """A link to the row of a task."""
        row = re.compile(rf"\[ *{pid}\] ")
        found = (at for at in self._parts.get("tasks", ()) if row.match(self._bare[at]))
        return next((self._link(at) for at in found), None)

    def _link(self, at: int) -> str:
        self._targets.add(at)
        return f"#L{at + 1}"

    def shown(self) -> Markup:
        """All of it, once everything that links to it is made."""
        found = []
        for at, line in enumerate(self.lines):
            said = svg.text(line)
            found.append(f'<span id="L{at + 1}">{said}</span>' if at in self._targets else said)
        return Markup("\n".join(found))


def _records(event: OomEvent) -> list[text.Record]:
    if not event.is_oom and event.report.stack is not None:  # where a charge failed: the kernel reports nothing
        return text.replay(OomEvent(report=Report(machine=event.report.machine, stack=event.report.stack)))
    return text.replay(event)
