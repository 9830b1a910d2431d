"""What the full memory consisted of, from whichever statistics the report has, in kB.

Three vocabularies: the one-line ``name:…KB`` form of kernels up to 5.2 (values of each memcg alone, a line for every
memcg below), the ``memory.stat`` list of 5.3+ (values with all below), and Mem-Info for everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from oomtrace.model import MemInfo, OomEvent, Zone

from . import look


@dataclass(frozen=True)
class Part:
    """A kind of memory. The parts of an account do not overlap."""

    name: str
    kb: int


@dataclass(frozen=True)
class Account:
    """``total_kb`` is what is divided, ``parts`` what of it is known. ``details`` are within parts, or beside them."""

    total_kb: Optional[int]
    parts: Tuple[Part, ...]
    details: Mapping[str, int]  # "shmem_kb", "file_dirty_kb", "swap_kb", … by name with unit
    kernel_listed: bool = True  # False: kernels that list only slab, stacks and the like of their own memory

    @property
    def left_kb(self) -> Optional[int]:
        """What no part accounts for; negative if the statistics sum to more."""
        return None if self.total_kb is None else self.total_kb - sum(part.kb for part in self.parts)

    def part(self, name: str) -> int:
        return sum(part.kb for part in self.parts if part.name == name)


ANON = "anonymous"
FILE = "file cache"
CACHE = "file cache and tmpfs"
SHMEM = "tmpfs and shared memory"
SWAPCACHE = "swap cache"
KERNEL = "kernel"
SOCK = "socket buffers"
SLAB_RECLAIMABLE = "slab, reclaimable"
SLAB_UNRECLAIMABLE = "slab, unreclaimable"
UNEVICTABLE = "unevictable"
HUGETLB = "huge page pools"
FREE = "free"


@look.once
def account(event: OomEvent) -> Optional[Account]:
    """The account of what was full, None if the source has no statistics of it."""
    if look.scope(event) == "memcg":
        return _memcg(event)
    meminfo = event.report.meminfo
    return _machine(event, meminfo) if meminfo is not None and meminfo.counters else None


def managed_kb(event: OomEvent) -> Optional[int]:
    """The memory that the kernel could give away: of the machine, or of the nodes that the report lists."""
    if event.report.meminfo is None:
        return None
    if look.scope(event) in ("cpuset", "mempolicy"):
        return _sum(event.report.meminfo.zones, "managed_kb")
    tail = event.report.meminfo.tail
    if "ram_pages" not in tail:
        return None
    return (tail["ram_pages"] - tail.get("reserved_pages", 0)) * look.page_kb(event)


def _memcg(event: OomEvent) -> Optional[Account]:
    memcg = event.report.memcg
    if memcg is None or not memcg.stats:
        return None
    usage = memcg.memory.usage_kb if memcg.memory is not None else None
    kmem = memcg.kmem.usage_kb if memcg.kmem is not None else None
    if memcg.stats[0].unit == "KB":
        values: Dict[str, int] = {}
        for stats in memcg.stats:
            for name, value in stats.values.items():
                values[name] = values.get(name, 0) + value
        return _version1(usage, kmem, values)
    listed = memcg.stats[0].values
    if "total_cache" in listed:  # 6.5+ on cgroup v1: memcg1_stat_format()
        total = {name[6:]: value // 1024 for name, value in listed.items() if name.startswith("total_")}
        return _version1(usage, kmem, total)
    if "anon" not in listed or "file" not in listed:
        return None
    return _version2(usage, kmem, listed, memcg.version == 1 or memcg.memsw is not None)


def _version1(usage: Optional[int], kmem: Optional[int], kb: Mapping[str, int]) -> Optional[Account]:
    """``cache`` has tmpfs in it, which its own counter shows from 4.12 on. Before, only the lists tell: tmpfs pages are
    on the anonymous lists, but not in ``rss``."""
    if "rss" not in kb or "cache" not in kb:
        return None
    parts = [Part(ANON, kb["rss"])]
    if "shmem" in kb:
        parts += [Part(FILE, max(0, kb["cache"] - kb["shmem"])), Part(SHMEM, kb["shmem"])]
    else:
        parts.append(Part(CACHE, kb["cache"]))
    if kmem is not None:
        parts.append(Part(KERNEL, kmem))
    details = {f"{_NAMES_2.get(name, name)}_kb": value for name, value in kb.items() if name in _DETAILS_1}
    return Account(usage, tuple(parts), details)


_LISTS = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
_NAMES_2 = {"rss_huge": "anon_thp", "mapped_file": "file_mapped", "dirty": "file_dirty", "writeback": "file_writeback"}
_DETAILS_1 = frozenset(("rss_huge", "shmem", "mapped_file", "dirty", "writeback", "swap", "swapcached", *_LISTS))
_DETAILS_2 = (
    "shmem", "file_mapped", "file_dirty", "file_writeback", "swapcached", "anon_thp", "kernel_stack", "pagetables",
    "sec_pagetables", "percpu", "vmalloc", "sock", "zswap", "slab_reclaimable", "slab_unreclaimable", "hugetlb",
    *_LISTS,
)


def _version2(usage: Optional[int], kmem: Optional[int], stat: Mapping[str, int], old: bool) -> Account:
    """memory.stat in bytes. ``file`` counts tmpfs and, from 5.8 on, the swap cache, whose pages ``anon`` has as well
    while they are mapped; the swap cache's own counter came with 5.12.

    ``kernel`` (5.18+) is all that is charged as kernel memory; before, its known components stand for it. On
    cgroup v1, which prints the same list up to 6.4, kmem's counter says it and sockets are not in the usage.
    """
    kb = {name: value // 1024 for name, value in stat.items()}
    shmem, swapcached = kb.get("shmem", 0), kb.get("swapcached", 0)
    parts = [Part(ANON, kb["anon"]), Part(FILE, max(0, kb["file"] - shmem - swapcached)), Part(SHMEM, shmem)]
    components = ("kernel_stack", "pagetables", "percpu", "slab")
    if kmem is not None:
        parts.append(Part(KERNEL, kmem))
    elif "kernel" in kb:
        parts.append(Part(KERNEL, kb["kernel"]))
    elif "slab" in kb:
        parts.append(Part(KERNEL, sum(kb.get(name, 0) for name in components)))
    if kb.get("sock") and not old:
        parts.append(Part(SOCK, kb["sock"]))
    if kb.get("hugetlb"):
        parts.append(Part(HUGETLB, kb["hugetlb"]))
    details = {f"{name}_kb": kb[name] for name in _DETAILS_2 if name in kb}
    return Account(usage, tuple(parts), details, kernel_listed="kernel" in kb or kmem is not None)


def _sum(zones: Tuple[Zone, ...], name: str) -> Optional[int]:
    found = [zone.counters[name] for zone in zones if name in zone.counters]
    return sum(found) if found else None


def _machine(event: OomEvent, meminfo: MemInfo) -> Account:
    """The machine from the first counters; the allowed nodes from their own lines, where there are any (4.8+)."""
    size = look.page_kb(event)
    kb = {name[: -len("_pages")]: value * size for name, value in meminfo.counters.items() if name.endswith("_pages")}
    if look.scope(event) in ("cpuset", "mempolicy"):
        kb = _nodes(meminfo)

    def of(*names: str) -> int:
        return sum(kb.get(name, 0) for name in names)

    owners = [node.counters for node in meminfo.nodes] + [zone.counters for zone in meminfo.zones]
    stacks = sum(counters.get("kernel_stack_kb", 0) for counters in owners)
    pools = sum(pool.total * pool.size_kb for pool in meminfo.hugepages)
    parts = [
        *_anonymous_lists(of("active_anon", "inactive_anon", "isolated_anon"), kb.get("shmem"), of("unevictable")),
        Part(FILE, of("active_file", "inactive_file", "isolated_file")),
        Part(UNEVICTABLE, of("unevictable")),
        Part(SLAB_RECLAIMABLE, of("slab_reclaimable")),
        Part(SLAB_UNRECLAIMABLE, of("slab_unreclaimable")),
        Part("page tables", of("pagetables", "sec_pagetables")),
        Part("kernel stacks", stacks),
        Part(HUGETLB, pools),
        Part(FREE, of("free", "free_pcp")),
    ]
    details = {f"{name}_kb": kb[name] for name in ("shmem", "mapped", "dirty", "writeback", "free") if name in kb}
    details.update({f"{name}_kb": kb[name] for name in _LISTS if name in kb})
    return Account(managed_kb(event), tuple(part for part in parts if part.kb), details)


def _anonymous_lists(kb: int, shmem_kb: Optional[int], unevictable_kb: int) -> Tuple[Part, ...]:
    """The anonymous lists hold tmpfs and shared memory as well, which ``shmem`` counts, unless it is unevictable: with
    little of either the two can be told apart."""
    if shmem_kb is None or shmem_kb > kb or min(shmem_kb, unevictable_kb) * 50 > kb:
        return (Part(ANON + ", tmpfs and shared", kb),)
    return Part(ANON, kb - shmem_kb), Part(SHMEM, shmem_kb)


_OF_NODES: Tuple[str, ...] = (
    "active_anon", "inactive_anon", "active_file", "inactive_file", "unevictable", "shmem", "mapped",
    "dirty", "writeback", "pagetables", "sec_pagetables",
)
_OF_ZONES: Tuple[str, ...] = ("free", "free_pcp", "slab_reclaimable", "slab_unreclaimable", "pagetables")


def _nodes(meminfo: MemInfo) -> Dict[str, int]:
    """The counters of the listed nodes and zones together."""
    kb: Dict[str, int] = {}
    rows = [(node.counters, _OF_NODES) for node in meminfo.nodes]
    rows += [(zone.counters, _OF_ZONES) for zone in meminfo.zones]
    for counters, wanted in rows:
        for name in wanted:
            if f"{name}_kb" in counters:
                kb[name] = kb.get(name, 0) + counters[f"{name}_kb"]
    return kb
