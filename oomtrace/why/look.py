"""Where an event has what the causes ask for: the same thing stands in other lines in other eras."""

from __future__ import annotations

import re
from functools import wraps
from typing import Callable, Optional, TypeVar, Union

from oomtrace.history import constraints, limits, releases
from oomtrace.model import Exiting, Growth, Kill, OomEvent, PageCounter, Reap, SlabCache, Task, Unprinted, Verdict

from .finding import Process

_ORDERS = 64  # more than any kernel's MAX_ORDER


Answer = TypeVar("Answer")


def once(function: Callable[[OomEvent], Answer]) -> Callable[[OomEvent], Answer]:
    """Remembers the answer about the last event: several causes ask the same, and tables may be long."""
    last: list[tuple[OomEvent, Answer]] = []

    @wraps(function)
    def ask(event: OomEvent) -> Answer:
        known = last[:1]
        if known and known[0][0] is event:
            return known[0][1]
        answer = function(event)
        last[:] = [(event, answer)]
        return answer

    return ask


def scope(event: OomEvent) -> Optional[str]:
    """What had no memory left: "memcg", "global", "cpuset", "mempolicy", or "sysrq" when someone asked for a kill."""
    if event.kind is not None:
        return event.kind
    report = event.report
    memcg = full_path(event) is not None or (report.memcg is not None and report.memcg.memory is not None)
    constraint = report.summary.constraint if report.summary is not None else None
    known = constraints.kind_of(constraint, memcg, report.trigger.order)
    return constraints.GLOBAL if known is None and report.meminfo is not None else known


def order(event: OomEvent) -> Optional[int]:
    """The allocation's order; None if it is not known, or is none: -1 of sysrq, anything in a damaged log."""
    said = event.report.trigger.order
    return said if said is not None and 0 <= said < _ORDERS else None


def full_path(event: OomEvent) -> Optional[str]:
    """The path of the memcg whose limit was hit."""
    if event.report.memcg is not None and event.report.memcg.path is not None:
        return event.report.memcg.path
    return event.report.summary.oom_memcg if event.report.summary is not None else None


def victim_path(event: OomEvent) -> Optional[str]:
    """The path of the victim's memcg."""
    return event.report.victim_memcg or (event.report.summary.task_memcg if event.report.summary is not None else None)


def limit_kb(counter: Optional[PageCounter]) -> Optional[int]:
    """The limit, None if there is none or it is not known (``unlimited`` tells the two apart)."""
    if counter is None or counter.limit_kb is None or limits.is_no_limit_kb(counter.limit_kb):
        return None
    return counter.limit_kb


def unlimited(counter: Optional[PageCounter]) -> bool:
    """Is it known that there is no limit?"""
    return counter is not None and counter.limit_kb is not None and limits.is_no_limit_kb(counter.limit_kb)


def chosen(event: OomEvent) -> Optional[Process]:
    """The task that the kernel picked; up to 5.0 a child of it may be killed instead."""
    if event.report.verdict is not None:
        return who(event.report.verdict)
    if event.report.summary is not None and event.report.summary.pid is not None:
        return Process(event.report.summary.pid, event.report.summary.task)
    if event.report.exiting is not None:
        return who(event.report.exiting)
    return who(event.report.kills[0]) if event.report.kills else None


def row_of(event: OomEvent, pid: int) -> Optional[Task]:
    """The task's row. The table shows the first thread that has an mm, which need not be the leader."""
    rows = event.report.tasks or tuple(candidate.task for candidate in event.trace.candidates)
    found = [task for task in rows if task.pid == pid] or [task for task in rows if task.tgid == pid]
    return found[0] if found else None


