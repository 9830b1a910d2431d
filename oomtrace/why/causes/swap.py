"""Step 3 as well: why anonymous and tmpfs pages, which can only go to swap, did not go there."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Memcg, OomEvent

from .. import look
from ..account import Account, Kind, account
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Reason
from ..registry import cause
from ..shortage import short
from .totalpages import no_swap_counted

_FEW = 50  # as in reclaim
_CLUSTER_KB = 256  # less room than what goes out at a time is none


class Swap(Reason):
    NEEDS_SWAP = "needs_swap"
    NOT_ALLOWED = "not_allowed"
    AT_LIMIT = "at_limit"
    MAKES_NO_ROOM = "makes_no_room"  # memory+swap has no larger limit than memory
    MEMSW_AT_LIMIT = "memsw_at_limit"
    USED = "used"
    NOT_COUNTED = "not_counted"
    COULD_HAVE_BEEN_USED = "could_have_been_used"
    NO_MORE_WENT = "no_more_went"
    NOT_SHOWN = "not_shown"
    NONE = "none"
    NOT_NEEDED = "not_needed"
    FREE = "free"
    FULL = "full"
    NOT_FULL = "not_full"
    UNUSED = "unused"


@cause("swap", step=3, place=7, reasons=Swap)
def swap(event: OomEvent, case: Case) -> None:
    """No swap, full, or not allowed."""
    found = account(event)
    if look.scope(event) in (None, "sysrq"):
        return
    if look.scope(event) != "memcg":
        _machine(event, case)
    elif event.report.memcg is not None and found is not None and found.total_kb:
        _memcg(event, event.report.memcg, found, case)


def _memcg(event: OomEvent, memcg: Memcg, found: Account, case: Case) -> None:
    kb = found.details
    anon = kb.get("active_anon_kb", 0) + kb.get("inactive_anon_kb", 0)
    if anon * _FEW <= (found.total_kb or 0):
        return
    case.says(Swap.NEEDS_SWAP, anon_kb=anon)
    case.knows(active_anon_kb=kb.get("active_anon_kb"), inactive_anon_kb=kb.get("inactive_anon_kb"))
    limit, memory_limit, memsw_limit = (look.limit_kb(c) for c in (memcg.swap, memcg.memory, memcg.memsw))
    used = memcg.swap.usage_kb if memcg.swap is not None else kb.get("swap_kb")
    memsw = memcg.memsw.usage_kb if memcg.memsw is not None else None
    if memcg.swap is not None and limit == 0:
        case.means(Swap.NOT_ALLOWED, swap__limit_kb=0)
    elif limit is not None and used is not None and _near(used, limit):
        case.means(Swap.AT_LIMIT, swap__usage_kb=used, swap__limit_kb=limit)
    elif memory_limit is not None and memsw_limit is not None and memsw_limit <= memory_limit:
        case.means(Swap.MAKES_NO_ROOM, memory__limit_kb=memory_limit, memsw__limit_kb=memsw_limit)
    elif memsw_limit is not None and memsw is not None and _near(memsw, memsw_limit):
        case.means(Swap.MEMSW_AT_LIMIT, CERTAIN if memsw >= memsw_limit else LIKELY, memsw__usage_kb=memsw,
                   memsw__limit_kb=memsw_limit)
    else:
        _unclear(event, used, case)


def _near(used: int, limit: int) -> bool:
    """Is there no room worth the name?"""
    return limit - used <= max(limit // _FEW, _CLUSTER_KB)


def _unclear(event: OomEvent, used: Optional[int], case: Case) -> None:
    """Whether the machine has swap stands in no memcg report; totalpages tell where they are known."""
    in_tasks = sum(task.swapents_pages or 0 for task in event.report.tasks or ()) * look.page_kb(event)
    if used is not None:
        case.says(Swap.USED, swap_kb=used, tasks_swap_kb=in_tasks if in_tasks * 10 > used * 11 else None,
                  swapcache_kb=_in_ram_too(event, used))
    if in_tasks:
        case.means(Swap.NO_MORE_WENT, UNKNOWN)  # whatever the cgroup's counter says, there is some
        return
    confidence = no_swap_counted(event)
    if confidence is not None and not used:
        case.means(Swap.NOT_COUNTED, confidence)
    elif event.trace.totalpages is not None and not used:
        case.means(Swap.COULD_HAVE_BEEN_USED, UNKNOWN)
    elif used:
        case.means(Swap.NO_MORE_WENT, UNKNOWN)
    else:
        case.means(Swap.NOT_SHOWN, UNKNOWN)


def _in_ram_too(event: OomEvent, used: int) -> Optional[int]:
    """What is in the swap cache keeps its place in swap, which the counter of cgroup v2 has from then on; None if that
    is little (mm/swap_state.c, add_to_swap)."""
    found, memcg = account(event), event.report.memcg
    cached = found.part(Kind.SWAPCACHE) if found is not None else 0
    return cached if memcg is not None and memcg.swap is not None and used // 10 < cached <= used else None


def _few(event: OomEvent) -> bool:
    """Is there next to nothing that could go to swap?"""
    found = account(event)
    if found is None or not found.total_kb or not found.complete:
        return False
    return found.part(Kind.ANON, Kind.ANON_OR_SHMEM, Kind.SHMEM) * _FEW <= found.total_kb


def _beside_the_point(event: OomEvent) -> bool:
    """Were zones short that hold next to nothing that could go to swap?"""
    shortage = short(event)
    if shortage is None or not shortage.elsewhere or not shortage.managed_kb:
        return False
    return dict(shortage.parts()).get(Kind.ANON_OR_SHMEM, 0) * _FEW <= shortage.managed_kb


def _machine(event: OomEvent, case: Case) -> None:
    found = account(event)
    if found is not None and found.total_kb and found.part(Kind.FREE) * 4 >= found.total_kb:
        return  # memory had not run out
    if _beside_the_point(event):
        return
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    total, free = tail.get("total_swap_kb"), tail.get("free_swap_kb")
    if total == 0:
        case.says(Swap.NOT_NEEDED if _few(event) else Swap.NONE, total_swap_kb=0)
    elif total is not None and free is not None and not _few(event):
        case.says(Swap.FREE, free_swap_kb=free, total_swap_kb=total)
        if free * _FEW <= total:
            case.means(Swap.FULL)
        elif free * _FEW >= total * (_FEW - 1):
            case.means(Swap.UNUSED, LIKELY, free_swap_kb=free, total_swap_kb=total)
        else:
            case.means(Swap.NOT_FULL, UNKNOWN)
