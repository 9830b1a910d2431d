"""Limits: how much a cgroup needs, what a process should be confined to."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent, Task

from .. import look, witnessed
from ..account import Kind, account
from ..causes.earlier import Earlier
from ..causes.full import Full, declared_by_bpf, lost_context
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice
from ..shortage import Shortage, short


class Limits(Reason):
    RAISE_FOR_ONE = "raise_for_one"
    RAISE_FOR_ALL = "raise_for_all"
    CONFINE = "confine"
    TOO_MUCH_AT_ONCE = "too_much_at_once"
    FULL_MEMCG_ELSEWHERE = "full_memcg_elsewhere"


@advice("full", 10)
def elsewhere(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """An OOM of the whole machine that a cgroup's limit may have caused."""
    if look.scope(event) == "memcg" or event.report.trigger.gfp_mask != 0 or event.report.trigger.order == -1:
        return None
    if "earlier" in cases and cases["earlier"].has(Earlier.ASKER_WAS_KILLED):
        return None
    return Statement(Limits.FULL_MEMCG_ELSEWHERE)


@advice("filled", 70)
def raise_limit(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """What the full memcg would have needed at least: its usage and what was in swap."""
    path, found, memcg = look.full_path(event), account(event), event.report.memcg
    if look.scope(event) != "memcg" or path is None or found is None or not found.total_kb or declared_by_bpf(event):
        return None
    main = found.biggest
    if main is None or main.kind != Kind.ANON or main.kb * 4 < found.total_kb:
        return None
    swap = memcg.swap.usage_kb if memcg is not None and memcg.swap is not None else found.details.get("swap_kb")
    swap = max(0, (swap or 0) - found.part(Kind.SWAPCACHE))  # which is in the usage, too
    rows, top, victim = event.report.tasks or (), look.largest(event), event.report.victim
    if top is not None:
        one = look.who(top) if 2 * (top.rss_pages or 0) >= sum(task.rss_pages or 0 for task in rows) else None
    else:
        half = victim is not None and (look.held_kb(victim) or 0) * 2 >= found.total_kb
        one = look.who(victim) if victim is not None and half else None
    if one is None and not rows:
        return None
    return Statement(Limits.RAISE_FOR_ONE if one is not None else Limits.RAISE_FOR_ALL, facts(
        memcg__path=path, need_kb=found.total_kb + swap, task=one, tasks=len(rows) or None,
        swap_kb=swap if swap * 20 >= found.total_kb else None, container=witnessed.name_of(event, path),
        memsw__limit_kb=_other_limit_kb(event, cases),
    ))


def _other_limit_kb(event: OomEvent, cases: Cases) -> Optional[int]:
    """That of memory+swap, if it was almost reached too (cgroup v1)."""
    memcg = event.report.memcg
    also = memcg is not None and "full" in cases and cases["full"].has(Full.OTHER_LIMIT_TOO)
    return look.limit_kb(memcg.memsw) if memcg is not None and also else None


@advice("full", 71)
def too_small(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Without statistics: a limit that does not hold what one task has."""
    path, top, memcg = look.full_path(event), look.largest(event), event.report.memcg
    limit = look.limit_kb(memcg.memory) if memcg is not None else None
    if account(event) is not None or look.scope(event) != "memcg" or path is None or top is None or limit is None:
        return None
    if look.rss_kb(event, top) < limit:
        return None
    return Statement(Limits.RAISE_FOR_ONE, facts(memcg__path=path, need_kb=look.rss_kb(event, top), task=look.who(top)))


@advice("tasks", 80)
def confine(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """A machine-wide OOM with one large process, or with many."""
    top, found, shortage = look.largest(event), account(event), short(event)
    if look.scope(event) in ("memcg", "sysrq") or top is None or found is None or not found.total_kb:
        return None
    if lost_context(event):  # it was hardly the machine that ran out
        return None
    if shortage is not None and shortage.kind != Shortage.ALL_LOW:
        return None
    if look.rss_kb(event, top) * 4 < found.total_kb:
        anon = found.part(Kind.ANON, Kind.ANON_OR_SHMEM)
        if anon * 2 < found.total_kb or "together" in cases:
            return None
        return Statement(Limits.TOO_MUCH_AT_ONCE, facts(tasks=len(event.report.tasks or ()), anon_kb=anon,
                                                        total_kb=found.total_kb))
    return Statement(Limits.CONFINE, facts(task=look.who(top), held_kb=look.rss_kb(event, top),
                                           total_kb=found.total_kb, shared_kb=_shared_kb(event, top)))


def _shared_kb(event: OomEvent, task: Task) -> Optional[int]:
    """What of it is shared memory, by its row (6.8+) or its kill line; None if that is little, or not known."""
    kill = next((kill for kill in event.report.kills if kill.pid == task.pid), None)
    shared = (task.rss_shmem_pages * look.page_kb(event) if task.rss_shmem_pages is not None
              else kill.shmem_rss_kb if kill is not None else None)
    return shared if shared is not None and shared * 4 >= look.rss_kb(event, task) else None
