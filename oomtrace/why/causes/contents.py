"""Step 3 as well: what each large kind of memory was, as looks saw it: by mapping, by file, by user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from oomtrace.model import Area, CachedFile, Holder, KernelItem, KernelUse, Mapped, OomEvent, SharedFile, TaskMemory

from .. import look, witnessed
from ..account import Kind, account
from ..case import Case
from ..finding import LIKELY, Process, Reason, Thing
from ..registry import cause

_LISTED = 3


class Anonymous(Reason):
    MAPPINGS = "mappings"
    SIZES_ONLY = "sizes_only"  # how much of each mapping is resident was not read


class Shared(Reason):
    FILES = "files"
    STAYS = "stays"  # nobody has it open


class Cached(Reason):
    FILES = "files"


class KernelUsers(Reason):
    ITEMS = "items"
    UNEXPLAINED = "unexplained"


def _matters(event: OomEvent, *kinds: Kind) -> bool:
    """Is that a good part of what was full? Yes where there is no account."""
    found = account(event)
    return found is None or not found.total_kb or found.part(*kinds) * 10 >= found.total_kb


@cause("anonymous", step=3, place=2, reasons=Anonymous)
def anonymous(event: OomEvent, case: Case) -> None:
    """The mappings of the task that was killed, or of the largest."""
    if not _matters(event, Kind.ANON, Kind.ANON_OR_SHMEM, Kind.SHMEM):
        return
    task = _task(event, witnessed.anonymous(event))
    if task is None or not task.mappings:
        return
    measured = task.mappings[0].rss_kb is not None
    things = tuple(_mapping(one, task) for one in task.mappings[:_LISTED + 1])
    least = max(things[0].kb // 50, 64)
    case.says(Anonymous.MAPPINGS if measured else Anonymous.SIZES_ONLY, task=Process(task.pid, task.comm, task.rss_kb),
              mappings=tuple(one for one in things if one.kb >= least), swap_kb=task.swap_kb or None,
              locked_kb=task.locked_kb or None, huge_kb=task.huge_kb or None)
    case.knows(rss_kb=task.rss_kb, anonymous_kb=task.anonymous_kb, threads=task.threads, source=task.source)


def _task(event: OomEvent, tasks: tuple[TaskMemory, ...]) -> Optional[TaskMemory]:
    victim = event.report.victim
    own = [task for task in tasks if victim is not None and task.pid == victim.pid]
    return own[0] if own else max(tasks, key=lambda task: task.rss_kb or 0, default=None)


def _mapping(one: Mapped, task: TaskMemory) -> Thing:
    kb = one.size_kb if one.rss_kb is None else one.rss_kb + (one.swap_kb or 0)
    counted = one.area is Area.THREAD_STACKS
    return Thing(str(one.area), one.name, kb, one.count if counted else None)


@cause("shared", step=3, place=3, reasons=Shared)
def shared(event: OomEvent, case: Case) -> None:
    """The largest files on tmpfs, memfds and segments, and who holds them."""
    found = witnessed.shared(event)
    if found is None or not _matters(event, Kind.SHMEM, Kind.FILE_OR_SHMEM, Kind.ANON_OR_SHMEM):
        return
    whole = account(event)
    files = tuple(map(_file, found.files[:_LISTED]))
    part = whole.part(Kind.SHMEM) if whole is not None else 0
    case.says(Shared.FILES, files=files, shmem_kb=part or None,
              mounts=tuple(mount.path for mount in found.mounts[:_LISTED]) or None)
    if files[0].unheld and not files[0].deleted:
        case.means(Shared.STAYS, LIKELY, name=files[0].name)


def _file(one: SharedFile) -> Thing:
    what = "memfd" if one.name.startswith("memfd:") else "System V" if one.name.startswith("SYSV") else "tmpfs"
    return Thing(what, one.name, one.kb, None, one.age_ns, _processes(one.holders),
                 one.holders_known and not one.holders, one.deleted)


def _processes(holders: Iterable[Holder]) -> tuple[Process, ...]:
    return tuple(Process(one.pid, one.comm) for one in holders)


@cause("cached", step=3, place=4, reasons=Cached)
def cached(event: OomEvent, case: Case) -> None:
    """The largest files in the page cache that somebody had open or mapped."""
    found = witnessed.cache(event)
    if found is None or not _matters(event, Kind.FILE, Kind.FILE_OR_SHMEM):
        return
    case.says(Cached.FILES, files=tuple(map(_cached, found.files[:_LISTED])),
              dirty_kb=found.dirty_kb or _sum(one.dirty_kb for one in found.files),
              writeback_kb=found.writeback_kb or None)


def _cached(one: CachedFile) -> Thing:
    return Thing("file", one.path, one.cached_kb, holders=_processes(one.holders))


def _sum(values: Iterable[Optional[int]]) -> Optional[int]:
    return sum(value for value in values if value is not None) or None


@cause("kernel_users", step=3, place=5, reasons=KernelUsers)
def kernel_users(event: OomEvent, case: Case) -> None:
    """Whose the kernel's memory was."""
    found, whole = witnessed.kernel(event), account(event)
    if found is None:
        return
    total = whole.total_kb if whole is not None else None
    memcg = look.scope(event) == "memcg"
    least = (total or 0) // (50 if memcg else 100)
    items = [one for one in found.items if one.kb >= max(least, 256) and _tells(one)]
    items.sort(key=lambda one: -one.kb)
    if items:
        case.says(KernelUsers.ITEMS, users=tuple(map(_item, items[:_LISTED + 1])))
    unknown, all_kb = found.unexplained_kb, total or found.counters_kb.get("MemTotal")
    if unknown is not None and not memcg and all_kb and unknown * 20 >= all_kb:
        case.says(KernelUsers.UNEXPLAINED, LIKELY, unexplained_kb=unknown)


_BY_THEMSELVES = frozenset((KernelUse.ZRAM, KernelUse.ARC, KernelUse.BALLOON, KernelUse.DRM, KernelUse.HUGETLB))


def _tells(one: KernelItem) -> bool:
    """More than the counter that the report has itself?"""
    return one.name is not None or one.use in _BY_THEMSELVES


def _item(one: KernelItem) -> Thing:
    return Thing(str(one.use), one.name, one.kb, one.count, holders=_processes(one.holders))
