"""The memory cgroup's part of a report, and the Mem-Info part of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .printf import labels
from .rows import FILLED, PART, PRESENT, Into, PrintStep, block, gone, kind, line, once

# mm/memcontrol.c, mem_cgroup_print_oom_info() and, from 5.0 on, mem_cgroup_print_oom_meminfo()

_TASK_IN = ("victim_memcg:path", "memcg.path:path")
_OF_MEMCG = {"memcg.path": PRESENT}
TASK_IN = kind(
    "task_in", "memcg", 6,
    line("2.6.32", "Task in %s killed as a result of limit of %s", *_TASK_IN, sets=_OF_MEMCG),
    # Printed without KERN_CONT, so that each piece is a record of its own.
    block("3.15", "Task in %s\n killed as a result of limit of %s", _TASK_IN, sets=_OF_MEMCG),
    line("4.1", "Task in %s killed as a result of limit of %s", *_TASK_IN, sets=_OF_MEMCG),
    gone("5.0"),
    gone("4.18.240", flavour="el8"),
    side="memcg", telling=True, open_ended=True,
)
LIMIT_OF = kind(
    "limit_of", "memcg", 6,  # without a victim
    line("4.1", "Memory limit reached of cgroup %s", "memcg.path:path"),
    gone("5.0"),
    gone("4.18.240", flavour="el8"),
    side="memcg", telling=True,
)


def _usage(name: str, label: str, since: str, flavours: Mapping[str, str] = {}, **about: Any) -> Any:
    fields = [f"memcg.{name}.{value}" for value in ("usage_kb", "limit_kb", "failcnt")]
    text = label + ": usage %llukB, limit %llukB, failcnt %lu"
    rows = [line(since, text, *fields)] + [line(at, text, *fields, flavour=name) for name, at in flavours.items()]
    return kind("usage_" + name, "memcg", 6, *rows, side="memcg", **about)


USAGE_MEMORY = _usage("memory", "memory", "2.6.32", telling=True, missing="memory cgroup usage")
USAGE_SWAP = _usage("swap", "swap", "5.3", {"el8": "4.18.240"})  # cgroup v2
USAGE_MEMSW = _usage("memsw", "memory+swap", "2.6.32")  # cgroup v1
USAGE_KMEM = _usage("kmem", "kmem", "3.10")  # cgroup v1

STATS_LINE = kind(
    "stats_line", "stats", 6,  # local values, a line for each memcg of the subtree
    line("3.10", "Memory cgroup stats for %s:%s", "path:path", "values:kb_pairs", sets={"unit": "KB"}),
    # 5.3: c8713d0b2312 "mm: memcontrol: dump memory.stat during cgroup OOM"
    gone("5.3"),
    gone("4.18.240", flavour="el8"),
    scope="memcg.stats_flow",
    required=("path", "values"),
    side="memcg", telling=True, closes=True, missing="memory cgroup statistics",
)
STATS_HEAD = kind(
    "stats_head", "stats", 6,
    line("5.3", "Memory cgroup stats for %s:", "path:path", sets={"unit": "bytes"}),
    line("4.18.240", "Memory cgroup stats for %s:", "path:path", sets={"unit": "bytes"}, flavour="el8"),
    scope="memcg.stats_flow", required=("path",), side="memcg", telling=True, open_ended=True,
)
_AFTER_HEAD: Any = {"follows": ("stats_head", "stat", "stat_line"), "loose": True}
STAT = kind(
    "stat", "stats", 6,
    line("5.3", "%s %llu", "name:stat", "value"),
    line("4.18.240", "%s %llu", "name:stat", "value", flavour="el8"),
    scope="memcg.stats_flow", joined=True,  # one printk("%s", buf)
    required=("name", "value"), key=("name",),
    side="memcg", missing="memory cgroup statistics", closes=True, **_AFTER_HEAD,
)
STAT_LINE = kind(
    "stat_line", "stats", 6,
    line("6.5", "%s %llu", "name:stat", "value"),  # seq_buf_do_printk(): a record a line
    scope="memcg.stats_flow",
    required=("name", "value"), key=("name",),
    side="memcg", missing="memory cgroup statistics", closes=True, **_AFTER_HEAD,
)
PROTECTION = kind(
    "protection", "protection", 4,
    line("6.19", "Memory cgroup min protection %lukB -- low protection %lukB",
         "memcg.min_protection_kb", "memcg.low_protection_kb"),
    closes=True,
)

# mm/page_alloc.c, show_free_areas(); mm/show_mem.c from 6.4 on

MEM_INFO = kind(
    "mem_info", "meminfo", 4,
    line("2.6.32", "Mem-Info:", sets={"meminfo": PART}),
    # arch/arm/mm/init.c, show_mem(), up to 3.10
    line("2.6.32", "Mem-info:", sets={"meminfo": PART}, flavour="arm"),
    side="global",
)
PER_CPU = kind(
    "per_cpu", "meminfo", 4,
    line("2.6.32", "{Node %d }%s per-cpu:", "node", "name:word"),
    gone("4.1"),
    gone("3.10.0", flavour="el7"),
    scope="meminfo.per_cpu_flow", required=("name",),
)
PER_CPU_ROW = kind(
    "per_cpu_row", "meminfo", 4,
    line("2.6.32", "CPU %4d: hi:%5d, btch:%4d usd:%4d", "cpu", "hi", "btch", "usd"),
    gone("4.1"),
    gone("3.10.0", flavour="el7"),
    scope="meminfo.per_cpu_flow", required=("cpu", "hi", "btch", "usd"),
)


def _counters(since: str, text: str, flavour: str = "") -> Any:
    return block(since, text, labels(text, "meminfo.counters", "_pages"), flavour)


_LRU = ("active_anon:%lu inactive_anon:%lu isolated_anon:%lu\n"
        " active_file:%lu inactive_file:%lu isolated_file:%lu\n")
_FREE = " free:%lu free_pcp:%lu free_cma:%lu"
_UNSTABLE = (_LRU + " unevictable:%lu dirty:%lu writeback:%lu unstable:%lu\n"
             " slab_reclaimable:%lu slab_unreclaimable:%lu\n"
             " mapped:%lu shmem:%lu pagetables:%lu bounce:%lu\n")
_STABLE = (_LRU + " unevictable:%lu dirty:%lu writeback:%lu\n"
           " slab_reclaimable:%lu slab_unreclaimable:%lu\n"
           " mapped:%lu shmem:%lu pagetables:%lu")
COUNTERS = kind(
    "counters", "meminfo", 4,
    _counters("2.6.32", _LRU + " unevictable:%lu dirty:%lu writeback:%lu unstable:%lu\n"
              " free:%lu slab_reclaimable:%lu slab_unreclaimable:%lu\n"
              " mapped:%lu shmem:%lu pagetables:%lu bounce:%lu"),
    _counters("3.10", _LRU + " unevictable:%lu dirty:%lu writeback:%lu unstable:%lu\n"
              " free:%lu slab_reclaimable:%lu slab_unreclaimable:%lu\n"
              " mapped:%lu shmem:%lu pagetables:%lu bounce:%lu\n free_cma:%lu"),
    _counters("3.10.0", _UNSTABLE + _FREE, "el7"),
    _counters("4.1", _UNSTABLE + _FREE),
    # RHEL 8.8; these came between 8.3 and then.
    _counters("4.18.477", _STABLE + " bounce:%lu\n" + _FREE, "el8"),
    _counters("5.8", _STABLE + " bounce:%lu\n" + _FREE),
    _counters("5.15", _STABLE + " bounce:%lu\n kernel_misc_reclaimable:%lu\n" + _FREE),
    _counters("6.1", _STABLE + "\n sec_pagetables:%lu bounce:%lu\n kernel_misc_reclaimable:%lu\n" + _FREE),
    side="global", missing="Mem-Info",
)


def _node(since: str, text: str, flavour: str = "") -> Any:
    text = "Node %d " + text
    plain = text.replace(" all_unreclaimable? %s", " all_unreclaimable:%d")
    fields: Sequence[str] = ["all_unreclaimable:yesno" if path == "counters.all_unreclaimable" else path
                             for path in labels(plain, "counters")]
    return line(since, text, "node", *fields, flavour=flavour)


_NODE = ("active_anon:%lukB inactive_anon:%lukB active_file:%lukB inactive_file:%lukB unevictable:%lukB "
         "isolated(anon):%lukB isolated(file):%lukB mapped:%lukB dirty:%lukB writeback:%lukB shmem:%lukB")
_THP_BLANK = "{ shmem_thp: %lukB shmem_pmdmapped: %lukB anon_thp: %lukB}"
_THP = "{ shmem_thp:%lukB shmem_pmdmapped:%lukB anon_thp:%lukB}"
_STACK = " kernel_stack:%lukB{ shadow_call_stack:%lukB}"
_HOPELESS = " all_unreclaimable? %s"
NODE = kind(
    "node", "meminfo", 4,
    _node("4.8", _NODE + _THP_BLANK + " writeback_tmp:%lukB unstable:%lukB pages_scanned:%lu" + _HOPELESS),
    _node("4.12", _NODE + _THP_BLANK + " writeback_tmp:%lukB unstable:%lukB" + _HOPELESS),
    _node("5.8", _NODE + _THP_BLANK + " writeback_tmp:%lukB" + _HOPELESS),
    _node("5.9", _NODE + _THP_BLANK + " writeback_tmp:%lukB" + _STACK + _HOPELESS),
    _node("5.11", _NODE + _THP_BLANK + " writeback_tmp:%lukB" + _STACK + " pagetables:%lukB" + _HOPELESS),
    _node("4.18.477", _NODE + _THP_BLANK + " writeback_tmp:%lukB" + _STACK + " pagetables:%lukB" + _HOPELESS, "el8"),
    _node("6.1", _NODE + _THP_BLANK + " writeback_tmp:%lukB" + _STACK + " pagetables:%lukB sec_pagetables:%lukB"
          + _HOPELESS),
    _node("6.8", _NODE + _THP + " writeback_tmp:%lukB" + _STACK + " pagetables:%lukB sec_pagetables:%lukB"
          + _HOPELESS),
    _node("6.15", _NODE + _THP + " writeback_tmp:%lukB" + _STACK + " pagetables:%lukB sec_pagetables:%lukB"
          + _HOPELESS + " Balloon:%lukB"),
    _node("6.18", _NODE + _THP + _STACK + " pagetables:%lukB sec_pagetables:%lukB" + _HOPELESS + " Balloon:%lukB"),
    _node("7.1", _NODE + _THP + _STACK + " pagetables:%lukB sec_pagetables:%lukB" + _HOPELESS
          + " Balloon:%lukB gpu_active:%lukB gpu_reclaim:%lukB"),
    scope="meminfo.nodes", required=("node",), key=("node",), side="global",
)


def _zone(since: str, text: str, flavour: str = "") -> Any:
    plain = text.replace(" all_unreclaimable? %s", " all_unreclaimable:%d")
    fields = ["all_unreclaimable:yesno" if path == "counters.all_unreclaimable" else path
              for path in labels(plain, "counters")]
    return line(since, "{Node %d }%s " + text, "node", "name:word", *fields, flavour=flavour)


_MARKS = "free:%lukB min:%lukB low:%lukB high:%lukB "
_MARKS_BOOST = "free:%lukB boost:%lukB min:%lukB low:%lukB high:%lukB "
_LISTS = "active_anon:%lukB inactive_anon:%lukB active_file:%lukB inactive_file:%lukB unevictable:%lukB "
_OLD = ("mlocked:%lukB dirty:%lukB writeback:%lukB mapped:%lukB shmem:%lukB slab_reclaimable:%lukB "
        "slab_unreclaimable:%lukB kernel_stack:%lukB pagetables:%lukB unstable:%lukB bounce:%lukB ")
_ISOLATED = "isolated(anon):%lukB isolated(file):%lukB present:%lukB "
_SCANNED = "writeback_tmp:%lukB pages_scanned:%lu all_unreclaimable? %s"
_PRESENT = "writepending:%lukB present:%lukB managed:%lukB mlocked:%lukB "
_PCP = "free_pcp:%lukB local_pcp:%ukB free_cma:%lukB"
_ATOMIC = "reserved_highatomic:%luKB "
_ZSPAGES = _LISTS + "writepending:%lukB zspages:%lukB present:%lukB managed:%lukB mlocked:%lukB bounce:%lukB " + _PCP
ZONE = kind(
    "zone", "meminfo", 4,
    _zone("2.6.32", _MARKS + _LISTS + _ISOLATED + _OLD + _SCANNED),
    _zone("3.10", _MARKS + _LISTS + _ISOLATED + "managed:%lukB " + _OLD + "free_cma:%lukB " + _SCANNED),
    _zone("3.10.0", _MARKS + _LISTS + _ISOLATED + "managed:%lukB " + _OLD + _PCP + " " + _SCANNED, "el7"),
    _zone("4.1", _MARKS + _LISTS + _ISOLATED + "managed:%lukB " + _OLD + _PCP + " " + _SCANNED),
    _zone("4.8", _MARKS + _LISTS + _PRESENT + "slab_reclaimable:%lukB slab_unreclaimable:%lukB "
          "kernel_stack:%lukB pagetables:%lukB bounce:%lukB " + _PCP),
    _zone("4.14", _MARKS + _LISTS + _PRESENT + "kernel_stack:%lukB pagetables:%lukB bounce:%lukB " + _PCP),
    _zone("4.18.477", _MARKS + _LISTS + _PRESENT + "bounce:%lukB " + _PCP, "el8"),
    _zone("5.7", _MARKS + _ATOMIC + _LISTS + _PRESENT + "kernel_stack:%lukB pagetables:%lukB bounce:%lukB " + _PCP),
    _zone("5.8", _MARKS + _ATOMIC + _LISTS + _PRESENT
          + "kernel_stack:%lukB{ shadow_call_stack:%lukB} pagetables:%lukB bounce:%lukB " + _PCP),
    _zone("5.9", _MARKS + _ATOMIC + _LISTS + _PRESENT + "pagetables:%lukB bounce:%lukB " + _PCP),
    _zone("5.11", _MARKS + _ATOMIC + _LISTS + _PRESENT + "bounce:%lukB " + _PCP),
    _zone("5.17", _MARKS_BOOST + _ATOMIC + _LISTS + _PRESENT + "bounce:%lukB " + _PCP),
    _zone("6.18", _MARKS_BOOST + _ATOMIC + "free_highatomic:%luKB " + _ZSPAGES),
    _zone("7.3", _MARKS_BOOST + "reserved_highatomic:%lukB free_highatomic:%lukB " + _ZSPAGES),
    scope="meminfo.zones", required=("name",), side="global",
)
LOWMEM_RESERVE = kind(
    "lowmem_reserve", "meminfo", 4,
    line("2.6.32", "lowmem_reserve[]:%s", "lowmem_reserve_pages:numbers"),
    scope="meminfo.zones", required=("name",), into=Into.LAST, side="global",
)
BUDDY = kind(
    "buddy", "meminfo", 4,
    line("2.6.32", "{Node %d }%s: %s= %lukB", "node", "name:word", "buddy:buddy", "buddy_total_kb"),
    scope="meminfo.zones", required=("name",), into=Into.NAMED, key=("node", "name"), side="global",
)
HUGEPAGES = kind(
    "hugepages", "meminfo", 4,
    line("3.10", "{Node %d }hugepages_total=%u hugepages_free=%u hugepages_surp=%u hugepages_size=%lukB",
         "node", "total", "free", "surp", "size_kb"),
    scope="meminfo.hugepages", required=("total", "free", "surp", "size_kb"), side="global",
)


def _tail(name: str, since: str, text: str, *names: str, until: str = "", flavour: str = "",
          closes: bool = False) -> Any:
    rows: tuple[Any, ...] = (line(since, text, *("meminfo.tail." + value for value in names), flavour=flavour),)
    return kind(name, "meminfo", 4, *(rows + ((gone(until),) if until else ())), side="global", closes=closes)


TAIL = (
    _tail("pagecache", "2.6.32", "%ld total pagecache pages", "pagecache_pages"),
    _tail("swapcache", "2.6.32", "%lu pages in swap cache", "swapcache_pages"),
    _tail("swapcache_stats", "2.6.32", "Swap cache stats: add %lu, delete %lu, find %lu/%lu", "swapcache_added",
          "swapcache_deleted", "swapcache_found", "swapcache_sought", until="6.0"),
    _tail("free_swap", "2.6.32", "Free swap  = %ldkB", "free_swap_kb"),
    _tail("total_swap", "2.6.32", "Total swap = %lukB", "total_swap_kb"),
    _tail("ram", "2.6.32", "%lu pages RAM", "ram_pages"),
    _tail("highmem", "2.6.32", "%lu pages HighMem", "highmem_pages", until="3.16"),
    _tail("movable", "3.16", "%lu pages HighMem/MovableOnly", "highmem_movable_pages"),
    _tail("reserved", "2.6.32", "%lu pages reserved", "reserved_pages", closes=True),
    # arch/arm/mm/init.c, show_mem(), up to 3.10
    _tail("ram_arm", "2.6.32", "%d pages of RAM", "ram_pages", flavour="arm"),
    _tail("free_arm", "2.6.32", "%d free pages", "free_pages", flavour="arm"),
    _tail("reserved_arm", "2.6.32", "%d reserved pages", "reserved_pages", flavour="arm"),
    _tail("slab_arm", "2.6.32", "%d slab pages", "slab_pages", flavour="arm"),
    _tail("shared", "2.6.32", "%lu pages shared", "shared_pages", until="3.16"),
    _tail("non_shared", "2.6.32", "%lu pages non-shared", "non_shared_pages", until="3.16"),
    _tail("swap_cached_arm", "2.6.32", "%d pages swap cached", "swap_cached_pages", flavour="arm"),
    _tail("cma", "3.16", "%lu pages cma reserved", "cma_reserved_pages", closes=True),
    _tail("quicklist", "3.16", "%lu pages in pagetable cache", "pagetable_cache_pages", until="5.4", closes=True),
    _tail("hwpoisoned", "3.16", "%lu pages hwpoisoned", "hwpoisoned_pages", closes=True),
)

# lib/alloc_tag.c and mm/show_mem.c, CONFIG_MEM_ALLOC_PROFILING. Up to 6.11 the size is a number: %12lli.
ALLOCATIONS = kind(
    "allocations", "meminfo", 5,
    line("6.10", "Memory allocations:", sets={"meminfo.allocations": PART}),
    line("6.18", "Memory allocations (profiling is currently turned %s):", "meminfo.profiling:onoff",
         sets={"meminfo.allocations": PART}),
)
ALLOCATION = kind(
    "allocation", "meminfo", 5,
    line("6.10", "%12s %8llu %s:%u {[%s] }func:%s",
         "size", "calls", "file:word", "line", "module:word", "function:word"),
    scope="meminfo.allocations", required=("size", "calls", "file", "line", "function"),
    closes=True,
)

# mm/slab_common.c, dump_unreclaimable_slab()
SLAB_TITLE = kind("slab_title", "slab", 6, line("4.15", "Unreclaimable slab info:", sets={"slab": FILLED}))
SLAB_HEAD = kind("slab_head", "slab", 6,
                 line("4.15", "Name                      Used          Total", sets={"slab": FILLED}))
SLAB = kind(
    "slab", "slab", 6,
    line("4.15", "%-17s %10luKB %10luKB", "name", "used_kb", "total_kb"),
    scope="slab", required=("name", "used_kb", "total_kb"), key=("name",), closes=True,
)
SLAB_BUSY = kind(
    "slab_busy", "slab", 4,
    line("4.15", "excessive unreclaimable slab but cannot dump stats", sets={"slab_busy": True}),
)

# mem_cgroup_print_oom_meminfo() or __show_mem(), dump_unreclaimable_slab() and mem_cgroup_show_protected_memory(), in
# printed order.
STEPS = (
    once(TASK_IN, LIMIT_OF, USAGE_MEMORY, USAGE_SWAP, USAGE_MEMSW, USAGE_KMEM),
    PrintStep(((STATS_LINE, STATS_HEAD, STAT_LINE, STAT),), "memcg.stats_flow"),
    once(MEM_INFO),
    PrintStep(((PER_CPU, PER_CPU_ROW),), "meminfo.per_cpu_flow"),
    once(COUNTERS),
    PrintStep(((NODE,),), "meminfo.nodes"),
    PrintStep(((ZONE,), (LOWMEM_RESERVE,)), "meminfo.zones"),
    PrintStep(((BUDDY,),), "meminfo.zones"),
    PrintStep(((HUGEPAGES,),), "meminfo.hugepages"),
    once(*TAIL),
    once(ALLOCATIONS),
    PrintStep(((ALLOCATION,),), "meminfo.allocations"),
    once(SLAB_BUSY, SLAB_TITLE, SLAB_HEAD),
    PrintStep(((SLAB,),), "slab"),
    once(PROTECTION),
)
