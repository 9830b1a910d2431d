"""What follows from the lines of a report as a whole: its kind, whose memcg it is, what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import FrozenSet, List, Optional, Set, Tuple

from oomtrace.formats import ROWS, arch_of, choose
from oomtrace.history import constraints
from oomtrace.model import Frame, Line, Memcg, OomEvent, Origin, Part, Report, Summary

from .draft import Draft, build
from .items import Items
from .write import show


def finished(draft: Draft, lines: Tuple[Line, ...], seen: FrozenSet[str]) -> OomEvent:
    """The event, with lines that print exactly what the log had. ``seen``: the kinds of line that there were."""
    report = build(draft)
    kind = _kind(report)
    task_memcg = report.summary.task_memcg if report.summary else None
    rows = [ROWS[line.row] for line in lines if line.row is not None]
    machine = replace(report.machine, arch=arch_of(report.machine.release, rows))
    report = replace(report, machine=machine, memcg=_memcg(report, kind),
                     victim_memcg=report.victim_memcg or task_memcg, sysrq=kind == constraints.SYSRQ)
    exact = _exact(report, lines)
    return OomEvent(kind, report, origin=Origin("log", exact, _missing(kind, report, exact, seen)))


def _exact(report: Report, lines: Tuple[Line, ...]) -> Tuple[Line, ...]:
    """A line keeps its text only if no row reads it, or if the event as a whole would not print it again."""
    items = Items(report)
    exact = []
    for line in lines:
        row = ROWS.get(line.row or "")
        if row is None:
            exact.append(line)
        elif show(row, items, line.index) == line.text:
            exact.append(Line(line.number, line.row, line.index, None, line.time_ns, line.prefix))
        else:
            exact.append(replace(line, row=None, index=None))
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
    path = memcg.path or (report.summary.oom_memcg if report.summary else None)
    if path is None and memcg.stats and memcg.stats[0].unit == "bytes":
        path = memcg.stats[0].path
    version = memcg.version
    if version is None and memcg.swap is not None:
        version = 2
    elif version is None and memcg.memsw is not None and report.summary is not None:
        version = 1  # 5.3+: one of the two lines. Before that cgroup v2 had the lines of v1.
    memcg = replace(memcg, path=path, version=version)
    return None if memcg == Memcg() else memcg


# What an OOM's report has, by the kinds of line that show it. The kernel may have printed less (vm.oom_dump_tasks=0).
_PARTS: Tuple[Tuple[Part, FrozenSet[str]], ...] = (
    (Part.FIRST_LINE, frozenset(["invoked"])),
    (Part.CPU_LINE, frozenset(["cpu"])),
    (Part.CALL_TRACE, frozenset(["frame", "call_trace"])),
    (Part.MEMCG_USAGE, frozenset(["usage_memory"])),
    (Part.MEMCG_STATS, frozenset(["stats_line", "stat", "stat_line"])),
    (Part.MEMINFO, frozenset(["counters"])),
    (Part.TASKS, frozenset(["task", "tasks_head"])),
    (Part.SUMMARY, frozenset(["summary_memcg", "summary_global", "summary_plain"])),
    (Part.VERDICT, frozenset(["verdict"])),
    (Part.KILL, frozenset(["killed", "exiting"])),
)
_NOT_GLOBAL = frozenset([Part.MEMCG_USAGE, Part.MEMCG_STATS])
_NOT_MEMCG = frozenset([Part.MEMINFO])
_VICTIM = frozenset([Part.SUMMARY, Part.VERDICT, Part.KILL])


def _missing(kind: Optional[str], report: Report, lines: Tuple[Line, ...], seen: FrozenSet[str]) -> Tuple[Part, ...]:
    """The parts that this kernel prints of such an OOM, and that the log has not."""
    dialect = choose(report.machine.release, report.machine.package)
    found: List[Part] = []
    for part, kinds in _PARTS:
        if kinds & seen or part in (_NOT_MEMCG if kind == "memcg" else _NOT_GLOBAL):
            continue
        if kind is None and part in _NOT_MEMCG | _NOT_GLOBAL:
            continue
        if dialect is not None and not kinds & set(dialect.rows):
            continue
        if part in _VICTIM and (report.no_killable or report.panic or report.sysrq_ignored):
            continue
        if part == Part.VERDICT and (dialect is None or report.exiting):
            continue
        if part == Part.SUMMARY and dialect is None and report.verdict is not None:
            continue
        if part == Part.TASKS and _table_switched_off(lines):
            continue
        found.append(part)
    if report.tasks and report.kills and not _victims(report) & {task.pid for task in report.tasks}:
        found.append(Part.PART_OF_TASKS)
    return tuple(found)


def _victims(report: Report) -> Set[int]:
    pids = {kill.pid for kill in report.kills}
    pids |= {report.summary.pid} if report.summary is not None and report.summary.pid is not None else set()
    return pids | ({report.verdict.pid} if report.verdict is not None else set())


_BEFORE_TABLE = frozenset([
    "stats_line", "stat", "stat_line", "protection", "slab", "hwpoisoned", "cma", "reserved", "allocation",
])
_AFTER_TABLE = frozenset([
    "summary_memcg", "summary_global", "summary_plain", "verdict", "killed", "no_killable", "panic",
])


def _table_switched_off(lines: Tuple[Line, ...]) -> bool:
    """vm.oom_dump_tasks=0: what stands before and after the table are neighbours in the log."""
    kinds = [ROWS[line.row].kind if line.row is not None else "" for line in lines]
    after = next((number for number, kind in enumerate(kinds) if kind in _AFTER_TABLE), 0)
    if not after or kinds[after - 1] not in _BEFORE_TABLE:
        return False
    return lines[after].number - lines[after - 1].number <= 1
