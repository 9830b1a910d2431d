"""What follows from the lines of a report as a whole: its kind, whose memcg it is, what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import FrozenSet, List, Optional, Set, Tuple

from oomtrace.formats import ROWS, choose
from oomtrace.model import Frame, Line, Memcg, OomEvent

from .draft import Draft, build
from .items import Items
from .write import show

_BY_CONSTRAINT = {
    "CONSTRAINT_MEMCG": "memcg",
    "CONSTRAINT_CPUSET": "cpuset",
    "CONSTRAINT_MEMORY_POLICY": "mempolicy",
}


def finished(draft: Draft, lines: Tuple[Line, ...], seen: FrozenSet[str]) -> OomEvent:
    """The event, with lines that print exactly what the log had. ``seen``: the kinds of line that there were."""
    event = build(draft, source="log")
    kind = _kind(event)
    event = replace(event, kind=kind, memcg=_memcg(event, kind),
                    victim_memcg=event.victim_memcg or (event.summary.task_memcg if event.summary else None))
    event = replace(event, lines=_exact(event, lines))
    return replace(event, missing=_missing(event, seen))


def _exact(event: OomEvent, lines: Tuple[Line, ...]) -> Tuple[Line, ...]:
    """A line keeps its text only if no row reads it, or if the event as a whole would not print it again."""
    items = Items(event)
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


def _kind(event: OomEvent) -> Optional[str]:
    if event.kind is not None:
        return event.kind
    if event.trigger.order == -1:
        return "sysrq"
    words = [kill.message for kill in event.kills] + [event.verdict.message if event.verdict else None]
    if event.memcg is not None and (event.memcg.memory or event.memcg.stats or event.memcg.path):
        return "memcg"
    summary = event.summary
    if summary is not None and summary.oom_memcg is not None:  # 5.0 says CONSTRAINT_NONE of these too
        return "memcg"
    if summary is not None and summary.constraint is not None:
        return _BY_CONSTRAINT.get(summary.constraint, "global")
    if any(word == "Memory cgroup out of memory" for word in words):
        return "memcg"
    called = _called(event)
    if called is not None:
        return called
    if event.meminfo is not None or event.panic is not None or any(word is not None for word in words):
        return "global"
    return None


def _called(event: OomEvent) -> Optional[str]:
    """What the call trace tells: who called out_of_memory()."""
    names = {entry.symbol.split(".")[0] for entry in (event.stack.entries if event.stack is not None else ())
             if isinstance(entry, Frame) and entry.symbol is not None and entry.reliable}
    if "moom_callback" in names:
        return "sysrq"
    if names & {"mem_cgroup_out_of_memory", "mem_cgroup_oom_synchronize"}:
        return "memcg"
    return "global" if any(name.startswith("__alloc_pages") for name in names) else None


def _memcg(event: OomEvent, kind: Optional[str]) -> Optional[Memcg]:
    """The memcg with the path and version that other lines tell."""
    if kind != "memcg":
        return event.memcg
    memcg = event.memcg or Memcg()
    path = memcg.path or (event.summary.oom_memcg if event.summary else None)
    if path is None and memcg.stats and memcg.stats[0].unit == "bytes":
        path = memcg.stats[0].path
    version = memcg.version
    if version is None and memcg.swap is not None:
        version = 2
    elif version is None and memcg.memsw is not None and event.summary is not None:
        version = 1  # 5.3+: one of the two lines. Before that cgroup v2 had the lines of v1.
    memcg = replace(memcg, path=path, version=version)
    return None if memcg == Memcg() else memcg


# What an OOM's report has, by the kinds of line that show it. The kernel may have printed less (vm.oom_dump_tasks=0).
_PARTS: Tuple[Tuple[str, FrozenSet[str]], ...] = (
    ("first line", frozenset(["invoked"])),
    ("CPU line", frozenset(["cpu"])),
    ("call trace", frozenset(["frame", "call_trace"])),
    ("memory cgroup usage", frozenset(["usage_memory"])),
    ("memory cgroup statistics", frozenset(["stats_line", "stat", "stat_line"])),
    ("Mem-Info", frozenset(["counters"])),
    ("task table", frozenset(["task", "tasks_head"])),
    ("oom-kill line", frozenset(["summary_memcg", "summary_global", "summary_plain"])),
    ("Kill process line", frozenset(["verdict"])),
    ("Killed process line", frozenset(["killed", "exiting"])),
)
_NOT_GLOBAL = frozenset(["memory cgroup usage", "memory cgroup statistics"])
_NOT_MEMCG = frozenset(["Mem-Info"])
_VICTIM = frozenset(["oom-kill line", "Kill process line", "Killed process line"])


def _missing(event: OomEvent, seen: FrozenSet[str]) -> Tuple[str, ...]:
    """The parts that this kernel prints of such an OOM, and that the log has not."""
    dialect = choose(event.machine.release, event.machine.package)
    found: List[str] = []
    for part, kinds in _PARTS:
        if kinds & seen or part in (_NOT_MEMCG if event.kind == "memcg" else _NOT_GLOBAL):
            continue
        if event.kind is None and part in _NOT_MEMCG | _NOT_GLOBAL:
            continue
        if dialect is not None and not kinds & set(dialect.rows):
            continue
        if part in _VICTIM and (event.no_killable or event.panic or event.sysrq_ignored):
            continue
        if part == "Kill process line" and (dialect is None or event.exiting):
            continue
        if part == "oom-kill line" and dialect is None and event.verdict is not None:
            continue
        if part == "task table" and _table_switched_off(event):
            continue
        found.append(part)
    if event.tasks and event.kills and not _victims(event) & {task.pid for task in event.tasks}:
        found.append("part of the task table")
    return tuple(found)


def _victims(event: OomEvent) -> Set[int]:
    pids = {kill.pid for kill in event.kills}
    pids |= {event.summary.pid} if event.summary is not None and event.summary.pid is not None else set()
    return pids | ({event.verdict.pid} if event.verdict is not None else set())


_BEFORE_TABLE = frozenset([
    "stats_line", "stat", "stat_line", "protection", "slab", "hwpoisoned", "cma", "reserved", "allocation",
])
_AFTER_TABLE = frozenset([
    "summary_memcg", "summary_global", "summary_plain", "verdict", "killed", "no_killable", "panic",
])


def _table_switched_off(event: OomEvent) -> bool:
    """vm.oom_dump_tasks=0: what stands before and after the table are neighbours in the log."""
    kinds = [ROWS[line.row].kind if line.row is not None else "" for line in event.lines]
    after = next((number for number, kind in enumerate(kinds) if kind in _AFTER_TABLE), 0)
    if not after or kinds[after - 1] not in _BEFORE_TABLE:
        return False
    return event.lines[after].number - event.lines[after - 1].number <= 1
