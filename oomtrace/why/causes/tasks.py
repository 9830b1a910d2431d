"""Step 4: the task table: who holds the memory, and how much of it no task does."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.history import eras
from oomtrace.model import OomEvent, Part, Task

from .. import look
from ..account import Account, Kind, account, tasks_anon_kb
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Process, Reason, Size
from ..registry import cause
from ..units import percent


class Tasks(Reason):
    NOT_SHOWN = "not_shown"
    NO_TABLE = "no_table"
    NOT_PRINTED = "not_printed"  # vm.oom_dump_tasks is 0
    EMPTY = "empty"
    NO_SIZES = "no_sizes"  # rows that are cut before them
    LISTED = "listed"
    PAGETABLES = "pagetables"
    SWAPPED_OUT = "swapped_out"
    NOT_COMPLETE = "not_complete"
    MORE_THAN_ALL = "more_than_all"
    ANON_MORE_THAN_ALL = "anon_more_than_all"
    ANON_OF_ALL = "anon_of_all"
    SOMETHING_ELSE = "something_else"
    ALL_OF_IT = "all_of_it"
    IN_NO_TASK = "in_no_task"


@cause("tasks", step=4, place=1, reasons=Tasks)
def tasks(event: OomEvent, case: Case) -> None:
    """What the tasks hold, the largest first, and how much of the total that explains."""
    rows = event.report.tasks
    if not rows:
        _none(event, case)
        return
    if all(task.rss_pages is None for task in rows):
        case.says(Tasks.NO_SIZES, UNKNOWN, tasks=len(rows))
        return
    found, whole = account(event), _whole(event)
    held = sum(task.rss_pages or 0 for task in rows) * look.page_kb(event)
    case.says(Tasks.LISTED, tasks=len(rows), rss_kb=held, rss_percent=percent(held, whole),
              rss_of_kb=whole, largest=largest(event, rows, whole))
    tables = sum(task.pgtables_bytes or 0 for task in rows) // 1024
    if whole and tables * 20 >= whole:
        case.says(Tasks.PAGETABLES, pgtables_kb=tables)
    swapped = sum(task.swapents_pages or 0 for task in rows) * look.page_kb(event)
    if swapped:
        used = _swap_kb(event)
        case.says(Tasks.SWAPPED_OUT, swapents_kb=swapped,
                  swap_used_kb=used if used is not None and used < swapped else None)
    if whole:
        _explains(event, rows, held, whole, found, case)


def _swap_kb(event: OomEvent) -> Optional[int]:
    """All that is in swap, by the machine's own count."""
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    total, free = tail.get("total_swap_kb"), tail.get("free_swap_kb")
    return total - free if total is not None and free is not None else None


def _none(event: OomEvent, case: Case) -> None:
    if event.report.tasks is not None and not event.report.kills:
        case.says(Tasks.EMPTY, tasks=0)
    elif _switched_off(event):
        case.says(Tasks.NO_TABLE)
        case.means(Tasks.NOT_PRINTED, LIKELY)
    elif look.scope(event) is not None or event.report.kills:
        case.says(Tasks.NOT_SHOWN, UNKNOWN)


def _switched_off(event: OomEvent) -> bool:
    """Are the lines before and after the table neighbours in the log? Then the reader does not miss it."""
    return bool(event.origin.lines and event.report.kills and Part.TASKS not in event.origin.missing
                and event.report.trigger.comm is not None and event.trace.unprinted_reason is None)


def _whole(event: OomEvent) -> Optional[int]:
    found = account(event)
    memory = event.report.memcg.memory if event.report.memcg is not None else None
    return found.total_kb if found is not None else memory.usage_kb if memory is not None else None


def largest(event: OomEvent, rows: tuple[Task, ...], whole: Optional[int]) -> tuple[Process, ...]:
    """The three tasks that hold most, and which part of the whole that is."""
    size = look.page_kb(event)
    top = sorted(rows, key=lambda task: -(task.rss_pages or 0))[:3]
    held = (look.who(task, size) for task in top)
    return tuple(replace(one, percent=percent(one.kb or 0, whole)) for one in held)


