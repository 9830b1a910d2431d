"""What follows from the lines of a report as a whole: its kind, whose memcg it is, what is missing."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Optional

from oomtrace.formats import KINDS, RANK, ROWS, Dialect, Kind, arch_of, choose
from oomtrace.history import constraints
from oomtrace.history.limits import PAGE_SIZES_KB
from oomtrace.model import Frame, Line, Memcg, MemInfo, OomEvent, Origin, Part, Report, Summary, Task

from .draft import Draft, build
from .items import Items
from .write import show


def finished(draft: Draft, lines: tuple[Line, ...], seen: frozenset[str], cut: AbstractSet[str] = frozenset()
             ) -> OomEvent:
    """The event, with lines that print exactly what the log had. ``seen``: the kinds of line that there were; ``cut``:
    the parts (``Kind.part``) of which something is certainly missing."""
    report = _named(build(draft))
    kind = _kind(report)
    task_memcg = report.summary.task_memcg if report.summary else None
    rows = [ROWS[key] for key in {line.row for line in lines} if key is not None]
    machine = replace(report.machine, arch=arch_of(report.machine.release, rows), page_kb=_page_kb(report))
    report = replace(report, machine=machine, memcg=_memcg(report, kind),
                     victim_memcg=report.victim_memcg or task_memcg, sysrq=kind == constraints.SYSRQ)
    exact = _exact(report, lines)
    return OomEvent(kind, report, origin=Origin("log", exact, _missing(kind, report, exact, seen, cut)))


def _named(report: Report) -> Report:
    """With the names of tasks whose rows are cut before them, where other lines have them. A table without rows is
    none: where somebody was killed, there was one."""
    if not report.tasks:
        nobody = not report.kills and report.summary is None and (report.no_killable or report.panic is not None)
        return report if report.tasks is None or nobody else replace(report, tasks=None)
    if all(task.comm for task in report.tasks):
        return report
    names = {kill.pid: kill.comm for kill in report.kills}
    if report.summary is not None and report.summary.pid is not None:
        names.setdefault(report.summary.pid, report.summary.task or "")
    return replace(report, tasks=tuple(
        task if task.comm else replace(task, comm=names.get(task.pid, "")) for task in report.tasks))


def _exact(report: Report, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """A line keeps its text only if no row reads it, or if the event as a whole would not print it again."""
    items = Items(report)
    exact = list(lines)
    for at, line in enumerate(lines):
        row = ROWS.get(line.row or "") if line.text is not None else None
        if row is None:
            continue
        if show(row, items, line.item) == line.text:
            exact[at] = line._replace(text=None)
        else:
            exact[at] = line._replace(row=None, item=None)
    return tuple(exact)


def _kind(report: Report) -> Optional[str]:
    """What had no memory left, from what is there of the report: the surest lines first."""
    order = constraints.SYSRQ_ORDER if report.sysrq else report.trigger.order
    memcg, summary = report.memcg, report.summary or Summary()
    known = constraints.kind_of(
        summary.constraint, order=order,
        memcg=summary.oom_memcg is not None or bool(memcg and (memcg.memory or memcg.stats or memcg.path)),
    )
    if known is not None:
        return known
    said = [each.message for each in (*report.kills, report.verdict) if each is not None and each.message is not None]
    if constraints.MEMCG_MESSAGE in said:
        return constraints.MEMCG
    rest = constraints.GLOBAL if report.meminfo is not None or report.panic is not None or said else None
    return _called(report) or rest


def _called(report: Report) -> Optional[str]:
    """What the call trace tells: who called out_of_memory(). A charge within a page allocation comes first."""
    frames = (entry for entry in (report.stack.entries if report.stack is not None else ())
              if isinstance(entry, Frame) and entry.symbol is not None and entry.reliable)
    found = (constraints.kind_of_caller(frame.symbol or "") for frame in frames)
    return next((kind for kind in found if kind is not None), None)


def _memcg(report: Report, kind: Optional[str]) -> Optional[Memcg]:
    """The memcg with the path and version that other lines tell."""
    if kind != constraints.MEMCG:
        return report.memcg
    memcg = report.memcg or Memcg()
    path = _completed(memcg.path, memcg, report) or (report.summary.oom_memcg if report.summary else None)
    if path is None and memcg.stats and memcg.stats[0].unit == "bytes":
        path = memcg.stats[0].path
    version = memcg.version
    if version is None and memcg.swap is not None:
        version = 2
    elif version is None and memcg.memsw is not None and report.summary is not None:
        version = 1  # 5.3+: one of the two lines. Before that cgroup v2 had the lines of v1.
    memcg = replace(memcg, path=path, version=version)
    return None if memcg == Memcg() else memcg


def _completed(path: Optional[str], memcg: Memcg, report: Report) -> Optional[str]:
    """The limit's path, where its line is cut. It is the path of the task's memcg or of one above it, so that it ends
    where a name does."""
    if path is None or path == "/":
        return path
    for whole in [stats.path for stats in memcg.stats] + [report.victim_memcg]:
        if whole is not None and " " not in whole and path.replace(" ", "") == whole:
            return whole  # broken where there was no blank, and joined with one
        if whole is not None and whole.startswith(path) and whole[len(path):len(path) + 1] not in ("", "/"):
            return whole if "/" not in whole[len(path):] else None
    return path


_POWERPC = re.compile(r"ppc64le|powerpc64le|ppc64el")
_PAGES = re.compile(r"[+_.-](4|16|64)k(?:$|[.+_-])")


def _page_kb(report: Report) -> int:
    """The size of a page: by the smallest block of free memory, by what the victim or Mem-Info has in pages and in kB,
    by the kernel's name, or by page tables; 4 kB where nothing tells."""
    blocks = [zone.buddy[0][1] for zone in (report.meminfo.zones if report.meminfo else ()) if zone.buddy]
    if blocks:
        return blocks[0]
    sizes = {kill.pid: kill.total_vm_kb for kill in report.kills if kill.total_vm_kb}
    for task in report.tasks or ():
        if task.pid in sizes and task.total_vm_pages and (sizes[task.pid] or 0) % task.total_vm_pages == 0:
            found = (sizes[task.pid] or 0) // task.total_vm_pages
            if found in PAGE_SIZES_KB:
                return found
    named = _PAGES.search(report.machine.release or "")
    if named is not None:
        return int(named.group(1))
    counted = _page_kb_of_counters(report.meminfo) if report.meminfo is not None else None
    if counted is None and _POWERPC.search(report.machine.release or "") is not None:
        return 64  # of each distribution for little-endian powerpc
    return counted or _page_kb_of_tables(report.tasks or ()) or report.machine.page_kb


