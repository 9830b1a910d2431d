"""Where an event is from: a trace, a capture, the lines of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

from .word import Word


class Part(Word):
    """A part of a report or of a trace, by the name under which it can be missing; the same for logs and traces."""

    BEGINNING = "the beginning"
    FIRST_LINE = "first line"
    CPU_LINE = "CPU line"
    CALL_TRACE = "call trace"
    PART_OF_CALL_TRACE = "part of the call trace"
    MEMCG_USAGE = "memory cgroup usage"
    MEMCG_STATS = "memory cgroup statistics"
    PART_OF_MEMCG_STATS = "part of the memory cgroup statistics"
    MEMINFO = "Mem-Info"
    PART_OF_MEMINFO = "part of Mem-Info"
    ALLOCATIONS = "memory allocations"
    SLAB = "unreclaimable slab"
    TASKS = "task table"
    PART_OF_TASKS = "part of the task table"
    SUMMARY = "oom-kill line"
    VERDICT = "Kill process line"
    KILL = "Killed process line"
    OF_CAPTURE = "part of the capture"


class Line(NamedTuple):
    """One line of a report that was read, at its place: the row that reads it and which item of the event it shows.

    A tuple, since a log has thousands of them, and a frozen dataclass takes several times as long to make.

    ``row`` None: no row reads it; it is kept as ``text``. Otherwise ``index`` picks among repeated items (tasks,
    frames, zones, kills) and the text is made again from the model.
    """

    number: int  # line number in the input, from 1
    row: Optional[str] = None  # key of formats.ROWS
    item: Optional[int] = None
    text: Optional[str] = None
    time_ns: Optional[int] = None
    prefix: Optional[str] = None


@dataclass(frozen=True)
class Origin:
    """Where an event is from, and what should be there and is not."""

    source: str = "log"  # "live", "capture", "log"
    lines: tuple[Line, ...] = ()  # how a log had it; empty for live events
    missing: tuple[Part, ...] = ()  # what the source should have and has not
    host: Optional[str] = None  # the machine's name
    machine_id: Optional[str] = None  # /etc/machine-id
    boot_id: Optional[str] = None  # /proc/sys/kernel/random/boot_id
    unix_ns: Optional[int] = None  # when it began, in ns since 1970 (UTC); of a trace