def _cut(event: OomEvent) -> bool:
    return any(part in (Part.TASKS, Part.PART_OF_TASKS) for part in event.origin.missing)


def _lagging(event: OomEvent) -> bool:
    """Do the sizes of a process lack what each CPU has not handed in yet?"""
    version = look.version(event)
    return version is not None and eras.lagging_rss(version)


def _explains(event: OomEvent, rows: tuple[Task, ...], held: int, whole: int, found: Optional[Account],
              case: Case) -> None:
    """How much of the memory is in tasks. Resident pages may be shared, or charged elsewhere: an upper bound."""
    scope, sure = look.scope(event), LIKELY if _lagging(event) else CERTAIN
    if _cut(event):
        case.means(Tasks.NOT_COMPLETE, UNKNOWN)
        return
    if held * 20 > whole * 21:
        case.means(Tasks.MORE_THAN_ALL, scope=scope, tasks=len(rows))
        return
    free = found.part(Kind.FREE) if found is not None else 0
    outside = whole - free - held - sum(task.pgtables_bytes or 0 for task in rows) // 1024
    if held * 4 < whole <= outside * 2:
        _in_no_task(event, found, outside, sure, case)
        return
    anon, anon_kb = tasks_anon_kb(event), found.part(Kind.ANON, Kind.ANON_BEHIND) if found is not None else 0
    if anon_kb and anon is not None:
        beside = whole - free - anon - sum(task.pgtables_bytes or 0 for task in rows) // 1024
        if anon * 20 > anon_kb * 21:
            case.means(Tasks.ANON_MORE_THAN_ALL, scope=scope, tasks_anon_kb=anon, anon_kb=anon_kb)
            return
        case.means(Tasks.ANON_OF_ALL, tasks_anon_kb=anon, anon_kb=anon_kb)
        if beside * 4 >= whole:
            case.means(Tasks.SOMETHING_ELSE, sure, outside_kb=beside)
        return
    if held >= whole:
        case.means(Tasks.ALL_OF_IT, LIKELY, tasks=len(rows))
    elif outside * 4 >= whole:
        _in_no_task(event, found, outside, sure, case)


def _in_no_task(event: OomEvent, found: Optional[Account], outside: int, sure: str, case: Case) -> None:
    left = found.left_kb or 0 if found is not None else 0
    case.means(Tasks.IN_NO_TASK, sure, outside_kb=outside, outside=_outside(event, found, outside),
               not_accounted_kb=left if outside * 3 <= left * 4 <= outside * 4 else None,
               tasks=len(event.report.tasks or ()))


_IN_NO_TASK = (Kind.KERNEL, Kind.FILE, Kind.SHMEM, Kind.SLAB_RECLAIMABLE, Kind.SLAB_UNRECLAIMABLE, Kind.UNEVICTABLE,
               Kind.RAMFS, Kind.HUGETLB, Kind.SOCK, Kind.SWAPCACHE, Kind.KERNEL_STACKS)


def _outside(event: OomEvent, found: Optional[Account], outside: int) -> Optional[tuple[Size, ...]]:
    """The kinds of memory that it is, if what is counted of them makes up most of it. Shared memory that the victim
    had mapped is in tasks."""
    mapped = sum(kill.shmem_rss_kb or 0 for kill in event.report.kills[:1])
    parts = [part for part in found.parts if part.kind in _IN_NO_TASK and part.kb * 10 >= outside] if found else []
    parts = [part for part in parts if part.kind is not Kind.SHMEM or mapped * 4 < part.kb]
    if sum(part.kb for part in parts) * 4 < outside * 3:
        return None
    return tuple(Size(part.kind, part.kb) for part in sorted(parts, key=lambda part: -part.kb))
