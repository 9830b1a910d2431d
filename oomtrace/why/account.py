"""What the full memory consisted of, from whichever statistics the report has, in kB.

Three vocabularies: the one-line ``name:…KB`` form of kernels up to 5.2 (values of each memcg alone, a line for every
memcg below), the ``memory.stat`` list of 5.3+ (values with all below), and Mem-Info for everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from oomtrace.model import MemInfo, OomEvent, Zone

from . import look
from .finding import Reason, Size
from .units import percent


class Kind(Reason):
    """A kind of memory. What each is in words, the phrasebook tells."""

    ANON = "anon"
    ANON_OR_SHMEM = "anon_or_shmem"  # together on the lists, and what is which cannot be told
    FILE = "file"
    FILE_OR_SHMEM = "file_or_shmem"  # "cache" before 4.12
    SHMEM = "shmem"
    SWAPCACHE = "swapcache"
    KERNEL = "kernel"
    SOCK = "sock"
    SLAB_RECLAIMABLE = "slab_reclaimable"
    SLAB_UNRECLAIMABLE = "slab_unreclaimable"
    UNEVICTABLE = "unevictable"
    PAGETABLES = "pagetables"
    KERNEL_STACKS = "kernel_stack"
    HUGETLB = "hugetlb"
    FREE = "free"
    OTHERS = "others"
    NOT_ACCOUNTED = "not_accounted"


@dataclass(frozen=True)
class Part:
    """A kind of memory. The parts of an account do not overlap."""

    kind: Kind
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

    @property
    def biggest(self) -> Optional[Part]:
        """The largest part that is in use."""
        used = [part for part in self.parts if part.kind != Kind.FREE and part.kb]
        return max(used, key=lambda part: part.kb) if used else None

    def part(self, *kinds: Kind) -> int:
        """How much there is of these kinds, in kB."""
        return sum(part.kb for part in self.parts if part.kind in kinds)


@look.once
def account(event: OomEvent) -> Optional[Account]:
    """The account of what was full, None if the source has no statistics of it."""
    if look.scope(event) == "memcg":
        return _memcg(event)
    meminfo = event.report.meminfo
    return _machine(event, meminfo) if meminfo is not None and meminfo.counters else None


def amounts(event: OomEvent) -> Tuple[Size, ...]:
    """The account as rows to show: the largest first, and last what is not accounted for."""
    found = account(event)
    if found is None:
        return ()
    parts = sorted((part for part in found.parts if part.kb), key=lambda part: -part.kb)
    if found.left_kb is not None and found.left_kb > 0:
        parts.append(Part(Kind.NOT_ACCOUNTED, found.left_kb))
    return tuple(Size(part.kind, part.kb, percent(part.kb, found.total_kb)) for part in parts)


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
    parts = [Part(Kind.ANON, kb["rss"])]
    if "shmem" in kb:
        parts += [Part(Kind.FILE, max(0, kb["cache"] - kb["shmem"])), Part(Kind.SHMEM, kb["shmem"])]
    else:
        parts.append(Part(Kind.FILE_OR_SHMEM, kb["cache"]))
    if kmem is not None:
        parts.append(Part(Kind.KERNEL, kmem))
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
    files = max(0, kb["file"] - shmem - swapcached)
    parts = [Part(Kind.ANON, kb["anon"]), Part(Kind.FILE, files), Part(Kind.SHMEM, shmem)]
    components = ("kernel_stack", "pagetables", "percpu", "slab")
    if kmem is not None:
        parts.append(Part(Kind.KERNEL, kmem))
    elif "kernel" in kb:
        parts.append(Part(Kind.KERNEL, kb["kernel"]))
    elif "slab" in kb:
        parts.append(Part(Kind.KERNEL, sum(kb.get(name, 0) for name in components)))
    if kb.get("sock") and not old:
        parts.append(Part(Kind.SOCK, kb["sock"]))
    if kb.get("hugetlb"):
        parts.append(Part(Kind.HUGETLB, kb["hugetlb"]))
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
        Part(Kind.FILE, of("active_file", "inactive_file", "isolated_file")),
        Part(Kind.UNEVICTABLE, of("unevictable")),
        Part(Kind.SLAB_RECLAIMABLE, of("slab_reclaimable")),
        Part(Kind.SLAB_UNRECLAIMABLE, of("slab_unreclaimable")),
        Part(Kind.PAGETABLES, of("pagetables", "sec_pagetables")),
        Part(Kind.KERNEL_STACKS, stacks),
        Part(Kind.HUGETLB, pools),
        Part(Kind.FREE, of("free", "free_pcp")),
    ]
    details = {f"{name}_kb": kb[name] for name in ("shmem", "mapped", "dirty", "writeback", "free") if name in kb}
    details.update({f"{name}_kb": kb[name] for name in _LISTS if name in kb})
    return Account(managed_kb(event), tuple(part for part in parts if part.kb), details)


def _anonymous_lists(kb: int, shmem_kb: Optional[int], unevictable_kb: int) -> Tuple[Part, ...]:
    """The anonymous lists hold tmpfs and shared memory as well, which ``shmem`` counts, unless it is unevictable: with
    little of either the two can be told apart."""
    if shmem_kb is None or shmem_kb > kb or min(shmem_kb, unevictable_kb) * 50 > kb:
        return (Part(Kind.ANON_OR_SHMEM, kb),)
    return Part(Kind.ANON, kb - shmem_kb), Part(Kind.SHMEM, shmem_kb)


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
