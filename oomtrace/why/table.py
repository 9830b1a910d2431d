"""Step 4: the task table: who holds the memory, and how much of it no task does."""

from __future__ import annotations

from typing import List, Optional, Tuple

from oomtrace.history import eras
from oomtrace.model import OomEvent, Task

from . import look
from .account import ANON, FREE, Account, account
from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Finding, facts
from .units import exact, human, percent, plural, share

_TITLE = "tasks"


def tasks(event: OomEvent) -> Optional[Finding]:
    """What the tasks hold, the largest first, and how much of the total that explains."""
    rows = event.report.tasks
    if rows is None or not rows:
        if look.scope(event) is None and not event.report.kills:
            return None
        return _none(event)
    size = look.page_kb(event)
    found = account(event)
    memory = event.report.memcg.memory if event.report.memcg is not None else None
    whole = found.total_kb if found is not None else memory.usage_kb if memory is not None else None
    top = sorted(rows, key=lambda task: -(task.rss_pages or 0))
    held = sum(task.rss_pages or 0 for task in rows) * size
    sentence = f"{plural(len(rows), 'task')}, resident {exact(held)}"
    sentence += f", {share(held, whole)} of it" if whole else ""
    sentence += ": " + "; ".join(_said(task, size, whole) for task in top[:3])
    tables = sum(task.pgtables_bytes or 0 for task in rows) // 1024
    if whole and tables * 20 >= whole:
        sentence += f"; their page tables {exact(tables)}"
    swapped = sum(task.swapents_pages or 0 for task in rows) * size
    if swapped:
        sentence += f"; swapped out {exact(swapped)}"
    interpretation, confidence = _explains(rows, held, size, whole, found, event)
    evidence = facts(tasks=len(rows), rss_kb=held, rss_percent=percent(held, whole), swapents_kb=swapped)
    return Finding("tasks", 4, _TITLE, sentence + ".", evidence + _rows(top, size, whole), interpretation, confidence)


def _none(event: OomEvent) -> Finding:
    if event.report.tasks is not None:
        return Finding("tasks", 4, _TITLE, "The task table is empty.", facts(tasks=0))
    return Finding("tasks", 4, _TITLE, "Not in the source: task table.", confidence=UNKNOWN,
                   interpretation="Without it who holds the memory is unknown.")


def _cut(event: OomEvent) -> bool:
    return any("task table" in part for part in event.origin.missing)


def _lagging(event: OomEvent) -> bool:
    """Do the sizes of a process lack what each CPU has not handed in yet?"""
    version = look.version(event)
    return version is not None and eras.lagging_rss(version)


def _said(task: Task, size: int, whole: Optional[int]) -> str:
    kb = (task.rss_pages or 0) * size
    return f"{look.who(task.pid, task.comm)} {human(kb)} {share(kb, whole)}".rstrip()


def _rows(top: List[Task], size: int, whole: Optional[int]) -> Tuple[Fact, ...]:
    values: List[Fact] = []
    for task in top[:5]:
        kb = (task.rss_pages or 0) * size
        values.append(Fact(f"{look.who(task.pid, task.comm)} rss_kb", kb))
        if whole:
            values.append(Fact(f"{look.who(task.pid, task.comm)} percent", percent(kb, whole)))
    return tuple(values)


def _explains(rows: Tuple[Task, ...], held: int, size: int, whole: Optional[int],
              found: Optional[Account], event: OomEvent) -> Tuple[Optional[str], str]:
    """How much of the memory is in tasks. Resident pages may be shared, or charged elsewhere: an upper bound."""
    if not whole:
        return None, CERTAIN
    if _cut(event):
        return "The table is not complete.", UNKNOWN
    free = found.part(FREE) if found is not None else 0
    if held * 20 > whole * 21:
        return _more_than_all(look.scope(event)), CERTAIN
    anon_rows = [task.rss_anon_pages for task in rows if task.rss_anon_pages is not None]
    if found is not None and len(anon_rows) == len(rows) and found.part(ANON):
        anon = sum(anon_rows) * size
        if anon * 20 > found.part(ANON) * 21:
            said = f"Their anonymous pages add up to {human(anon)}, more than the {human(found.part(ANON))} there are"
            return _more_than_all(look.scope(event), said), CERTAIN
        outside = whole - free - anon
        said = f"The tasks' anonymous pages are {human(anon)} of {human(found.part(ANON))}."
        if outside * 4 >= whole:
            said += f" {human(outside)} is something else: file cache, tmpfs or kernel memory."
        return (said, LIKELY) if _lagging(event) and outside * 4 >= whole else (said, CERTAIN)
    if held >= whole:
        return "That is all of it; pages that tasks share count for each of them.", LIKELY
    outside = whole - free - held - sum(task.pgtables_bytes or 0 for task in rows) // 1024
    if outside * 4 >= whole:
        said = f"{exact(outside)} is in no listed task: file cache, tmpfs, kernel memory, or tasks not listed."
        return (said, LIKELY) if _lagging(event) else (said, CERTAIN)
    return None, CERTAIN


def _more_than_all(scope: Optional[str], said: str = "That is more than all of it") -> str:
    """A page counts for each task that has mapped it, wherever it is and whichever memcg it is charged to."""
    elsewhere = {"memcg": "charged to other memory cgroups", "cpuset": "on other nodes", "mempolicy": "on other nodes"}
    more = f", and pages {elsewhere[scope]} count too" if scope in elsewhere else ""
    return f"{said}: pages that tasks share count for each of them{more}."
