"""What the full memory consisted of: one bar by kind, one of its anonymous part by process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import Task
from oomtrace.why import Amount, Kind, Reason, witnessed
from oomtrace.why.units import human, plural, share

from .case import PageCase, who
from .svg import Segment, bar

_PROCESSES = 6
_FILES = 6
# Each kind of memory has one colour on every page.
_LOOKS: Mapping[Reason, str] = {
    Kind.ANON: "c-anon",
    Kind.ANON_BEHIND: "c-anon",
    Kind.ANON_OR_SHMEM: "c-anon",
    Kind.FILE: "c-file",
    Kind.FILE_OR_SHMEM: "c-file",
    Kind.SHMEM: "c-shmem",
    Kind.KERNEL: "c-kernel",
    Kind.SLAB_UNRECLAIMABLE: "c-kernel",
    Kind.SLAB_RECLAIMABLE: "c-slab",
    Kind.PAGETABLES: "c-tables",
    Kind.KERNEL_STACKS: "c-tables",
    Kind.SOCK: "c-sock",
    Kind.UNEVICTABLE: "c-other",
    Kind.HUGETLB: "c-huge",
    Kind.FREE: "c-free",
    Kind.NOT_ACCOUNTED: "c-unknown",
}
# The kernel's memory by kind, with its names in memory.stat (mm/memcontrol.c, memory_stats).
_KERNEL: tuple[tuple[str, str], ...] = (
    ("slab_unreclaimable", "slab, unreclaimable"), ("slab_reclaimable", "slab, reclaimable"),
    ("pagetables", "page tables"), ("sec_pagetables", "page tables of other MMUs"), ("kernel_stack", "kernel stacks"),
    ("percpu", "per-CPU"), ("vmalloc", "vmalloc"),
)


@dataclass(frozen=True)
class CompositionRow:
    """One piece of a bar in words. ``within`` is what it is a part of."""

    key: str
    look: str
    name: str
    kb: int
    size: str
    part: str
    within: bool = False


@dataclass(frozen=True)
class Composition:
    """The bars and the tables beside them. ``of``: of what, in words."""

    picture: Markup
    rows: tuple[CompositionRow, ...]
    processes: Optional[Markup] = None
    process_rows: tuple[CompositionRow, ...] = ()
    note: str = ""


def composition(case: PageCase) -> Optional[Composition]:
    """None if the source has no statistics."""
    amounts = [amount for amount in case.found.amounts if amount.kb > 0]
    whole = sum(amount.kb for amount in amounts)
    if not whole:
        return None
    rows, segments, start = [], [], 0.0
    for number, amount in enumerate(_in_order(amounts)):
        row = _row(f"k{number}", _LOOKS.get(amount.kind, "c-other"), amount.name, amount.kb, whole)
        rows.append(row)
        segments.append(Segment(start, amount.kb / whole, row.look, f"{row.name}: {row.size}, {row.part}", row.key))
        start += amount.kb / whole
        rows += _kernel(case, whole) if amount.kind is Kind.KERNEL else []
        rows += _files(case, whole) if amount.kind is Kind.SHMEM else []
    label = "What filled it: " + ", ".join(f"{row.name} {row.part}" for row in rows if not row.within)
    picture = bar(segments, (), label, height=28)
    processes, process_rows, note = _processes(case)
    return Composition(picture, tuple(rows), processes, process_rows, note)


def _in_order(amounts: list[Amount]) -> list[Amount]:
    """The largest first; what is free, and what nobody knows, at the end."""
    last: list[Reason] = [Kind.FREE, Kind.NOT_ACCOUNTED]
    return sorted(amounts, key=lambda amount: (last.index(amount.kind) + 1 if amount.kind in last else 0, -amount.kb))


def _row(key: str, look: str, name: str, kb: int, whole: int, within: bool = False) -> CompositionRow:
    return CompositionRow(key, look, name, kb, human(kb), share(kb, whole), within)


def _kernel(case: PageCase, whole: int) -> list[CompositionRow]:
    """What is known of the kernel's own memory."""
    memcg = case.event.report.memcg
    stats = memcg.stats[0] if memcg is not None and memcg.stats and memcg.stats[0].unit == "bytes" else None
    found = [(name, stats.values.get(key, 0) // 1024) for key, name in _KERNEL] if stats is not None else []
    return [_row("", "", name, kb, whole, True) for name, kb in sorted(found, key=lambda one: -one[1]) if kb]


def _files(case: PageCase, whole: int) -> list[CompositionRow]:
    """The largest files of tmpfs and shared memory, where a look has found them."""
    shared = witnessed.shared(case.event)
    files = shared.files[:_FILES] if shared is not None else ()
    return [_row("", "", file.name, file.kb, whole, True) for file in files if file.kb]


def _processes(case: PageCase) -> tuple[Optional[Markup], tuple[CompositionRow, ...], str]:
    """What was resident of which process: anonymous memory where the source has it apart, all of it elsewhere."""
    tasks = case.event.report.tasks or tuple(candidate.task for candidate in case.event.trace.candidates)
    one_each = list({task.tgid if task.tgid is not None else task.pid: task for task in tasks}.values())
    apart = bool(one_each) and all(task.rss_anon_pages is not None for task in one_each)
    held = sorted(((_kb(case, task, apart), task) for task in one_each), key=lambda pair: -pair[0])
    held = [pair for pair in held if pair[0]]
    whole = sum(kb for kb, _ in held)
    if len(held) < 2 or not whole:
        return None, (), ""
    rows, segments, start = [], [], 0.0
    for number, (kb, task) in enumerate(held[:_PROCESSES]):
        name = who(task.pid, task.comm)
        colour = "c-victim" if case.look_of(task.pid) == "victim" else f"p{number % 6}"
        rows.append(_row(f"p{number}", colour, name, kb, whole))
    rest = held[_PROCESSES:]
    if rest:
        rows.append(_row("rest", "c-other", plural(len(rest), "other"), sum(kb for kb, _ in rest), whole))
    for row in rows:
        segments.append(Segment(start, row.kb / whole, row.look, f"{row.name}: {row.size}, {row.part}", row.key))
        start += row.kb / whole
    what = "anonymous memory" if apart else "resident memory"
    label = f"The {what} of {plural(len(held), 'process', 'processes')}: " + _in_words(rows)
    note = (f"{what.capitalize()} of {plural(len(held), 'process', 'processes')}, together {human(whole)}. "
            "What processes share is counted once for each of them.")
    return bar(segments, (), label, height=20), tuple(rows), note


def _kb(case: PageCase, task: Task, apart: bool) -> int:
    return ((task.rss_anon_pages if apart else task.rss_pages) or 0) * case.page_kb


def _in_words(rows: list[CompositionRow]) -> str:
    return ", ".join(f"{row.name} {row.part}" for row in rows)
