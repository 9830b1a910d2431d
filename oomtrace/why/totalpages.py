"""The number that the kernel scales oom_score_adj by (``oc->totalpages``), which no report prints.

Live events know it. Of a log it can be bounded: by the limit and the swap that could be used beyond it, or by the RAM
and the swap of the machine or of the allowed nodes (mm/oom_kill.c, constrained_alloc; mm/memcontrol.c,
mem_cgroup_get_limit, from 4.19 on mem_cgroup_get_max).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.history import eras
from oomtrace.model import MemInfo, OomEvent

from . import look

# Stands for "no bound is known". Comparisons of points are linear in totalpages, so any huge number decides them.
UNBOUNDED = 1 << 40


@dataclass(frozen=True)
class Totalpages:
    """Between ``low`` and ``high``."""

    low: int
    high: int

    @property
    def exact(self) -> Optional[int]:
        """The value, if the bounds leave only one."""
        return self.low if self.low == self.high else None


def totalpages(event: OomEvent) -> Optional[Totalpages]:
    """What is known of totalpages."""
    if event.trace.totalpages:
        return Totalpages(event.trace.totalpages, event.trace.totalpages)
    scope = look.scope(event)
    if scope == "memcg":
        return _of_memcg(event)
    if event.report.meminfo is None or scope is None:
        return None
    if scope in ("cpuset", "mempolicy"):
        return _of_nodes(event, event.report.meminfo)
    return _of_machine(event, event.report.meminfo)


def _of_memcg(event: OomEvent) -> Optional[Totalpages]:
    memcg = event.report.memcg
    limit_kb = look.limit_kb(memcg.memory) if memcg is not None else None
    if memcg is None or limit_kb is None:
        return None
    size = look.page_kb(event)
    low = limit_kb // size
    swap_kb = look.limit_kb(memcg.swap)
    memsw_kb = look.limit_kb(memcg.memsw)
    if memsw_kb is not None:
        swap_kb = max(0, memsw_kb - limit_kb)
    if swap_kb == 0:
        return Totalpages(low, low)
    if swap_kb is not None:
        return Totalpages(low, low + swap_kb // size)  # if there is any
    return Totalpages(low, UNBOUNDED)


def _of_machine(event: OomEvent, meminfo: MemInfo) -> Optional[Totalpages]:
    tail = meminfo.tail
    if "ram_pages" not in tail:
        return None
    # 3.10 and before count "reserved" by page flags; since, it is present minus managed pages: the rest is totalram.
    ram = tail["ram_pages"] - tail.get("reserved_pages", 0)
    if "total_swap_kb" not in tail:
        return Totalpages(ram, UNBOUNDED)
    swap = tail["total_swap_kb"] // look.page_kb(event)
    return Totalpages(ram + swap, ram + swap)


def _of_nodes(event: OomEvent, meminfo: MemInfo) -> Optional[Totalpages]:
    """The report lists only the allowed nodes. Up to 5.3 their spanned pages count, which may be more."""
    if not meminfo.zones or "total_swap_kb" not in meminfo.tail:
        return None
    if not any(zone.counters for zone in meminfo.zones):
        return None
    present = [zone.counters.get("present_kb") for zone in meminfo.zones]
    size = look.page_kb(event)
    known = sum(kb for kb in present if kb is not None) // size
    low = known + meminfo.tail["total_swap_kb"] // size
    version = look.version(event)
    spanned = version is None or eras.spanned_pages(version)
    complete = None not in present and not spanned
    return Totalpages(low, low if complete else UNBOUNDED)
