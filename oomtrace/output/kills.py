"""Kills of which the log has no more than the lines that name them (who asked, what was full, who was killed): a table
with one line a kill, where several come in a row."""

from __future__ import annotations

import re
from typing import Optional

from oomtrace.model import Kill, Line, OomEvent
from oomtrace.why import look, names
from oomtrace.why.causes.earlier import likely_place
from oomtrace.why.units import human

from .terminal import escaped

_HEAD = ("time", "what was full", "held", "oom_score_adj", "victim")
_Row = tuple[str, ...]
_DATE = re.compile(r"(?:\d{4}-)?(\d\d-\d\d)[T ](\d\d:\d\d:\d\d)|([A-Z][a-zé]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d)")


def is_bare(event: OomEvent) -> bool:
    """Is it one of a log, of which there is no more than the lines of the kill?"""
    report = event.report
    memcg = report.memcg is not None and (report.memcg.memory is not None or bool(report.memcg.stats))
    rest = (report.stack, report.meminfo, report.tasks, report.oom_group, report.panic)
    told = memcg or any(part is not None for part in rest)
    return event.origin.source == "log" and bool(report.kills) and not told


def _limited(event: OomEvent) -> bool:
    return event.trace.unprinted_reason is not None


def _is_one_line(event: OomEvent) -> bool:
    return event.report.trigger.comm is None and event.report.summary is None and event.report.verdict is None


def rows(event: OomEvent, before: tuple[OomEvent, ...]) -> list[_Row]:
    """A row a process, as ``_HEAD`` says. ``before``: the OOMs before it, which may tell where it was."""
    when, where = _when(event.origin.lines), _where(event, before)
    kills = {kill.pid: kill for kill in event.report.kills}.values()
    return [((when, where) if number == 0 else ("", "")) + _of(kill) for number, kill in enumerate(kills)]


def _of(kill: Kill) -> tuple[str, str, str]:
    held, adj = look.held_kb(kill), kill.oom_score_adj
    return "?" if held is None else human(held), "?" if adj is None else str(adj), f"{kill.comm} ({kill.pid})"


def _table(found: list[_Row]) -> list[str]:
    widths = [max(len(row[column]) for row in (_HEAD, *found)) for column in range(len(_HEAD) - 1)]
    return [escaped("  ".join([f"{row[0]:<{widths[0]}}", f"{row[1]:<{widths[1]}}", f"{row[2]:>{widths[2]}}",
                               f"{row[3]:>{widths[3]}}", row[4]])) for row in (_HEAD, *found)]


def _when(lines: tuple[Line, ...]) -> str:
    """The date of the log, or the seconds since boot; "?" where it has neither."""
    line: Optional[Line] = next((line for line in lines if line.row is not None), next(iter(lines), None))
    if line is None:
        return "?"
    found = _DATE.search(line.prefix or "")
    if found is not None:
        return " ".join(part for part in found.groups() if part)
    return "?" if line.time_ns is None else f"{line.time_ns / 1e9:.6f} s"


def _where(event: OomEvent, before: tuple[OomEvent, ...]) -> str:
    """The place in a few words. A kill line tells a cgroup from the machine since 5.1, and never which cgroup."""
    path = look.full_path(event)
    if look.scope(event) == "memcg" and path is not None:
        return names.short(path)
    like = likely_place(event, before)
    if like is not None:
        return f"probably {names.short(like)}"
    scope = look.scope(event)
    return {"memcg": "a cgroup", "global": "the machine"}.get(scope or "", scope or "?")


class Run:
    """Kills that come one after the other, each without tables, while the writer waits for what follows."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._events: list[OomEvent] = []  # the first of them, and whether each has one line, is all that matters
        self._rows: list[_Row] = []
        self._one_line = True
        self._alone = ""  # the explanation of the first, for the case that it is the only one

    def __bool__(self) -> bool:
        return bool(self._events)

    def takes(self, event: OomEvent) -> bool:
        """Does the event continue this run, or can it begin one?"""
        return is_bare(event) and (not self or _limited(event) == _limited(self._events[0]))

    def add(self, event: OomEvent, before: tuple[OomEvent, ...], alone: str = "") -> None:
        """One more. ``alone``: its explanation, of the first."""
        if not self:
            self._alone = alone
        self._rows += rows(event, before)
        self._one_line = self._one_line and _is_one_line(event)
        self._events = [*self._events[:1], event]

    def ended(self) -> str:
        """What there is to write of them: the table, or the explanation of the only one. The run begins anew."""
        title = "Of these kills the log has no task tables:"
        if self._one_line:
            limited = _limited(self._events[0])
            title = ("Of these kills the kernel's rate limit left one line each:" if limited
                     else "Of these kills the log has one line each:")
        unknown = ["", "?: the line does not tell."] if any("?" in row for row in self._rows) else []
        said = "".join(line + "\n" for line in [title, "", *_table(self._rows), *unknown])
        said = self._alone if len(self._events) == 1 else said
        self._begin()
        return said
