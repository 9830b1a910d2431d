"""What the memory of a process is: its mappings, added up by what they are for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from oomtrace.model import Area, Aspect, Mapped, Missed, TaskMemory

from . import proc
from .areas import Region, classified, regions
from .meter import Meter
from .mounts import by_device
from .proc import Process

_LISTED = 12
_PIECE = 1 << 14
_NS_A_PAGE = 15  # of walking page tables for smaps, which no budget can interrupt within a mapping
_MOST = 4 << 20


def memory(process: Process, meter: Meter, now_ns: int, page_kb: int = 4) -> tuple[Optional[TaskMemory], list[Region]]:
    """What it is, and its mappings as read; None if it has gone.

    smaps says what of each mapping is resident, but makes the kernel walk all pages of the process. Where that would
    take longer than what is left of the budget, maps is read, which has sizes alone.
    """
    status = proc.status(process)
    rss_kb = proc.kb(status.get("VmRSS"))
    if rss_kb is None:
        return None, []
    affordable = rss_kb // page_kb * _NS_A_PAGE < meter.left_ns
    if not affordable:
        meter.cut(Aspect.ANONYMOUS, Missed.BUDGET, f"smaps of {process.pid}")
    source = "smaps" if affordable else "maps"
    found = regions(_read(process, source, meter))
    if not found and affordable:
        source, found = "maps", regions(_read(process, "maps", meter))
    if not found:
        meter.cut(Aspect.ANONYMOUS, Missed.DENIED, f"maps of {process.pid}")
    threads = status.get("Threads", "")
    number = int(threads) if threads.isdigit() else None
    listed, others = _added_up(process, found, number)
    huge = [region.huge_kb for region in found if region.huge_kb is not None]
    return TaskMemory(
        process.pid, status.get("Name"), rss_kb, proc.kb(status.get("RssAnon")), proc.kb(status.get("RssShmem")),
        proc.kb(status.get("RssFile")), proc.kb(status.get("VmSwap")), proc.kb(status.get("VmLck")),
        sum(huge) if huge else None, number, listed, others, source, now_ns,
    ), found


def _read(process: Process, name: str, meter: Meter) -> bytes:
    """In pieces, so that the budget can end it between two."""
    try:
        fd = process.open(name)
    except OSError:
        return b""
    pieces: list[bytes] = []
    size = 0
    try:
        while size < _MOST:
            piece = os.read(fd, _PIECE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            meter.bytes += len(piece)
            if meter.over(Aspect.ANONYMOUS, f"the rest of {name} of {process.pid}"):
                break
    except OSError:
        pass
    finally:
        os.close(fd)
    data = b"".join(pieces)
    return data[: data.rfind(b"\n") + 1]


def _added_up(process: Process, found: list[Region], threads: Optional[int]) -> tuple[tuple[Mapped, ...], int]:
    groups: dict[tuple[Area, Optional[str]], list[Region]] = {}
    for area, name, region in classified(found, process.link("exe"), threads, by_device(process.mounts)):
        groups.setdefault((area, name), []).append(region)
    rows = [Mapped(area, name, len(members), sum(one.size_kb for one in members), *(
        _sum(getattr(one, field) for one in members)
        for field in ("rss_kb", "anonymous_kb", "swap_kb", "locked_kb", "huge_kb")
    )) for (area, name), members in groups.items()]
    rows.sort(key=lambda row: -(row.size_kb if row.rss_kb is None else row.rss_kb + (row.swap_kb or 0)))
    shown = tuple(rows[:_LISTED])
    return shown, sum(row.size_kb for row in rows[_LISTED:])


def _sum(values: Iterable[Optional[int]]) -> Optional[int]:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
