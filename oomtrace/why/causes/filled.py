"""Step 3, first half: what filled it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from oomtrace.model import MemcgStats, OomEvent

from .. import look
from ..account import Account, Kind, Part, account, tasks_anon_kb
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Fact, Reason, Size, facts
from ..registry import cause
from ..shortage import Shortage, short
from ..units import percent


class Filled(Reason):
    NO_STATISTICS = "no_statistics"
    NO_MEMINFO = "no_meminfo"
    NOTHING = "nothing"  # all its counters are 0
    PARTS = "parts"
    STATISTICS_EXCEED = "statistics_exceed"
    STATISTICS_BEHIND = "statistics_behind"  # they are up to 2 s old
    SHARE_UNKNOWN = "share_unknown"
    MOSTLY_FREE = "mostly_free"
    NOT_SUMMED_UP = "not_summed_up"
    NOT_COUNTED = "not_counted"
    KERNEL_NOT_COUNTED = "kernel_not_counted"
    NO_HALF = "no_half"
    COUNTERS_MISSING = "counters_missing"
    BY = "by"  # which kind, the fact "filler" says


class KernelPart(Reason):
    """Kernel memory with a counter of its own (mm/memcontrol.c, memory_stats), and the rest."""

    SLAB = "slab"
    PAGETABLES = "pagetables"
    STACKS = "stacks"
    VMALLOC = "vmalloc"
    PERCPU = "percpu"
    NO_COUNTER = "no_counter"


@cause("filled", step=3, place=1, reasons=Filled)
def filled(event: OomEvent, case: Case) -> None:
    """The parts of the full memory, largest first, and what is not accounted for."""
    found = account(event)
    if found is None:
        if look.scope(event) not in (None, "sysrq"):
            memcg = look.scope(event) == "memcg"
            case.says(Filled.NO_STATISTICS if memcg else Filled.NO_MEMINFO, UNKNOWN)
        return
    parts = tuple(sorted((part for part in found.parts if part.kb), key=lambda part: -part.kb))
    left = found.left_kb
    sizes = tuple(_size(part, found.total_kb) for part in parts[:4])
    others = sum(part.kb for part in parts[4:])
    if others:
        sizes += (Size(Kind.OTHERS, others, percent(others, found.total_kb)),)
    if left is not None and found.total_kb and left * 100 >= found.total_kb:
        sizes += (_size(Part(Kind.NOT_ACCOUNTED, left), found.total_kb),)
    case.says(Filled.PARTS if sizes else Filled.NOTHING, parts=sizes or None)
    _verdict(event, found, case)
    if left is not None and found.total_kb and -left * 100 >= found.total_kb:
        case.remarks(Filled.STATISTICS_EXCEED, exceed_kb=-left)
    if found.part(Kind.ANON_BEHIND):
        case.remarks(Filled.STATISTICS_BEHIND, LIKELY, anon_kb=found.part(Kind.ANON),
                     tasks_anon_kb=tasks_anon_kb(event))
    case.shows(*_facts(event, found))


def _size(part: Part, whole: Optional[int]) -> Size:
    return Size(part.kind, part.kb, percent(part.kb, whole))


def _not_full(event: OomEvent) -> bool:
    """Was memory free in other zones, on other nodes, or in pieces? Then nothing had filled all of it."""
    shortage = short(event)
    return shortage is not None and shortage.kind != Shortage.ALL_LOW


def _swapcache_kb(found: Account, top: Part) -> Optional[int]:
    """The swap cache, if it is much and has a row of its own beside anonymous memory."""
    cached = found.part(Kind.SWAPCACHE)
    return cached if top.kind == Kind.ANON and cached * 10 >= (found.total_kb or 0) else None


def _verdict(event: OomEvent, found: Account, case: Case) -> None:
    top, whole, left = found.biggest, found.total_kb, found.left_kb or 0
    if not whole:
        case.means(Filled.SHARE_UNKNOWN, UNKNOWN)
    elif found.part(Kind.FREE) * 2 >= whole:
        case.means(Filled.MOSTLY_FREE, largest=top.kind if top is not None else None)
    elif event.trace.printed is False and left * 4 > whole:
        case.means(Filled.NOT_SUMMED_UP, UNKNOWN)
    elif not found.complete and (top is None or top.kb * 2 < whole):
        case.means(Filled.COUNTERS_MISSING, UNKNOWN)
    elif top is None or left > top.kb:
        case.means(Filled.NOT_COUNTED if found.kernel_listed else Filled.KERNEL_NOT_COUNTED,
                   UNKNOWN if found.kernel_listed else LIKELY)
    elif top.kb * 2 < whole:
        case.means(Filled.NO_HALF, largest=top.kind)
    else:
        case.means(Filled.BY, CERTAIN if abs(left) * 10 < whole else LIKELY, filler=top.kind,
                   kernel_parts=_kernel_parts(found) if top.kind == Kind.KERNEL else None,
                   swapcache_kb=_swapcache_kb(found, top), of_all_zones=_not_full(event) or None)


_KERNEL_PARTS: Mapping[KernelPart, tuple[str, ...]] = {
    KernelPart.SLAB: ("slab_reclaimable_kb", "slab_unreclaimable_kb"),
    KernelPart.PAGETABLES: ("pagetables_kb", "sec_pagetables_kb"),
    KernelPart.STACKS: ("kernel_stack_kb",),
    KernelPart.VMALLOC: ("vmalloc_kb",),
    KernelPart.PERCPU: ("percpu_kb",),
}


def _kernel_parts(found: Account) -> Optional[tuple[Size, ...]]:
    """What the kernel's memory is, as far as it is counted, the three largest; None if it is not."""
    whole, kb = found.part(Kind.KERNEL), found.details
    if not whole or "slab_unreclaimable_kb" not in kb:
        return None
    sizes = {part: sum(kb.get(name, 0) for name in names) for part, names in _KERNEL_PARTS.items()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    said = tuple(Size(part, size) for part, size in largest if size * 20 >= whole)
    left = whole - sum(sizes.values())
    return said + (Size(KernelPart.NO_COUNTER, left),) if left * 10 >= whole else said


def _facts(event: OomEvent, found: Account) -> tuple[Fact, ...]:
    values = [Fact("total_kb", found.total_kb)] if found.total_kb is not None else []
    for part in found.parts:
        values.append(Fact(f"{part.kind}.kb", part.kb))
        if found.total_kb:
            values.append(Fact(f"{part.kind}.percent", percent(part.kb, found.total_kb)))
    if found.left_kb is not None:
        values.append(Fact("not_accounted_kb", found.left_kb))
    values += [Fact(name, value) for name, value in found.details.items()]
    memcg = event.report.memcg
    swap = facts(swap__usage_kb=memcg.swap.usage_kb) if memcg is not None and memcg.swap is not None else ()
    return tuple(values) + swap + _largest_below(event)


def _largest_below(event: OomEvent) -> tuple[Fact, ...]:
    """Up to 5.2 every memcg below has its own line: the largest one."""
    stats = [s for s in event.report.memcg.stats if s.unit == "KB"] if event.report.memcg is not None else []
    if len(stats) < 2:
        return ()
    top = max(stats, key=_held)
    return facts(largest__path=top.path, largest__kb=_held(top), memcgs=len(stats))


def _held(stats: MemcgStats) -> int:
    return stats.values.get("rss", 0) + stats.values.get("cache", 0)
