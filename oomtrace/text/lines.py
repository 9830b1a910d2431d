"""Bytes → the lines worth reading.

Most of a log is not about OOMs. Chunks are searched for a few words that every report has, and only the lines around
such a place are split off; a gigabyte without one costs a search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple, Optional

from .search import finder

MAX_LINE = 1 << 20  # a longer line is an export's: it is read in pieces
LOOK_BACK = 64 << 10  # before a place that is not a report's first line: the report's head may be missing
_HEAD_BACK = 512  # before a first line: "callbacks suppressed", "Manual OOM execution"

# Each line of _ANCHOR has one of these; to search for each is much faster than a regular expression of them all. The
# longer they are, the faster it is, and the fewer lines have them that are no anchors. "Kill process" stands behind
# "Out of memory: " or "Memory cgroup out of memory: ".
_NEEDLES = (b"oom-kill", b"_adj name", b"oom_reaper: ", b"oom_kill_process", b"out_of_memory", b"as a result of limit",
            b".oom.group set", b"Killed process ", b"Memory cgroup stats", b"ut of memory")
_ANCHOR = re.compile(
    rb"invoked oom-killer"
    rb"|oom-kill:constraint"
    rb"|oom_(?:score_adj name|reaper: |kill_process[+ ])"
    rb"|Kill(?:ed)? process \d"
    rb"|Memory cgroup (?:stats for|out of memory)"
    rb"|out_of_memory[+ ]"
    rb"|Out of memory(?: and no killable|: Kill)"
    rb"|killed as a result of limit"
    rb"|memory\.oom\.group set"
)
_HEAD = (b"invoked oom-killer",)
_BEFORE = 20  # at most so far before its needle an anchor begins


class LogLine(NamedTuple):
    """A line and its number in the input, from 1. ``data`` None: nothing came for a while."""

    number: int
    data: Optional[bytes]
    anchor: bool = False  # it has the words for which it was delivered


# Takes lines that are complete in the data (from, to) at once: how many, and where the next one begins.
Taking = Callable[[bytes, int, int], tuple[int, int]]


def lines(chunks: Iterable[bytes], reading: Callable[[], bool], taking: Optional[Taking] = None) -> Iterator[LogLine]:
    """The lines around anchors, and those that follow as long as ``reading()`` says so.

    An empty chunk says that the input is silent; it is passed on as a line without data. ``taking`` is asked behind
    each line whether it takes the next ones itself.
    """
    scanner = _Scanner(reading, taking)
    for chunk in chunks:
        if not chunk:
            yield LogLine(scanner.number, None)
            continue
        yield from scanner.feed(chunk)
    yield from scanner.feed(b"", last=True)


class _Scanner:
    """Holds what is not yet delivered: an unfinished line, and what was searched in vain but may be wanted."""

    def __init__(self, reading: Callable[[], bool], taking: Optional[Taking] = None) -> None:
        self._reading = reading
        self._taking = taking
        self._data = b""
        self._searched = 0  # up to here there is no anchor
        self._wanted = 0  # lines that begin before this are delivered in any case: an anchor is among them
        self._find = finder(self._data)
        self._ahead: dict[bytes, int] = {}  # where each needle is next in _data
        self.number = 1  # of the line at the beginning of _data

    def feed(self, chunk: bytes, last: bool = False) -> Iterator[LogLine]:
        """The lines to read that end in ``chunk``; ``last``: the input is over."""
        self._data += chunk
        if last and self._data and not self._data.endswith(b"\n"):
            self._data += b"\n"
        self._find, self._ahead = finder(self._data), {}
        end = self._data.rfind(b"\n") + 1
        at = 0
        while at < end:
            if at >= self._wanted and not self._reading():
                start = self._next(at, end)
                if start is None:
                    break
                self.number += self._data.count(b"\n", at, start)
                at = start
            stop = self._data.find(b"\n", at)
            number, self.number = self.number, self.number + 1
            yield LogLine(number, self._data[at:stop], at + 1 == self._wanted)
            at = stop + 1
            if self._taking is not None and at < end:
                taken, at = self._taking(self._data, at, end)
                self.number += taken
        self._keep(at, end)

    def _next(self, at: int, end: int) -> Optional[int]:
        """Where to start delivering: some lines before the next anchor. None: there is no anchor."""
        found = self._anchor(max(at, self._searched), end)
        if found is None:
            self._searched = end
            return None
        line = self._data.rfind(b"\n", at, found.start()) + 1 or at
        self._wanted = line + 1
        back = max(at, line - (_HEAD_BACK if found.group() in _HEAD else LOOK_BACK))
        return at if back == at else self._data.find(b"\n", back - 1, line) + 1

    def _anchor(self, at: int, end: int) -> "Optional[re.Match[bytes]]":
        """The first anchor from ``at`` on."""
        while at < end:
            at = min(self._needle(needle, at, end) for needle in _NEEDLES)
            stop = self._data.find(b"\n", at, end) + 1
            found = _ANCHOR.search(self._data, max(0, at - _BEFORE), stop)
            if found is not None:
                return found
            at = stop or end
        return None

    def _needle(self, needle: bytes, at: int, end: int) -> int:
        """Where a needle is next; ``end`` if it is not there."""
        known = self._ahead.get(needle, -1)
        if known < at:
            known = self._find(needle, at, end)
            self._ahead[needle] = known = end if known < 0 else known
        return known

    def _keep(self, at: int, end: int) -> None:
        """Forgets what is delivered, and what was searched and is too far back."""
        keep = at
        if end - LOOK_BACK > at:  # searched in vain
            keep = self._data.find(b"\n", end - LOOK_BACK - 1, end) + 1
        self.number += self._data.count(b"\n", at, keep)
        self._data = self._data[keep:]
        self._searched = max(0, self._searched - keep)
        self._wanted = 0
        if len(self._data) - (end - keep) > MAX_LINE:
            cut = _within(self._data, end - keep)
            self._data = self._data[:cut] + b"\n" + self._data[cut:]


def _within(data: bytes, start: int) -> int:
    """Where to break a line that is too long: behind a string of JSON, an escaped line end or a blank, near its end."""
    late = max(start + 1, len(data) - LOOK_BACK)
    for word in (b'",', b"\\n", b" "):
        found = data.rfind(word, late)
        if found >= 0:
            return found + len(word)
    return len(data)