@once
def page_kb(event: OomEvent) -> int:
    """The page size, where the report shows it: in a counter without a limit (PAGE_COUNTER_MAX), in the smallest free
    block, or in the victim, whose row is in pages and whose kill line is in kB."""
    memcg = event.report.memcg
    for counter in (memcg.memory, memcg.swap, memcg.memsw, memcg.kmem) if memcg is not None else ():
        size = limits.page_kb_of(counter.limit_kb) if counter is not None else None
        if size is not None:
            return size
    for zone in event.report.meminfo.zones if event.report.meminfo is not None else ():
        if zone.buddy and zone.buddy[0][1] in limits.PAGE_SIZES_KB:
            return zone.buddy[0][1]
    if "+64k" in (event.report.machine.release or "") or "-64k" in (event.report.machine.release or ""):
        return 64  # how RHEL and Ubuntu name such kernels for arm64
    return _of_victim(event) or event.report.machine.page_kb


# Kernels of these are built with pages of several sizes, none of which goes without saying.
_OF_ANY_SIZE = frozenset(("powerpc", "loongarch", "ia64", "sparc"))


def page_is_known(event: OomEvent) -> bool:
    """Does the source tell the size of a page, or can it be only the usual one?"""
    return page_kb(event) != 4 or event.report.machine.arch not in _OF_ANY_SIZE or bool(
        event.report.meminfo is not None and any(zone.buddy for zone in event.report.meminfo.zones)
        or _of_victim(event) is not None)


def _of_victim(event: OomEvent) -> Optional[int]:
    for kill in event.report.kills:
        row = row_of(event, kill.pid)
        if row is not None and row.total_vm_pages and kill.total_vm_kb:
            size, rest = divmod(kill.total_vm_kb, row.total_vm_pages)
            if rest == 0 and size in limits.PAGE_SIZES_KB:
                return size
    return None


_SLAB_ROW = re.compile(r"(?:.*\] )?(\S+) +(\d+)KB +(\d+)KB\s*")


def slab_caches(event: OomEvent) -> tuple[SlabCache, ...]:
    """The listed slab caches, the largest first. Rows whose blanks somebody has changed cannot be printed again byte
    for byte, so that they are not in the model; their numbers count here all the same."""
    unread = (_SLAB_ROW.fullmatch(line.text) for line in event.origin.lines if line.row is None and line.text)
    found = [SlabCache(row[1], int(row[2]), int(row[3])) for row in unread if row] if event.report.slab else []
    return tuple(sorted((*event.report.slab, *found), key=lambda cache: -cache.total_kb))


def was_exiting(event: OomEvent) -> bool:
    """Was the victim on its way out by itself (task_will_free_mem)? A trace sees it marked as one that is killed is."""
    return event.trace.unprinted_reason == Unprinted.EXITING


def held_kb(kill: Kill) -> Optional[int]:
    """What was resident of a process when it was killed."""
    known = [kb for kb in (kill.anon_rss_kb, kill.file_rss_kb, kill.shmem_rss_kb) if kb is not None]
    return sum(known) if known else None


def version(event: OomEvent) -> Optional[releases.Version]:
    """The kernel's version, without what distributions append."""
    known = releases.parsed(event.report.machine.release)
    return known.mainline[:2] if known is not None else None


def who(task: Union[Task, Kill, Reap, Exiting, Verdict, Growth], size: Optional[int] = None) -> Process:
    """Who a row or a line is about; with a page size, what of it is resident too."""
    kb = (task.rss_pages or 0) * size if isinstance(task, Task) and size is not None else None
    return Process(task.pid, task.comm, kb)


def trigger(event: OomEvent) -> Process:
    """The task that asked for memory."""
    return Process(event.report.trigger.pid, event.report.trigger.comm)


@once
def largest(event: OomEvent) -> Optional[Task]:
    """The task that holds most of what is resident."""
    return max(event.report.tasks or (), key=lambda task: task.rss_pages or 0, default=None)


def rss_kb(event: OomEvent, task: Task) -> int:
    """What a row says to be resident of a task."""
    return (task.rss_pages or 0) * page_kb(event)
