"""The kernel as oracle: each report of ours beside what the kernel itself printed (/dev/kmsg)."""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Optional

from oomtrace import text
from oomtrace.errors import OomtraceError
from oomtrace.model import OomEvent

KMSG = "/dev/kmsg"
_PATIENCE_S = 1.0
_ASIDE = 32  # reports whose events come later; the kernel prints 10 in 5 s at most
_GOING_ON = 500  # records within which a report may go on
_BEGINNING = 64  # records that may be the beginning of a report, where none is seen in them


@dataclass(frozen=True)
class Comparison:
    """``kernel_lines`` and how many of ours are ``identical``; ``differing`` pairs (the kernel's, ours), None: no such.

    ``kernel_lines`` 0: the kernel's log has no report of this OOM.
    """

    kernel_lines: int
    identical: int
    differing: tuple[tuple[Optional[str], Optional[str]], ...]

    @property
    def exact(self) -> bool:
        """All of the kernel's lines, and no other."""
        return bool(self.kernel_lines) and not self.differing


def compare(kernel: list[str], ours: list[str]) -> Comparison:
    """Two reports line by line."""
    pairs: list[tuple[Optional[str], Optional[str]]] = []
    same = 0
    for tag, a, b, c, d in SequenceMatcher(None, kernel, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            same += b - a
            continue
        left: list[Optional[str]] = [*kernel[a:b]]
        right: list[Optional[str]] = [*ours[c:d]]
        longest = max(len(left), len(right))
        left += [None] * (longest - len(left))
        right += [None] * (longest - len(right))
        pairs += zip(left, right)
    return Comparison(len(kernel), same, tuple(pairs))


def report_lines(event: OomEvent) -> list[str]:
    """The report's lines up to the kill, as far as the kernel prints them. What the reaper prints comes later, from a
    thread of its own."""
    if event.trace.tasks_printed is False:
        event = replace(event, report=replace(event.report, tasks=None))
    return text.text(text.replay(_without_reaps(event))).splitlines()


def _without_reaps(event: OomEvent) -> OomEvent:
    kept = tuple(line for line in event.origin.lines if not (line.row or "").startswith(("reaped", "unreaped")))
    return replace(event, report=replace(event.report, reaps=()), origin=replace(event.origin, lines=kept))


class KernelLog:
    """What the kernel has printed since this was made. Raises OomtraceError if it cannot be read."""

    def __init__(self) -> None:
        try:
            self._fd = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise OomtraceError(f"cannot read {KMSG}: {error.strerror}", "--verify needs it") from error
        os.lseek(self._fd, 0, os.SEEK_END)
        self._records: list[bytes] = []  # from the beginning of the last report on, which may go on
        self._last: Optional[OomEvent] = None
        self._of_last = 0  # how many of the records are its own
        self._aside: deque[OomEvent] = deque(maxlen=_ASIDE)  # the reports before it

    def _drain(self) -> bool:
        """Whether something has come."""
        before = len(self._records)
        while True:
            try:
                self._records.append(os.read(self._fd, 8192))
            except BlockingIOError:
                return len(self._records) > before
            except OSError as error:
                if error.errno != errno.EPIPE:  # records were overwritten before they were read: the next read goes on
                    raise

    def check(self, event: OomEvent) -> Comparison:
        """The event beside the kernel's report of the same kill; no lines for what the kernel does not report."""
        if not event.is_oom:
            return Comparison(0, 0, ())
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            if self._drain():
                self._read()
            found = self._find(event)
            if found is not None:
                return compare(report_lines(found), report_lines(event))
            if time.monotonic() >= deadline or event.trace.printed is False:
                return Comparison(0, 0, ())
            time.sleep(0.02)

    def _read(self) -> None:
        """Read what has come. A report is whole once the next one has begun, or much else has been printed since, and
        is not read again then."""
        found = [report for report in text.read([b"".join(self._records)]) if report.report.trigger.pid is not None]
        found.sort(key=lambda report: report.origin.lines[0].number)
        self._last = found.pop() if found else None
        self._aside += found
        if self._last is not None:
            del self._records[:self._record_at(self._last.origin.lines[0].number)]
            lines = self._last.origin.lines
            self._of_last = self._record_at(lines[-1].number - lines[0].number + 1) + 1
            if len(self._records) - self._of_last > _GOING_ON:
                self._aside.append(self._last)
                self._last = None
        if self._last is None:
            del self._records[:-_BEGINNING]

    def _record_at(self, number: int) -> int:
        """Which record has a line of their joined text."""
        ends = accumulate(record.count(b"\n") for record in self._records)
        return next((index for index, end in enumerate(ends) if end >= number), len(self._records))

    def _find(self, event: OomEvent) -> Optional[OomEvent]:
        """The report of the same kill, which serves no other event."""
        for found in self._aside:
            if _same(found, event):
                self._aside.remove(found)
                return found
        if self._last is None or not _same(self._last, event):
            return None
        found, self._last = self._last, None
        del self._records[:self._of_last]
        return found

    def close(self) -> None:
        """Close the log."""
        os.close(self._fd)


def _same(found: OomEvent, event: OomEvent) -> bool:
    """The same trigger and the same first victim, as far as both say."""
    if found.report.trigger.pid is None or found.report.trigger.pid != event.report.trigger.pid:
        return False
    if not found.report.kills or not event.report.kills:
        return not found.report.kills and not event.report.kills
    return found.report.kills[0].pid == event.report.kills[0].pid
