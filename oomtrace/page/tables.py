"""Tables of many rows: the first of them as HTML, all of them as data for the page's script."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Callable, Optional, Union

from markupsafe import Markup

from oomtrace.escape import escaped
from oomtrace.model import Memcg, MemInfo, Task
from oomtrace.why import look
from oomtrace.why.units import human

from .case import PageCase
from .engine import SHOWN
from .svg import text

Value = Union[int, str, None]


@dataclass(frozen=True)
class Column:
    """``kind``: "text", "path", "number", or "kb" for a size. ``hint`` says what a term of the kernel's means."""

    title: str
    kind: str
    hint: str = ""


@dataclass(frozen=True)
class PageTable:
    """``looks`` is the class of each row. ``grouped``: the column whose equal values may stand together, their sizes
    added up."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    looks: tuple[str, ...]
    grouped: Optional[int] = None

    @property
    def body(self) -> Markup:
        """The first rows."""
        kinds = [column.kind for column in self.columns]
        return Markup("".join(_row(kinds, row, look) for row, look in zip(self.rows[:SHOWN], self.looks)))

    @property
    def rest(self) -> str:
        """All rows, packed, if not all are shown: columns of values, and the looks."""
        if len(self.rows) <= SHOWN:
            return ""
        columns = [[_plain(row[number]) for row in self.rows] for number in range(len(self.columns))]
        return packed(json.dumps({"columns": columns, "looks": self.looks}, separators=(",", ":")))


def packed(words: str) -> str:
    """Deflated (zlib), as base64: nothing in it can end a script element."""
    return base64.b64encode(zlib.compress(words.encode("utf-8", "backslashreplace"), 6)).decode()


def _plain(value: Value) -> Value:
    return escaped(value) if isinstance(value, str) else value


def _row(kinds: list[str], row: tuple[Value, ...], look: str) -> str:
    cells = "".join(_CELLS[kind](value) for kind, value in zip(kinds, row))
    return f'<tr class="{look}">{cells}</tr>' if look else f"<tr>{cells}</tr>"


def _size(value: Value) -> str:
    return f'<td class="n" data-v="{value}">{human(value)}</td>' if isinstance(value, int) else "<td></td>"


def _number(value: Value) -> str:
    return f'<td class="n">{value}</td>' if value is not None else "<td></td>"


def _words(value: Value) -> str:
    return f"<td>{text(value)}</td>" if isinstance(value, str) else "<td></td>"


def _path(value: Value) -> str:
    return f'<td class="p">{text(value)}</td>' if isinstance(value, str) else "<td></td>"


_CELLS: dict[str, Callable[[Value], str]] = {"kb": _size, "number": _number, "text": _words, "path": _path}


def tasks(case: PageCase) -> Optional[PageTable]:
    """Every process of the task table, or that the kernel weighed; the largest first."""
    event = case.event
    found = event.report.tasks or tuple(candidate.task for candidate in event.trace.candidates)
    if not found:
        return None
    ranked = {row.pid: row for row in case.found.ranking}
    notes = _notes(case)
    size = case.page_kb
    full = (look.full_path(event) if case.is_memcg else None) or ""
    one_place = len({task.memcg for task in found}) == 1

    def pages(value: Optional[int]) -> Optional[int]:
        return None if value is None else value * size

    def note(task: Task) -> str:
        exempt = ranked[task.pid].exempt if task.pid in ranked else None
        return "; ".join(filter(None, (notes.get(task.pid, ""), f"exempt: {exempt}" if exempt else "")))

    columns: list[tuple[Column, Callable[[Task], Value]]] = [
        (Column("pid", "number"), lambda task: task.pid),
        (Column("name", "text"), lambda task: task.comm),
        (Column("rss", "kb", "resident memory"), lambda task: pages(task.rss_pages)),
        (Column("anon", "kb", "anonymous part of rss"), lambda task: pages(task.rss_anon_pages)),
        (Column("file", "kb", "part of rss that is of files"), lambda task: pages(task.rss_file_pages)),
        (Column("shmem", "kb", "part of rss that is tmpfs or shared memory"), lambda task: pages(task.rss_shmem_pages)),
        (Column("swap", "kb", "swapped out"), lambda task: pages(task.swapents_pages)),
        (Column("tables", "kb", "page tables"),
         lambda task: None if task.pgtables_bytes is None else task.pgtables_bytes // 1024),
        (Column("total_vm", "kb", "mapped address space"), lambda task: pages(task.total_vm_pages)),
        (Column("adj", "number", "oom_score_adj: -1000 never killed, 1000 killed first"),
         lambda task: task.oom_score_adj),
        (Column("points", "number", "badness, in pages"),
         lambda task: ranked[task.pid].points if task.pid in ranked else None),
        (Column("uid", "number"), lambda task: task.uid),
        (Column("memory cgroup", "path"), lambda task: _below(task.memcg, full)),
        (Column("", "text"), note),
    ]
    largest = sorted(found, key=lambda task: -(task.rss_pages or 0))
    values = [[read(task) for task in largest] for _, read in columns]
    kept = [number for number, column in enumerate(values) if any(value not in (None, "") for value in column)
            and not (one_place and columns[number][0].kind == "path")]
    looks = tuple(_look(case, task, notes) for task in largest)
    rows = tuple(zip(*(values[number] for number in kept)))
    return PageTable("tasks", tuple(columns[number][0] for number in kept), rows, looks, grouped=1)


def _below(path: Optional[str], full: str) -> Optional[str]:
    """A memcg's path, from the full one on if it is below that."""
    if path is None or not full or not f"{path}/".startswith(f"{full}/"):
        return path
    return "…" + path[len(full):] if path != full else "the full one"


