"""Lines that a log has twice: two rules of syslog, a console and a syslog in one file, the same log given twice."""

from __future__ import annotations

import re
from typing import Optional

from oomtrace.model import Kill, OomEvent

from .join import Logical

_REMEMBERED = 8192  # lines
# What a report has once, or once for each task; a copy begins with such a line.
_ONCE = re.compile(r".{1,60} invoked oom-killer: |CPU: \d+ |Pid: \d+|oom-kill:|.{0,40}Kill(?:ed)? process \d|Mem-Info:"
                   r"|Call [Tt]race|memory: usage|Tasks |\[ *\d+\] |Hardware name|Memory cgroup ")
# A trace may have the same line twice.
_TRACE = re.compile(r" |\[<|\(\[<|\[c[0-9a-f]{15}\]|[0-9a-f]{4}: |(?:\? )?[A-Za-z_][\w.]* \([\w./+-]+:\d")
_ROW = re.compile(r"\[ *\d+\] +\d")
_Key = tuple[object, str]


class RecentLines:
    """The lines of late. A trace may have the same line twice by itself, so that such a one is a copy only among
    copies."""

    def __init__(self) -> None:
        self._new: dict[_Key, str] = {}  # and their sources
        self._old: dict[_Key, str] = {}
        self._time_ns = self._latest_ns = 0  # of the last line, and the latest of all
        self._again = False  # does a part of the log come again, rather than each line twice?
        self._last: list[tuple[Optional[_Key], bool]] = [(None, False), (None, False)]  # and whether it was a copy

    @property
    def among(self) -> bool:
        """Was one of the last two lines a copy? Then each of the next must be looked at."""
        return self._last[0][1] or self._last[1][1]

    def is_copy(self, logical: Logical) -> bool:
        """Was the line there already?"""
        time_ns = logical.stripped.time_ns
        key: _Key = (logical.stripped.prefix if time_ns is None else time_ns, logical.text)
        source = logical.stripped.source
        (_, before_copied), (last, last_copied) = self._last
        copied = False
        if key == last:
            copied = last_copied or before_copied or _TRACE.match(logical.text) is None
        elif time_ns is not None and self._same(key, source):
            copied = last_copied or time_ns < self._time_ns or _ONCE.match(logical.text) is not None
        elif self._again and last_copied and (time_ns or 0) <= self._latest_ns and _ROW.match(logical.text):
            copied = True  # rows of a table are not remembered one by one
        self._again = copied and key != last
        if time_ns is not None:
            self._time_ns, self._latest_ns = time_ns, max(time_ns, self._latest_ns)
        self._last = [self._last[1], (key, copied)]
        self._new[key] = source
        if len(self._new) > _REMEMBERED:
            self._old, self._new = self._new, {}
        return copied

    def _same(self, key: _Key, source: str) -> bool:
        """Is it a line of late, and of the same machine as far as is known?"""
        before = self._new.get(key, self._old.get(key))
        return before is not None and (before == source or not before or not source)


class Events:
    """The OOMs that were told: what is told again, in the same log or in another one, is one of them."""

    def __init__(self) -> None:
        self._seen: dict[object, dict[Optional[int], list[_When]]] = {}  # by the time of the kill, None: not known

    def is_copy(self, event: OomEvent, host: str) -> bool:
        """Was the OOM told already? ``host``: as the log has it, "" where it does not."""
        key, when = _identity(event), _When(event, host)
        if key is None:
            return False
        seen = self._seen.setdefault(key, {})
        near = seen if when.kill_ns is None else (when.kill_ns, None)  # of other times are other OOMs
        if any(when.may_be(other) for time_ns in near for other in seen.get(time_ns, ())):
            return True
        seen.setdefault(when.kill_ns, []).append(when)
        return False


_DIGITS = re.compile(r"\d+")


class _When:
    """When, and by what form of log, an OOM was told."""

    def __init__(self, event: OomEvent, host: str) -> None:
        lines = event.origin.lines
        first = next((line for line in lines if line.prefix), lines[0] if lines else None)
        self.time_ns = next((line.time_ns for line in event.origin.lines if line.time_ns is not None), None)
        self.kill_ns = event.report.kills[0].time_ns if event.report.kills else self.time_ns
        self.prefix = (first.prefix or "") if first is not None else ""
        self.host = host

    def may_be(self, other: _When) -> bool:
        """Can both be the same moment on the same machine?"""
        if self.host and other.host and self.host != other.host:
            return False
        if self.kill_ns is not None and other.kill_ns is not None:
            return self.kill_ns == other.kill_ns
        alike = _DIGITS.sub("0", self.prefix) == _DIGITS.sub("0", other.prefix)
        return not alike or self.prefix == other.prefix


def _identity(event: OomEvent) -> object:
    """What tells one OOM from another: whom it killed and how large that was, or the whole report."""
    report = event.report
    if report.kills:
        first: Kill = report.kills[0]
        if first.total_vm_kb is None:
            return None
        return first.pid, first.comm, first.total_vm_kb, first.anon_rss_kb, first.file_rss_kb
    if report.trigger.comm is None or not event.origin.lines:
        return None
    return report.trigger.comm, report.trigger.pid, repr(report.memcg), repr(report.meminfo), len(report.tasks or ())
