"""Which counters of this kernel each line of a memcg's statistics is made of (mm/memcontrol.c).

Which lines there are is in history/statistics.py. A kernel built without an option has no enumerator for its counters,
so what its BTF lacks is not printed either. (5.3 to 5.9 keep no BTF that oomtrace could use.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from oomtrace.facts import CounterAt, StatisticsRow
from oomtrace.history import eras, releases
from oomtrace.history.releases import Version
from oomtrace.history.statistics import tables
from oomtrace.kernel.btf import Btf

# Enumerator of each state line (enum node_stat_item, enum memcg_stat_item) where it is not NR_<NAME>; the first that
# the kernel has.
_STATE = {
    "anon": "NR_ANON_MAPPED",
    "file": "NR_FILE_PAGES",
    "kernel": "MEMCG_KMEM",
    "kernel_stack": "NR_KERNEL_STACK_KB",
    "pagetables": "NR_PAGETABLE",
    "sec_pagetables": "NR_SECONDARY_PAGETABLE",
    "percpu": "MEMCG_PERCPU_B",
    "sock": "MEMCG_SOCK",
    "vmalloc": "MEMCG_VMALLOC NR_VMALLOC",  # a node counter by 7.2
    "zswap": "MEMCG_ZSWAP_B",
    "zswapped": "MEMCG_ZSWAPPED",
    "zswap_incomp": "MEMCG_ZSWAP_INCOMP",
    "file_writeback": "NR_WRITEBACK",
    "swapcached": "NR_SWAPCACHE",
    "anon_thp": "NR_ANON_THPS",
    "file_thp": "NR_FILE_THPS",
    "shmem_thp": "NR_SHMEM_THPS",
    "slab_reclaimable": "NR_SLAB_RECLAIMABLE_B",
    "slab_unreclaimable": "NR_SLAB_UNRECLAIMABLE_B",
    "workingset_refault_anon": "WORKINGSET_REFAULT_ANON",
    "workingset_refault_file": "WORKINGSET_REFAULT_FILE",
    "workingset_activate_anon": "WORKINGSET_ACTIVATE_ANON",
    "workingset_activate_file": "WORKINGSET_ACTIVATE_FILE",
    "workingset_restore_anon": "WORKINGSET_RESTORE_ANON",
    "workingset_restore_file": "WORKINGSET_RESTORE_FILE",
    "workingset_nodereclaim": "WORKINGSET_NODERECLAIM",
}
# Enumerators that are there only with the option that the line needs, where the counter's own is always there.
_NEEDS = {
    "zswap": "ZSWPIN",
    "zswapped": "ZSWPIN",
    "anon_thp": "THP_FAULT_ALLOC",
    "file_thp": "THP_FAULT_ALLOC",
    "shmem_thp": "THP_FAULT_ALLOC",
}
_STATE_ENUMS = ("node_stat_item", "memcg_stat_item")

# memcg_page_state_unit: bytes (1) or kilobytes; all else counts pages.
_BYTES = {"percpu", "zswap", "slab_reclaimable", "slab_unreclaimable"}
_PLAIN = ("workingset_", "pgdemote_", "pgpromote_", "pgsteal", "pgscan", "pgrefill")

_PGSCAN = ("PGSCAN_KSWAPD", "PGSCAN_DIRECT", "PGSCAN_KHUGEPAGED", "PGSCAN_PROACTIVE")
_SUMS = {"pgscan": _PGSCAN, "pgsteal": tuple(name.replace("SCAN", "STEAL") for name in _PGSCAN)}
_EVENTS = {"numa_pages_migrated": "NUMA_PAGE_MIGRATE"}  # vmstat_text[] names it otherwise
_BY_KHUGEPAGED = ("PGSCAN_KHUGEPAGED", "PGSTEAL_KHUGEPAGED")


def _unit(name: str, thp_counts_pages: bool, page_bytes: int) -> int:
    if name in _BYTES or name.startswith(_PLAIN):
        return 1
    if name == "kernel_stack":
        return 1024
    if name in ("anon_thp", "file_thp", "shmem_thp") and not thp_counts_pages:
        return page_bytes * (page_bytes // 8)  # PMD_SIZE: a page of entries of 8 bytes, a page each
    return page_bytes


def _state_item(btf: Btf, name: str) -> Optional[int]:
    enumerator = _STATE.get(name, f"NR_{name.upper()}")
    if name.startswith(("pgdemote", "pgsteal", "pgscan", "pgrefill", "pgpromote")):
        enumerator = name.upper()
    found = (btf.enumerator_of(enum, name) for name in enumerator.split() for enum in _STATE_ENUMS)
    return next((item for item in found if item is not None), None)


def _state_rows(btf: Btf, names: Sequence[str], at: Version, page_bytes: int) -> list[StatisticsRow]:
    rows: list[StatisticsRow] = []
    for name in names:
        if name == "slab":
            parts = [_state_item(btf, part) for part in ("slab_reclaimable", "slab_unreclaimable")]
            both = tuple(CounterAt(part, 1) for part in parts if part is not None)
            rows.append(StatisticsRow(name, "state", both))
            continue
        if name in _NEEDS and btf.enumerator_of("vm_event_item", _NEEDS[name]) is None:
            continue
        item = _state_item(btf, name)
        if item is not None and name != "hugetlb":  # only where cgroup2 is mounted to account it (6.13+)
            one = CounterAt(item, _unit(name, eras.thp_counts_pages(at), page_bytes))
            rows.append(StatisticsRow(name, "state", (one,)))
    return rows


def _event_enumerators(name: str, at: Version) -> Sequence[str]:
    """The enumerators of enum vm_event_item that are added up for a line."""
    if name not in _SUMS:
        return (_EVENTS.get(name, name.upper()),)
    return [each for each in _SUMS[name] if each not in _BY_KHUGEPAGED or eras.khugepaged_scans(at)]


def _event_rows(btf: Btf, names: Sequence[str], at: Version) -> list[StatisticsRow]:
    rows: list[StatisticsRow] = []
    for name in names:
        enumerators = _event_enumerators(name, at)
        items = [btf.enumerator_of("vm_event_item", enumerator) for enumerator in enumerators]
        array = "events"
        if name in _SUMS and items[0] is None:  # 7.1+: node counters
            array, items = "state", [btf.enumerator_of("node_stat_item", enumerator) for enumerator in enumerators]
        found = tuple(CounterAt(item, 1) for item in items if item is not None)
        if found:
            rows.append(StatisticsRow(name, array, found))
    return rows


def rows(btf: Btf, release: str, page_bytes: int = 4096) -> list[StatisticsRow]:
    """The printed lines in order."""
    at = releases.mainline(release)
    state, events = tables(at)
    return _state_rows(btf, state, at, page_bytes) + _event_rows(btf, events, at)