def _notes(case: PageCase) -> dict[int, str]:
    notes = {kill.pid: "killed" for kill in case.event.report.kills}
    asked = case.event.report.trigger
    for pid in {asked.pid, asked.tgid} - {None}:
        notes[pid or 0] = "; ".join(filter(None, (notes.get(pid or 0), "asked")))
    return notes


def _look(case: PageCase, task: Task, notes: dict[int, str]) -> str:
    if "killed" in notes.get(task.pid, ""):
        return "victim"
    return "exempt" if task.oom_score_adj == -1000 else ""


def statistics(case: PageCase) -> Optional[PageTable]:
    """What the kernel counted: memory.stat of the full memcg, or the counters of Mem-Info."""
    report = case.event.report
    if report.memcg is not None and report.memcg.stats:
        return _of_memcg(report.memcg)
    if report.meminfo is not None and report.meminfo.counters:
        return _of_machine(report.meminfo, case.page_kb)
    return None


def _of_memcg(memcg: Memcg) -> PageTable:
    if memcg.stats[0].unit == "KB" and len(memcg.stats) > 1:  # up to 5.2: a line for each memcg below
        names = list(dict.fromkeys(name for stats in memcg.stats for name in stats.values))
        rows = tuple((stats.path or "", *(stats.values.get(name) for name in names)) for stats in memcg.stats)
        columns = (Column("memory cgroup", "text"), *(Column(name, "kb") for name in names))
        return PageTable("stat", columns, rows, ("",) * len(rows))
    stats = memcg.stats[0]
    rows = tuple((name, *_apart(name, value, stats.unit)) for name, value in stats.values.items())
    return PageTable("stat", (Column("counter", "text"), Column("size", "kb"), Column("events", "number")), rows,
                 ("",) * len(rows))


# Counters of events in memory.stat begin so (mm/memcontrol.c, memcg_vm_event_stat, workingset_*); others are bytes.
_EVENTS = ("pg", "workingset_", "thp_", "numa_", "zswpin", "zswpout", "zswpwb", "swpin", "swpout")


def _apart(name: str, value: int, unit: str) -> tuple[Optional[int], Optional[int]]:
    if unit == "KB":
        return value, None
    plain = name[6:] if name.startswith("total_") else name
    return (None, value) if plain.startswith(_EVENTS) else (value // 1024, None)


def _of_machine(meminfo: MemInfo, page_kb: int) -> PageTable:
    rows: list[tuple[Value, ...]] = []
    for name, value in [*meminfo.counters.items(), *meminfo.tail.items()]:
        plain, _, unit = name.rpartition("_")
        sized = {"pages": value * page_kb, "kb": value}.get(unit)
        rows.append((plain if sized is not None else name, sized, None if sized is not None else value))
    return PageTable("stat", (Column("counter", "text"), Column("size", "kb"), Column("number", "number")), tuple(rows),
                 ("",) * len(rows))
