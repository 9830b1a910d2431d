"""Step 3 as well: why anonymous and tmpfs pages, which can only go to swap, did not go there."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Memcg, OomEvent

from . import look
from .account import Account, account
from .case import Case
from .counted import no_swap_counted
from .finding import CERTAIN, LIKELY, UNKNOWN, Finding
from .units import exact, human

_FEW = 50  # as in reclaim
_CLUSTER_KB = 256  # less room than what goes out at a time is none


def swap(event: OomEvent) -> Optional[Finding]:
    """No swap, full, or not allowed."""
    if look.scope(event) in (None, "sysrq"):
        return None
    case = Case("swap", 3, "swap")
    if look.scope(event) == "memcg":
        found = account(event)
        if event.report.memcg is not None and found is not None and found.total_kb:
            _memcg(event, event.report.memcg, found, case)
    elif event.report.meminfo is not None:
        _machine(event, case)
    return case.finding()


def _memcg(event: OomEvent, memcg: Memcg, found: Account, case: Case) -> None:
    kb = found.details
    anon = kb.get("active_anon_kb", 0) + kb.get("inactive_anon_kb", 0)
    if anon * _FEW <= (found.total_kb or 0):
        return
    case.says(f"anonymous and tmpfs pages {exact(anon)} can only go to swap", active_anon_kb=kb.get("active_anon_kb"),
              inactive_anon_kb=kb.get("inactive_anon_kb"))
    limit, memory_limit, memsw_limit = (look.limit_kb(c) for c in (memcg.swap, memcg.memory, memcg.memsw))
    used = memcg.swap.usage_kb if memcg.swap is not None else kb.get("swap_kb")
    if memcg.swap is not None and limit == 0:
        case.says("memory.swap.max is 0", swap__limit_kb=0)
        case.means("Swapping was not allowed.")
    elif limit is not None and used is not None and _near(used, limit):
        case.says(f"swap used {exact(used)} of the limit {exact(limit)}", swap__usage_kb=used, swap__limit_kb=limit)
        case.means("memory.swap.max was reached.")
    elif memory_limit is not None and memsw_limit is not None and memsw_limit <= memory_limit:
        case.says("the memory+swap limit is no more than the memory limit", memory__limit_kb=memory_limit,
                  memsw__limit_kb=memsw_limit)
        case.means("Swapping makes no room below the memory+swap limit.")
    elif memsw_limit is not None and memcg.memsw is not None and _near(memcg.memsw.usage_kb or 0, memsw_limit):
        reached = (memcg.memsw.usage_kb or 0) >= memsw_limit
        at = "at" if reached else f"{human(memsw_limit - (memcg.memsw.usage_kb or 0))} below"
        case.says(f"memory+swap was {at} its limit of {exact(memsw_limit)}", memsw__usage_kb=memcg.memsw.usage_kb,
                  memsw__limit_kb=memsw_limit)
        case.means("Swapping makes no room below the memory+swap limit.", CERTAIN if reached else LIKELY)
    else:
        _unclear(event, used, case)


def _near(used: int, limit: int) -> bool:
    """Is there no room worth the name?"""
    return limit - used <= max(limit // _FEW, _CLUSTER_KB)


def _unclear(event: OomEvent, used: Optional[int], case: Case) -> None:
    """Whether the machine has swap stands in no memcg report; totalpages tell where they are known."""
    if used is not None:
        case.says(f"swap used {exact(used)}", swap_kb=used)
    confidence = no_swap_counted(event)
    if confidence is not None and not used:
        case.means("The kernel counted no swap for it: none is on, or swappiness is 0.", confidence)
    elif event.trace.totalpages is not None and not used:
        case.means("Swap could have been used; why it was not the source does not tell.", UNKNOWN)
    elif used:
        case.means("Why no more went to swap (full, or slow) the source does not tell.", UNKNOWN)
    else:
        case.means("Whether there is any swap the source does not tell.", UNKNOWN)


def _machine(event: OomEvent, case: Case) -> None:
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    total, free = tail.get("total_swap_kb"), tail.get("free_swap_kb")
    if total == 0:
        case.says("there is no swap", total_swap_kb=0)
        case.means("Anonymous and tmpfs pages could not be reclaimed.")
    elif total is not None and free is not None:
        case.says(f"free {exact(free)} of {exact(total)}", total_swap_kb=total, free_swap_kb=free)
        if free * _FEW <= total:
            case.means("Swap was full.")
        else:
            case.means("Swap was not full; why no more went there the source does not tell.", UNKNOWN)