def _page_kb_of_counters(meminfo: MemInfo) -> Optional[int]:
    """By the largest counter that the machine has in pages and its nodes have in kB: both are read a moment apart."""
    both = [(meminfo.counters[f"{name}_pages"], sum(node.counters.get(f"{name}_kb", 0) for node in meminfo.nodes))
            for name in ("active_anon", "inactive_anon", "active_file", "inactive_file")
            if meminfo.counters.get(f"{name}_pages")]
    pages, kb = max(both, default=(0, 0))
    return next((size for size in PAGE_SIZES_KB if abs(size * pages - kb) * 50 < kb), None)


def _page_kb_of_tables(tasks: tuple[Task, ...]) -> Optional[int]:
    """Larger than 4 kB if the page tables of all tasks are made of larger pages, and that is no chance."""
    sizes = [task.pgtables_bytes for task in tasks if task.pgtables_bytes]
    for size, least in ((64, 4), (16, 8)):
        if len(sizes) >= least and not any(bytes % (size * 1024) for bytes in sizes):
            return size
    return None


# The kinds of line that show that a part is there, in printed order.
_SHOWING: dict[Part, list[Kind]] = {}
for _each in KINDS.values():
    if _each.missing:
        _SHOWING.setdefault(Part(_each.missing), []).append(_each)
_OF_VICTIM = frozenset([Part.SUMMARY, Part.VERDICT, Part.KILL])


