"""Memory as the kernel's report has it: of the memcg that was full, and of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

# A counter's value by the kernel's own name for it, in the order in which the kernel prints them.
Counters = Mapping[str, int]


@dataclass(frozen=True)
class PageCounter:
    """A line ``memory: usage %llukB, limit %llukB, failcnt %lu`` (mm/memcontrol.c, mem_cgroup_print_oom_meminfo)."""

    usage_kb: Optional[int] = None
    limit_kb: Optional[int] = None
    failcnt: Optional[int] = None


@dataclass(frozen=True)
class MemcgStats:
    """The statistics printed for one memcg.

    ``unit``: "KB" for the one-line form up to 5.2 (local values, one line a descendant), "bytes" for the list of
    5.3+ (state in bytes, events as counts; hierarchical).
    """

    path: Optional[str]
    values: Counters
    unit: str


@dataclass(frozen=True)
class Memcg:
    """The memcg whose limit was hit (``oc->memcg``)."""

    path: Optional[str] = None
    memory: Optional[PageCounter] = None
    swap: Optional[PageCounter] = None  # cgroup v2
    memsw: Optional[PageCounter] = None  # cgroup v1: "memory+swap:"
    kmem: Optional[PageCounter] = None  # cgroup v1
    stats: tuple[MemcgStats, ...] = ()
    min_protection_kb: Optional[int] = None  # "Memory cgroup min protection", 6.19+
    low_protection_kb: Optional[int] = None
    version: Optional[int] = None  # 1 or 2, where it can be told


@dataclass(frozen=True)
class Zone:
    """A populated zone of the Mem-Info part (mm/show_mem.c, show_free_areas). Counters in the unit of their name."""

    node: Optional[int]
    name: str
    counters: Counters = field(default_factory=dict)  # "free_kb", "min_kb", "local_pcp_kb", …
    lowmem_reserve_pages: tuple[int, ...] = ()
    buddy: tuple[tuple[int, int, str], ...] = ()  # (free blocks, block size in kB, letters "UME") by order
    buddy_total_kb: Optional[int] = None
    all_unreclaimable: Optional[bool] = None


@dataclass(frozen=True)
class Node:
    """A ``Node N active_anon:…`` line."""

    node: int
    counters: Counters = field(default_factory=dict)  # "active_anon_kb", …
    all_unreclaimable: Optional[bool] = None


@dataclass(frozen=True)
class HugePages:
    """A ``Node N hugepages_total=…`` line (mm/hugetlb.c)."""

    node: Optional[int]
    total: int
    free: int
    surp: int
    size_kb: int


@dataclass(frozen=True)
class PerCpuRow:
    """A line ``CPU    0: hi:  186, btch:  31 usd:   0`` (up to 4.0)."""

    cpu: int
    hi: int
    btch: int
    usd: int


@dataclass(frozen=True)
class PerCpuLists:
    """A ``Node 0 DMA per-cpu:`` line and its rows (up to 4.0)."""

    node: Optional[int]
    name: str
    rows: tuple[PerCpuRow, ...] = ()


@dataclass(frozen=True)
class Allocation:
    """A row under ``Memory allocations:`` (mm/show_mem.c, CONFIG_MEM_ALLOC_PROFILING)."""

    size: str  # as printed: "16.9 MiB"; up to 6.11 in bytes: "17717000"
    calls: int
    file: str
    line: int
    function: str
    module: Optional[str] = None


@dataclass(frozen=True)
class MemInfo:
    """The ``Mem-Info:`` part of an OOM that is not a memcg's."""

    counters: Counters = field(default_factory=dict)  # the first record: "active_anon_pages", …
    nodes: tuple[Node, ...] = ()
    zones: tuple[Zone, ...] = ()
    hugepages: tuple[HugePages, ...] = ()
    tail: Counters = field(default_factory=dict)  # "pagecache_pages", "free_swap_kb", "ram_pages", …
    per_cpu: tuple[PerCpuLists, ...] = ()
    allocations: Optional[tuple[Allocation, ...]] = None
    profiling: Optional[bool] = None  # "(profiling is currently turned on)"


@dataclass(frozen=True)
class SlabCache:
    """A row under ``Unreclaimable slab info:`` (mm/slab_common.c, dump_unreclaimable_slab)."""

    name: str
    used_kb: int
    total_kb: int
