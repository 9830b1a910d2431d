"""What looks saw: mappings, files and users of kernel memory, as one table; and the largest processes by command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from oomtrace.model import Holder
from oomtrace.why import witnessed
from oomtrace.why.units import age

from .case import PageCase, who
from .tables import Column, PageTable, Value

_COLUMNS = (
    Column("kind", "text"), Column("what", "path"), Column("size", "kb"), Column("whose", "text"), Column("", "text"),
)


def seen(case: PageCase) -> Optional[PageTable]:
    """The last look at each kind of memory, the largest of a kind first."""
    rows = tuple(_rows(case))
    return PageTable("seen", _COLUMNS, rows, ("",) * len(rows)) if rows else None


def _rows(case: PageCase) -> Iterator[tuple[Value, ...]]:
    event = case.event
    for task in witnessed.anonymous(event):
        for row in task.mappings:
            note = f"{row.count} mappings" if row.count > 1 else ""
            if row.rss_kb is None:
                note = f"{note}; reserved, not all of it resident".lstrip("; ")
            yield (f"memory of a process: {row.area}", row.name, row.size_kb if row.rss_kb is None else row.rss_kb,
                   who(task.pid, task.comm), note)
    shared, cache, kernel = witnessed.shared(event), witnessed.cache(event), witnessed.kernel(event)
    for file in shared.files if shared is not None else ():
        notes = [f"{age(file.age_ns)} old" if file.age_ns is not None else "", "deleted" if file.deleted else ""]
        nobody = "nobody" if file.holders_known else None
        yield ("tmpfs and shared memory", file.name, file.kb, _whose(file.holders) or nobody,
               ", ".join(filter(None, notes)))
    for cached in cache.files if cache is not None else ():
        dirty = f"{cached.dirty_kb} kB not written yet" if cached.dirty_kb else ""
        yield "page cache", cached.path, cached.cached_kb, _whose(cached.holders), dirty
    for item in kernel.items if kernel is not None else ():
        yield f"kernel: {item.use}", item.name, item.kb, _whose(item.holders), ""


def _whose(holders: tuple[Holder, ...]) -> Optional[str]:
    return ", ".join(who(one.pid, one.comm) for one in holders) or None


def people(case: PageCase) -> Optional[PageTable]:
    """The processes that somebody looked at, by command line, the largest first."""
    found = {one.pid: one for look in reversed(witnessed.looks(case.event)) for one in look.tasks}
    tasks = sorted(found.values(), key=lambda one: -(one.rss_kb or 0))
    if not tasks:
        return None
    columns = (Column("pid", "number"), Column("command", "path"), Column("rss", "kb", "resident memory"),
               Column("user", "text"), Column("age", "text"), Column("started by", "text"),
               Column("container", "text"))
    rows = []
    for one in tasks:
        ns = witnessed.age_ns(case.event, one)
        box = witnessed.container(case.event, id=one.container_id) if one.container_id is not None else None
        rows.append((one.pid, witnessed.command(one) or one.comm, one.rss_kb, one.user or str(one.uid),
                     age(ns) if ns is not None else None, one.parent_comm,
                     box.name or box.id[:12] if box is not None else None))
    return PageTable("people", columns, tuple(rows), tuple(case.look_of(one.pid) for one in tasks))
