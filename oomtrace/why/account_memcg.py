"""The account of a memcg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Optional

from oomtrace.history import eras
from oomtrace.model import OomEvent

from . import look
from .kinds import Account, Kind, Part

_LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
_NAMES_2 = {"rss_huge": "anon_thp", "mapped_file": "file_mapped", "dirty": "file_dirty", "writeback": "file_writeback"}
_DETAILS_1 = frozenset(("rss_huge", "shmem", "mapped_file", "dirty", "writeback", "swap", "swapcached", *_LISTS))
_DETAILS_2 = (
    "shmem", "file_mapped", "file_dirty", "file_writeback", "swapcached", "anon_thp", "kernel_stack", "pagetables",
    "sec_pagetables", "percpu", "vmalloc", "sock", "zswap", "slab_reclaimable", "slab_unreclaimable", "hugetlb",
    *_LISTS,
)
_KERNEL = ("kernel_stack", "pagetables", "percpu", "slab")


def memcg_account(event: OomEvent) -> Optional[Account]:
    """The account of the memcg that was full, None without statistics."""
    memcg = event.report.memcg
    if memcg is None or not memcg.stats:
        return None
    usage = memcg.memory.usage_kb if memcg.memory is not None else None
    kmem = memcg.kmem.usage_kb if memcg.kmem is not None else None
    if memcg.stats[0].unit == "KB":
        values: dict[str, int] = {}
        for stats in memcg.stats:
            for name, value in stats.values.items():
                values[name] = values.get(name, 0) + value
        return _version1(usage, kmem, values)
    listed = memcg.stats[0].values
    if "total_cache" in listed:  # 6.5+ on cgroup v1: memcg1_stat_format()
        total = {name[6:]: value // 1024 for name, value in listed.items() if name.startswith("total_")}
        return _version1(usage, kmem, total)
    if "anon" not in listed and "file" not in listed:
        return None
    tables = sum(task.pgtables_bytes or 0 for task in event.report.tasks or ())
    found = _version2(usage, kmem, listed, memcg.version == 1 or memcg.memsw is not None, tables // 1024)
    behind_kb = _behind_kb(event, found)
    return replace(found, parts=(*found.parts, Part(Kind.ANON_BEHIND, behind_kb))) if behind_kb else found


def tasks_anon_kb(event: OomEvent) -> Optional[int]:
    """The anonymous pages of all tasks, shared ones counted for each; None where rows do not tell (up to 6.7)."""
    rows = event.report.tasks or ()
    pages = [task.rss_anon_pages for task in rows if task.rss_anon_pages is not None]
    return sum(pages) * look.page_kb(event) if rows and len(pages) == len(rows) else None


def _behind_kb(event: OomEvent, found: Account) -> int:
    """What nothing accounts for, as far as tasks hold more than the statistics count, where these can be old."""
    version, held, left = look.version(event), tasks_anon_kb(event), found.left_kb
    if version is None or not eras.memcg_stats_behind(version) or held is None or left is None:
        return 0
    behind = min(left, held - found.part(Kind.ANON))
    return behind if behind * 20 >= (found.total_kb or 0) else 0


def _version1(usage: Optional[int], kmem: Optional[int], kb: Mapping[str, int]) -> Optional[Account]:
    """``cache`` has tmpfs in it, which its own counter shows from 4.12 on. Before, only the lists tell: tmpfs pages are
    on the anonymous lists, but not in ``rss``."""
    if "rss" not in kb or "cache" not in kb:
        return None
    parts = [Part(Kind.ANON, kb["rss"])]
    if "shmem" in kb:
        parts += [Part(Kind.FILE, max(0, kb["cache"] - kb["shmem"])), Part(Kind.SHMEM, kb["shmem"])]
    else:
        parts.append(Part(Kind.FILE_OR_SHMEM, kb["cache"]))
    if kmem is not None:
        parts.append(Part(Kind.KERNEL, kmem))
    details = {f"{_NAMES_2.get(name, name)}_kb": value for name, value in kb.items() if name in _DETAILS_1}
    return Account(usage, tuple(parts), details)


def _version2(usage: Optional[int], kmem: Optional[int], stat: Mapping[str, int], old: bool, tables_kb: int) -> Account:
    """memory.stat in bytes. ``file`` counts tmpfs, ``anon`` what processes have mapped.

    ``kernel`` (5.18+) is all that is charged as kernel memory; before, its known components stand for it: page tables
    have a counter from 5.11 on, and before that the rows of the tasks tell. On cgroup v1, which prints the same list
    up to 6.4, kmem's counter says it and sockets are not in the usage.
    """
    kb = {name: value // 1024 for name, value in stat.items()}
    shmem, file = kb.get("shmem"), kb.get("file", 0)
    parts = [Part(Kind.ANON, kb.get("anon", 0))]
    if shmem is None:  # the list is cut
        parts.append(Part(Kind.FILE_OR_SHMEM, file))
    else:
        parts += [Part(Kind.FILE, max(0, file - shmem)), Part(Kind.SHMEM, shmem), Part(Kind.SWAPCACHE, _swap_cache(kb))]
    if kmem is not None:
        parts.append(Part(Kind.KERNEL, kmem))
    elif "kernel" in kb:
        parts.append(Part(Kind.KERNEL, kb["kernel"]))
    elif "slab" in kb:
        parts.append(Part(Kind.KERNEL, sum(kb.get(name, 0) for name in _KERNEL)))
        if "pagetables" not in kb:
            parts.append(Part(Kind.PAGETABLES, tables_kb))
    if kb.get("sock") and not old:
        parts.append(Part(Kind.SOCK, kb["sock"]))
    if kb.get("hugetlb"):
        parts.append(Part(Kind.HUGETLB, kb["hugetlb"]))
    details = {f"{name}_kb": kb[name] for name in _DETAILS_2 if name in kb}
    return Account(usage, tuple(part for part in parts if part.kb or part.kind in (Kind.ANON, Kind.FILE)), details,
                   kernel_listed="kernel" in kb or kmem is not None, complete="anon" in kb and "file" in kb)


def _swap_cache(kb: Mapping[str, int]) -> int:
    """Anonymous and tmpfs pages that no page table maps any more, as they are on their way to swap or back: the lists
    have them, ``anon`` and ``file`` have not (mm/swap_state.c, add_to_swap_cache). ``swapcached`` (5.12+) counts what
    is mapped besides, too. Nearly equal, the counter is the more exact one: lists lag."""
    if "inactive_anon" not in kb or "active_anon" not in kb or "anon" not in kb:
        return 0
    beyond = max(0, kb["inactive_anon"] + kb["active_anon"] - kb["anon"] - kb.get("shmem", 0))
    cached = kb.get("swapcached")
    if cached is None:
        return beyond
    return cached if beyond * 20 >= cached * 19 else beyond
