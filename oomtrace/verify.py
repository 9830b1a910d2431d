"""The kernel as oracle: each report of ours beside what the kernel itself printed (/dev/kmsg)."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import List, Optional, Tuple

from oomtrace import text
from oomtrace.errors import OomtraceError
from oomtrace.model import OomEvent

KMSG = "/dev/kmsg"
_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Comparison:
    """``kernel_lines`` and how many of ours are ``identical``; ``differing`` pairs (the kernel's, ours), None: no such.

    ``kernel_lines`` 0: the kernel's log has no report of this OOM.
    """

    kernel_lines: int
    identical: int
    differing: Tuple[Tuple[Optional[str], Optional[str]], ...]

    @property
    def exact(self) -> bool:
        """All of the kernel's lines, and no other."""
        return bool(self.kernel_lines) and not self.differing


def compare(kernel: List[str], ours: List[str]) -> Comparison:
    """Two reports line by line."""
    pairs: List[Tuple[Optional[str], Optional[str]]] = []
    same = 0
    for tag, a, b, c, d in SequenceMatcher(None, kernel, ours, autojunk=False).get_opcodes():
        if tag == "equal":
            same += b - a
            continue
        left: List[Optional[str]] = [*kernel[a:b]]
        right: List[Optional[str]] = [*ours[c:d]]
        longest = max(len(left), len(right))
        left += [None] * (longest - len(left))
        right += [None] * (longest - len(right))
        pairs += zip(left, right)
    return Comparison(len(kernel), same, tuple(pairs))


def report_lines(event: OomEvent) -> List[str]:
    """The report's lines up to the kill, as far as the kernel prints them. What the reaper prints comes later, from a
    thread of its own."""
    if event.tasks_printed is False:
        event = replace(event, tasks=None)
    return text.text(text.replay(_without_reaps(event))).splitlines()


def _without_reaps(event: OomEvent) -> OomEvent:
    kept = tuple(line for line in event.lines if not (line.row or "").startswith(("reaped", "unreaped")))
    return replace(event, reaps=(), lines=kept)


class KernelLog:
    """What the kernel has printed since this was made. Raises OomtraceError if it cannot be read."""

    def __init__(self) -> None:
        try:
            self._fd = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise OomtraceError(f"cannot read {KMSG}: {error.strerror}", "--verify needs it") from error
        os.lseek(self._fd, 0, os.SEEK_END)
        self._records: List[bytes] = []
        self.overrun = False

    def _drain(self) -> None:
        while True:
            try:
                self._records.append(os.read(self._fd, 8192))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                self.overrun = True  # records were overwritten before they were read; the next read goes on

    def check(self, event: OomEvent) -> Comparison:
        """The event beside the kernel's report of the same kill."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self._drain()
            found = self._find(event)
            if found is not None or time.monotonic() >= deadline or event.printed is False:
                break
            time.sleep(0.02)
        if found is None:
            return Comparison(0, 0, ())
        return compare(report_lines(found), report_lines(event))

    def _find(self, event: OomEvent) -> Optional[OomEvent]:
        """The report of the same kill; what was printed up to it is not looked at again."""
        for found in text.read([b"".join(self._records)]):
            if _same(found, event):
                last = max((line.number for line in found.lines), default=0)
                self._records = self._records[self._record_of_line(last) :]
                return found
        return None

    def _record_of_line(self, number: int) -> int:
        """How many records end at or before a line of their joined text."""
        lines = 0
        for index, record in enumerate(self._records):
            lines += record.count(b"\n")
            if lines >= number:
                return index + 1
        return len(self._records)

    def close(self) -> None:
        """Close the log."""
        os.close(self._fd)


def _same(found: OomEvent, event: OomEvent) -> bool:
    """The same trigger and the same first victim, as far as both say."""
    if found.trigger.pid is None or found.trigger.pid != event.trigger.pid:
        return False
    if not found.kills or not event.kills:
        return not found.kills and not event.kills
    return found.kills[0].pid == event.kills[0].pid