# What is said of a part of which something was left out.
_CUT = {"stack": Part.PART_OF_CALL_TRACE, "stats": Part.PART_OF_MEMCG_STATS, "meminfo": Part.PART_OF_MEMINFO,
        "slab": Part.SLAB, "tasks": Part.PART_OF_TASKS}


def _missing(kind: Optional[str], report: Report, lines: tuple[Line, ...], seen: frozenset[str], cut: AbstractSet[str]
             ) -> tuple[Part, ...]:
    """The parts that this kernel prints of such an OOM, and that the log has not."""
    dialect = choose(report.machine.release, report.machine.package)
    found = [part for part, kinds in _SHOWING.items()
             if not any(each.name in seen for each in kinds) and any(_printed(each, kind, dialect) for each in kinds)
             and not _excused(part, report, dialect, lines)]
    if report.tasks and report.kills and not _victims(report) & {task.pid for task in report.tasks}:
        found.append(Part.PART_OF_TASKS)
    parts = [_CUT[part] for part in sorted(cut) if part in _CUT]
    if report.tasks and "tasks_head" not in seen:
        found.append(Part.PART_OF_TASKS)
    if report.tasks is None and "tasks_head" in seen and Part.TASKS not in found:
        found.append(Part.TASKS)
    if kind != constraints.MEMCG and report.meminfo is not None and not _whole(report.meminfo, dialect):
        parts.append(Part.PART_OF_MEMINFO)
    return tuple(dict.fromkeys(found + [part for part in parts if _WHOLE.get(part, part) not in found]))


_WHOLE = {Part.PART_OF_TASKS: Part.TASKS, Part.PART_OF_MEMINFO: Part.MEMINFO,
          Part.PART_OF_MEMCG_STATS: Part.MEMCG_STATS, Part.PART_OF_CALL_TRACE: Part.CALL_TRACE}
# What Mem-Info has on every kernel since 2.6.32: of each of its lines one counter.
_COUNTERS = ("active_anon_pages", "active_file_pages", "unevictable_pages", "slab_reclaimable_pages", "mapped_pages",
             "free_pages")


def _whole(meminfo: MemInfo, dialect: Optional[Dialect]) -> bool:
    """Has Mem-Info all of its parts: the counters, the zones and their lists, the sums?"""
    if not all(counter in meminfo.counters for counter in _COUNTERS):
        return not meminfo.counters  # which is told as all of it
    zones = [zone for zone in meminfo.zones if zone.counters]
    return bool(zones) and any(zone.buddy for zone in meminfo.zones) and "ram_pages" in meminfo.tail


def _printed(line: Kind, kind: Optional[str], dialect: Optional[Dialect]) -> bool:
    """Does the kernel print such a line of that kind of OOM?"""
    side = kind if kind in (None, constraints.MEMCG) else constraints.GLOBAL
    return line.side in ("", side) and (dialect is None or line.name in dialect.rows)


def _excused(part: Part, report: Report, dialect: Optional[Dialect], lines: tuple[Line, ...]) -> bool:
    """Is there a reason why this report does not have the part? The kernel may have printed less than it can."""
    if part in _OF_VICTIM and (report.no_killable or report.panic or report.sysrq_ignored):
        return True  # nobody was killed
    if part == Part.VERDICT:
        return dialect is None or report.exiting is not None
    if part == Part.SUMMARY:
        return dialect is None and report.verdict is not None  # which this line replaced
    return part == Part.TASKS and _table_switched_off(lines)


def _victims(report: Report) -> set[int]:
    pids = {kill.pid for kill in report.kills}
    pids |= {report.summary.pid} if report.summary is not None and report.summary.pid is not None else set()
    return pids | ({report.verdict.pid} if report.verdict is not None else set())


def _table_switched_off(lines: tuple[Line, ...]) -> bool:
    """vm.oom_dump_tasks=0: what stands before and after the table are neighbours in the log."""
    kinds = [KINDS[ROWS[line.row].kind] if line.row is not None else None for line in lines]
    after = next((number for number, kind in enumerate(kinds) if kind and RANK[kind.name] > RANK["task"]), 0)
    before = kinds[after - 1] if after else None
    return before is not None and before.closes and lines[after].number - lines[after - 1].number <= 1
