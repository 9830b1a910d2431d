"""Where an event is from: a trace, a capture, the lines of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class Line:
    """One line of a report that was read, at its place: the row that reads it and which item of the event it shows.

    ``row`` None: no row reads it; it is kept as ``text``. Otherwise ``index`` picks among repeated items (tasks,
    frames, zones, kills) and the text is made again from the model.
    """

    number: int  # line number in the input, from 1
    row: Optional[str] = None  # key of formats.ROWS
    index: Optional[int] = None
    text: Optional[str] = None
    time_ns: Optional[int] = None
    prefix: Optional[str] = None


@dataclass(frozen=True)
class Origin:
    """Where an event is from, and what should be there and is not."""

    source: str = "log"  # "live", "capture", "log"
    lines: Tuple[Line, ...] = ()  # how a log had it; empty for live events
    missing: Tuple[str, ...] = ()  # parts that the source should have and has not: "task table"
    host: Optional[str] = None  # the machine's name
    machine_id: Optional[str] = None  # /etc/machine-id
    boot_id: Optional[str] = None  # /proc/sys/kernel/random/boot_id
