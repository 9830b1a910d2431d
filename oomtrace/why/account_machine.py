"""The account of the machine, or of the nodes that a task was allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from oomtrace.model import MemInfo, OomEvent, Zone

from . import look
from .kinds import Account, Kind, Part

_LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")


def managed_kb(event: OomEvent) -> Optional[int]:
    """The memory that the kernel could give away: of the machine, or of the nodes that the report lists.

    "pages RAM" and "pages reserved" say it of the machine. The zones say it too: they count where those lines are
    missing, or where the two contradict each other and what is reserved shows that no zone is missing.
    """
    meminfo = event.report.meminfo
    if meminfo is None:
        return None
    zones = _sum(meminfo.zones, "managed_kb")
    if look.scope(event) in ("cpuset", "mempolicy"):
        return zones
    said = _said_kb(event, meminfo)
    if said is None:
        return zones if _closed(meminfo) else None
    return zones if contradictory(event) else said


def contradictory(event: OomEvent) -> bool:
    """Is "pages RAM" damaged? The zones are all there, since what is reserved is the difference of what they say to be
    present and managed, and yet they have far less, or more, memory."""
    meminfo = event.report.meminfo
    if meminfo is None or look.scope(event) in ("cpuset", "mempolicy"):
        return False
    present, managed, said = (_sum(meminfo.zones, "present_kb"), _sum(meminfo.zones, "managed_kb"),
                              _said_kb(event, meminfo))
    reserved = meminfo.tail.get("reserved_pages")
    if present is None or managed is None or said is None or reserved is None or not managed:
        return False
    whole = abs(present - managed - reserved * look.page_kb(event)) * 100 <= present - managed
    return whole and abs(said - managed) * 10 > managed


def _said_kb(event: OomEvent, meminfo: MemInfo) -> Optional[int]:
    tail = meminfo.tail
    if "ram_pages" not in tail or "reserved_pages" not in tail:
        return None
    return (tail["ram_pages"] - tail["reserved_pages"]) * look.page_kb(event)


def _closed(meminfo: MemInfo) -> bool:
    """Do the lines after the zones follow, so that no zone is cut off?"""
    return bool(meminfo.zones) and all(zone.buddy for zone in meminfo.zones)


def _sum(zones: tuple[Zone, ...], name: str) -> Optional[int]:
    found = [zone.counters[name] for zone in zones if name in zone.counters]
    return sum(found) if found else None


def machine_account(event: OomEvent) -> Optional[Account]:
    """The machine from the first counters; the allowed nodes from their own lines, where there are any (4.8+)."""
    meminfo = event.report.meminfo
    if meminfo is None or not meminfo.counters:
        return None
    size = look.page_kb(event)
    kb = {name[: -len("_pages")]: value * size for name, value in meminfo.counters.items() if name.endswith("_pages")}
    if look.scope(event) in ("cpuset", "mempolicy"):
        kb = _nodes(meminfo)
        if not kb:
            return None  # their lines are not in the source

    def of(*names: str) -> int:
        return sum(kb.get(name, 0) for name in names)

    owners = [node.counters for node in meminfo.nodes] + [zone.counters for zone in meminfo.zones]
    stacks = sum(counters.get("kernel_stack_kb", 0) for counters in owners)
    pools = sum(pool.total * pool.size_kb for pool in meminfo.hugepages)
    parts = [
        *_anonymous_lists(of("active_anon", "inactive_anon", "isolated_anon"), kb.get("shmem"), of("unevictable")),
        Part(Kind.FILE, of("active_file", "inactive_file", "isolated_file")),
        Part(Kind.RAMFS if _ramfs(meminfo, kb, size) else Kind.UNEVICTABLE, of("unevictable")),
        Part(Kind.SLAB_RECLAIMABLE, of("slab_reclaimable")),
        Part(Kind.SLAB_UNRECLAIMABLE, of("slab_unreclaimable")),
        Part(Kind.PAGETABLES, of("pagetables", "sec_pagetables")),
        Part(Kind.KERNEL_STACKS, stacks),
        Part(Kind.HUGETLB, pools),
        Part(Kind.FREE, of("free", "free_pcp")),
    ]
    details = {f"{name}_kb": kb[name] for name in ("shmem", "mapped", "dirty", "writeback", "free") if name in kb}
    details.update({f"{name}_kb": kb[name] for name in _LISTS if name in kb})
    nodes = look.scope(event) in ("cpuset", "mempolicy")
    complete = "free" in kb and bool(meminfo.nodes) if nodes else all(name in kb for name in _ALL)
    return Account(managed_kb(event), tuple(part for part in parts if part.kb), details, complete=complete)


# One counter of each line of the first record.
_ALL = ("active_anon", "active_file", "unevictable", "slab_unreclaimable", "free")


def _ramfs(meminfo: MemInfo, kb: Mapping[str, int], size: int) -> bool:
    """Are the unevictable pages files of ramfs? They are page cache, neither locked by anybody nor shared memory."""
    unevictable = kb.get("unevictable", 0)
    locked = _sum(meminfo.zones, "mlocked_kb")
    return (
        unevictable > 0 and locked is not None and locked * 10 <= unevictable
        and kb.get("shmem", 0) * 10 <= unevictable
        and meminfo.tail.get("pagecache_pages", 0) * size * 10 >= unevictable * 9
    )


def _anonymous_lists(kb: int, shmem_kb: Optional[int], unevictable_kb: int) -> tuple[Part, ...]:
    """The anonymous lists hold tmpfs and shared memory as well, which ``shmem`` counts, but for what of it is
    unevictable. The two are told apart where that makes no difference to which of them is the larger."""
    if shmem_kb is None or shmem_kb > kb + unevictable_kb:
        return (Part(Kind.ANON_OR_SHMEM, kb),)
    least, most = max(0, shmem_kb - unevictable_kb), min(shmem_kb, kb)
    if (most - least) * 50 > kb and least * 2 <= kb <= most * 2:
        return (Part(Kind.ANON_OR_SHMEM, kb),)
    return Part(Kind.ANON, kb - most), Part(Kind.SHMEM, most)


_OF_NODES: tuple[str, ...] = (
    "active_anon", "inactive_anon", "active_file", "inactive_file", "unevictable", "shmem", "mapped",
    "dirty", "writeback", "pagetables", "sec_pagetables",
)
_OF_ZONES: tuple[str, ...] = ("free", "free_pcp", "slab_reclaimable", "slab_unreclaimable", "pagetables")


def _nodes(meminfo: MemInfo) -> dict[str, int]:
    """The counters of the listed nodes and zones together."""
    kb: dict[str, int] = {}
    rows = [(node.counters, _OF_NODES) for node in meminfo.nodes]
    rows += [(zone.counters, _OF_ZONES) for zone in meminfo.zones]
    for counters, wanted in rows:
        for name in wanted:
            if f"{name}_kb" in counters:
                kb[name] = kb.get(name, 0) + counters[f"{name}_kb"]
    return kb
