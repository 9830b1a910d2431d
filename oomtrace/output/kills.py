"""Kills of which the log has the kill line alone: a table with one line a kill, where several come in a row."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

from oomtrace.model import Kill, Line, OomEvent
from oomtrace.why import look, names
from oomtrace.why.causes.earlier import likely_place
from oomtrace.why.units import human

from .terminal import escaped

HEAD = "time              what was full                    held  oom_score_adj  victim"
_TIME, _PLACE = 17, 24
_DATE = re.compile(r"(?:\d{4}-)?(\d\d-\d\d)[T ](\d\d:\d\d:\d\d)|([A-Z][a-zé]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d)")


def is_bare(event: OomEvent) -> bool:
    """Is it one of a log, of which there is no more than the lines of the kill?"""
    report = event.report
    rest = (report.trigger.comm, report.stack, report.memcg, report.meminfo, report.tasks, report.summary,
            report.oom_group, report.panic)
    return event.origin.source == "log" and bool(report.kills) and all(part is None for part in rest)


def title(event: OomEvent) -> str:
    """What stands above the table."""
    if event.trace.unprinted_reason is not None:
        return "Of these kills the kernel's rate limit left one line each:"
    return "Of these kills the log has one line each:"


def rows(event: OomEvent, before: Tuple[OomEvent, ...]) -> List[str]:
    """A line a process. ``before``: the OOMs before it, which may tell where it was."""
    when, where = _when(event.origin.lines), _where(event, before)
    kills = {kill.pid: kill for kill in event.report.kills}.values()
    return [_row(when if number == 0 else "", where if number == 0 else "", kill) for number, kill in enumerate(kills)]


def _row(when: str, where: str, kill: Kill) -> str:
    held, adj = look.held_kb(kill), kill.oom_score_adj
    cells = f"{'?' if held is None else human(held):>12}  {'?' if adj is None else adj:>13}"
    return escaped(f"{when:<{_TIME}} {where:<{_PLACE}} {cells}  {kill.comm} ({kill.pid})")


def _when(lines: Tuple[Line, ...]) -> str:
    """The date of the log, or the seconds since boot; "?" where it has neither."""
    line: Optional[Line] = next((line for line in lines if line.row is not None), None)
    if line is None:
        return "?"
    found = _DATE.search(line.prefix or "")
    if found is not None:
        return " ".join(part for part in found.groups() if part)
    return "?" if line.time_ns is None else f"{line.time_ns / 1e9:.6f} s"


def _where(event: OomEvent, before: Tuple[OomEvent, ...]) -> str:
    """The place in a few words. A kill line tells a cgroup from the machine since 5.1, and never which cgroup."""
    like = likely_place(event, before)
    if like is not None:
        return f"probably {names.short(like)}"
    scope = look.scope(event)
    return {"memcg": "a cgroup", "global": "the machine"}.get(scope or "", scope or "?")


class Run:
    """Kills that come one after the other, each without a report, while the writer waits for what follows."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._title = ""
        self._rows: List[str] = []
        self._alone = ""  # the explanation of the first, for the case that it is the only one
        self._events = 0

    def __bool__(self) -> bool:
        return self._events > 0

    def takes(self, event: OomEvent) -> bool:
        """Does the event continue this run, or can it begin one?"""
        return is_bare(event) and (not self or title(event) == self._title)

    def add(self, event: OomEvent, before: Tuple[OomEvent, ...], alone: str = "") -> None:
        """One more. ``alone``: its explanation, of the first."""
        if not self:
            self._title, self._alone = title(event), alone
        self._rows += rows(event, before)
        self._events += 1

    def ended(self) -> str:
        """What there is to write of them: the table, or the explanation of the only one. The run begins anew."""
        unknown = [] if all("? " not in row for row in self._rows) else ["", "?: the line does not tell."]
        table = [self._title, "", HEAD, *self._rows, *unknown]
        said = self._alone if self._events == 1 else "".join(line + "\n" for line in table)
        self._begin()
        return said
