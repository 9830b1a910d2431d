"""Step 1: which memcg was full, or what else had no memory left."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import MemcgLevel, OomEvent, PageCounter

from .. import look, names, witnessed
from ..account import Kind, account, managed_kb
from ..account_machine import contradictory
from ..callsite import Site, call_site, functions
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Fact, Reason
from ..registry import cause
from ..shortage import short

_BATCH = 32  # pages


class Full(Reason):
    NOT_SHOWN = "not_shown"
    SYSRQ = "sysrq"
    AT_LIMIT = "at_limit"
    NO_ROOM = "no_room"  # when the usage was read, there was room again
    NO_LIMIT = "no_limit"
    USAGE_NOT_SHOWN = "usage_not_shown"
    MACHINE = "machine"
    PART_OF_MACHINE = "part_of_machine"
    CPUSET = "cpuset"
    MEMPOLICY = "mempolicy"
    LIMIT_LOWERED = "limit_lowered"
    LIMIT_HAD_BEEN_LOWERED = "limit_had_been_lowered"
    FREED_SINCE = "freed_since"
    LIMIT_OF_POD = "limit_of_pod"
    FULL_ABOVE = "full_above"
    CONTEXT_LOST = "context_lost"
    CONTEXT_LOST_WHILE_FREE = "context_lost_while_free"
    DECLARED_BY_BPF = "declared_by_bpf"
    CONTRADICTORY = "contradictory"
    OTHER_LIMIT_TOO = "other_limit_too"


@cause("full", step=1, place=1, reasons=Full, always=True)
def full(event: OomEvent, case: Case) -> None:
    """What had no memory left."""
    scope = look.scope(event)
    if scope is None:
        case.says(Full.NOT_SHOWN, UNKNOWN)
    elif scope == "memcg":
        _memcg(event, case)
    elif scope == "sysrq":
        case.says(Full.SYSRQ, trigger__order=event.report.trigger.order)
    else:
        _machine(event, scope, case)


def _order_of_charge(event: OomEvent) -> tuple[str, ...]:
    """memory+swap is charged first (mm/memcontrol.c, try_charge): of two equal limits it is the one that refuses, as
    its failcnt shows."""
    memcg = event.report.memcg
    if memcg is None:
        return ()
    first = memcg.memsw is not None and memcg.memory is not None and memcg.memsw.failcnt and not memcg.memory.failcnt
    return ("memsw", "memory", "kmem") if first else ("memory", "memsw", "kmem")


def hit(event: OomEvent) -> tuple[Optional[str], Optional[PageCounter]]:
    """The counter with no room for the charge: memory, on v1 also memory+swap or kernel memory."""
    need_kb = look.page_kb(event) << (look.order(event) or 0)
    for name in _order_of_charge(event):
        counter = getattr(event.report.memcg, name)
        limit_kb = look.limit_kb(counter)
        if limit_kb is not None and counter.usage_kb is not None and counter.usage_kb + need_kb > limit_kb:
            return name, counter
    return None, None


def beyond(event: OomEvent) -> bool:
    """Was there far more in it than its limit? Charges that must not fail go a little beyond."""
    name, counter = hit(event)
    limit_kb = look.limit_kb(counter)
    if name != "memory" or counter is None or counter.usage_kb is None or limit_kb is None:
        return False
    return counter.usage_kb - limit_kb > max(limit_kb // 10, 1024)


def _memcg(event: OomEvent, case: Case) -> None:
    path, memcg = look.full_path(event), event.report.memcg
    if memcg is None or memcg.memory is None or memcg.memory.usage_kb is None:
        case.says(Full.USAGE_NOT_SHOWN, memcg__path=path)
        return
    name, counter = hit(event)
    limit_kb = look.limit_kb(counter)
    if declared_by_bpf(event):
        case.says(Full.DECLARED_BY_BPF, memcg__path=path, usage_kb=memcg.memory.usage_kb)
    elif name is None or counter is None or limit_kb is None:
        _below_limit(event, case)
    else:
        usage_kb = counter.usage_kb if counter.usage_kb != limit_kb else None
        case.says(Full.AT_LIMIT, memcg__path=path, counter=name, limit_kb=limit_kb, usage_kb=usage_kb,
                  failcnt=counter.failcnt, container=witnessed.name_of(event, path) if path is not None else None)
        _lowered(event, case)
        _other_limit(event, name, case)
        _context(event, case)
    case.shows(*_counters(event), *_level_facts(event.trace.levels))


def _lowered(event: OomEvent, case: Case) -> None:
    if not beyond(event):
        return
    written = call_site(event)
    if written is not None and written.site == Site.LIMIT_LOWERED:
        case.means(Full.LIMIT_LOWERED)
    else:
        case.means(Full.LIMIT_HAD_BEEN_LOWERED, LIKELY)


def declared_by_bpf(event: OomEvent) -> bool:
    """A BPF program may declare an OOM by a policy of its own (bpf_out_of_memory(), bpf_oom): no limit need be hit."""
    summary = event.report.summary
    constraint = summary.constraint if summary is not None else None
    return "BPF" in (constraint or "") or "bpf_out_of_memory" in functions(event)


def _other_limit(event: OomEvent, name: str, case: Case) -> None:
    """A second limit that is all but reached: less is left than a charge takes at a time (MEMCG_CHARGE_BATCH)."""
    memcg = event.report.memcg
    memsw = memcg.memsw if memcg is not None else None
    limit_kb = look.limit_kb(memsw)
    if name == "memsw" or memsw is None or memsw.usage_kb is None or limit_kb is None or not memsw.failcnt:
        return
    if limit_kb - memsw.usage_kb < look.page_kb(event) * _BATCH:
        case.says(Full.OTHER_LIMIT_TOO, memsw__usage_kb=memsw.usage_kb, memsw__limit_kb=limit_kb,
                  memsw__failcnt=memsw.failcnt)


def _below_limit(event: OomEvent, case: Case) -> None:
    """The report samples usage after the decision: something may have been freed in between."""
    memcg = event.report.memcg
    assert memcg is not None and memcg.memory is not None and memcg.memory.usage_kb is not None
    path, limit_kb, usage_kb = look.full_path(event), look.limit_kb(memcg.memory), memcg.memory.usage_kb
    if limit_kb is not None:
        case.says(Full.NO_ROOM, memcg__path=path, usage_kb=usage_kb, limit_kb=limit_kb, below_kb=limit_kb - usage_kb)
    else:
        unlimited = look.unlimited(memcg.memory)
        case.says(Full.NO_LIMIT if unlimited else Full.NO_ROOM, memcg__path=path, usage_kb=usage_kb)
    others = [counter for counter in (memcg.memsw, memcg.kmem) if look.limit_kb(counter) is not None]
    case.remarks(Full.FREED_SINCE, LIKELY if others else CERTAIN)


def _context(event: OomEvent, case: Case) -> None:
    """Whose limit it is, and which levels above are full too."""
    path, victim = look.full_path(event), look.victim_path(event)
    above, below = names.owner(path) if path else None, names.owner(victim) if victim else None
    if above is not None and above.kind == "pod" and below is not None and below.kind == "container":
        case.remarks(Full.LIMIT_OF_POD)
    tight = tuple(level.path for level in event.trace.levels[1:] if _at_limit(level))
    if tight:
        case.remarks(Full.FULL_ABOVE, full_above=tight)


def _at_limit(level: MemcgLevel) -> bool:
    return level.limit_kb is not None and level.usage_kb is not None and level.usage_kb >= level.limit_kb


def _counters(event: OomEvent) -> tuple[Fact, ...]:
    found: list[Fact] = []
    for name in ("memory", "swap", "memsw", "kmem"):
        counter = getattr(event.report.memcg, name)
        if counter is None:
            continue
        limit = "max" if look.unlimited(counter) else counter.limit_kb
        values = (("usage_kb", counter.usage_kb), ("limit_kb", limit), ("failcnt", counter.failcnt))
        found += [Fact(f"{name}.{field}", value) for field, value in values if value is not None]
    return tuple(found)


def _level_facts(levels: tuple[MemcgLevel, ...]) -> tuple[Fact, ...]:
    """Every level up to the root, as a live trace saw it."""
    found: list[Fact] = []
    for level in levels:
        for name in ("usage_kb", "limit_kb", "min_kb", "low_kb", "high_kb", "swap_usage_kb", "swap_limit_kb"):
            value = getattr(level, name)
            if value is not None and (value or name == "usage_kb"):
                found.append(Fact(f"{level.path} {name}", value))
    return tuple(found)


_MACHINE = {"global": Full.MACHINE, "cpuset": Full.CPUSET, "mempolicy": Full.MEMPOLICY}


def _machine(event: OomEvent, scope: str, case: Case) -> None:
    """No memcg: the machine, or the nodes that the task was allowed."""
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    summary = event.report.summary
    nodes = event.report.trigger.mems_allowed or (summary.mems_allowed if summary is not None else None)
    if scope == "mempolicy":
        nodes = (summary.nodemask if summary is not None else None) or event.report.trigger.nodemask
    if lost_context(event):
        _lost(event, case)
        return
    shortage = short(event)
    kept_out = scope == "global" and shortage is not None and shortage.elsewhere
    case.says(Full.PART_OF_MACHINE if kept_out else _MACHINE[scope], managed_kb=managed_kb(event),
              total_swap_kb=tail.get("total_swap_kb"), nodes=nodes if scope in ("cpuset", "mempolicy") else None)
    if contradictory(event):
        case.remarks(Full.CONTRADICTORY, ram_pages=tail.get("ram_pages"), zones_kb=managed_kb(event))
    case.knows(kind=scope, free_swap_kb=tail.get("free_swap_kb"),
               constraint=summary.constraint if summary is not None else None)


def _lost(event: OomEvent, case: Case) -> None:
    """Nothing but a failed page fault is known. With much free, the machine itself had not run out."""
    found = account(event)
    free = found.part(Kind.FREE) if found is not None else 0
    if found is not None and found.total_kb and free * 10 >= found.total_kb:
        case.says(Full.CONTEXT_LOST_WHILE_FREE, UNKNOWN, managed_kb=found.total_kb, free_kb=free)
    else:
        case.says(Full.CONTEXT_LOST, UNKNOWN, managed_kb=managed_kb(event))
    case.knows(kind=look.scope(event))


def lost_context(event: OomEvent) -> bool:
    """pagefault_out_of_memory() has nothing but the fault: gfp_mask 0, and the failed charge or allocation unknown.

    Removed by 60e2793d440a (5.16) and its backports, because of the OOMs of the whole machine that it declared for a
    memcg's.
    """
    return event.report.trigger.gfp_mask == 0 and event.report.trigger.order != -1
