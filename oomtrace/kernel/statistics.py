"""The lines of a memcg's statistics list, and which counters of this kernel each is made of.

The lists are those of ``memory_stats[]`` and ``memcg_vm_event_stat[]`` in mm/memcontrol.c (5.3 to 5.9 have no tables
and keep no BTF that oomtrace could use). A kernel built without an option has no enumerator for its counters, so what
its BTF lacks is not printed either.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from oomtrace.kernel.btf import Btf

PAGE_BYTES = 4096
HPAGE_BYTES = 2 << 20

# (first release, lines of the state part, lines of the event part); a release uses the latest that is not after it.
LISTS: Dict[Tuple[int, int], Tuple[str, str]] = {
    (5, 10): (
        "anon file kernel_stack percpu sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
        "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim",
        "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc",
    ),
    (5, 11): (
        "anon file kernel_stack pagetables percpu sock shmem file_mapped file_dirty file_writeback anon_thp "
        "file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable "
        "slab_unreclaimable slab workingset_refault_anon workingset_refault_file workingset_activate_anon "
        "workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim",
        "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc",
    ),
    (5, 14): (
        "anon file kernel_stack pagetables percpu sock shmem file_mapped file_dirty file_writeback swapcached "
        "anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable "
        "slab_reclaimable slab_unreclaimable slab workingset_refault_anon workingset_refault_file "
        "workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file "
        "workingset_nodereclaim",
        "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc",
    ),
    (5, 17): (
        "anon file kernel_stack pagetables percpu sock vmalloc shmem file_mapped file_dirty file_writeback "
        "swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable "
        "slab_reclaimable slab_unreclaimable slab workingset_refault_anon workingset_refault_file "
        "workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file "
        "workingset_nodereclaim",
        "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc",
    ),
    (5, 19): (
        "anon file kernel kernel_stack pagetables percpu sock vmalloc shmem zswap zswapped file_mapped file_dirty "
        "file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file "
        "unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon workingset_refault_file "
        "workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file "
        "workingset_nodereclaim",
        "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed zswpin zswpout "
        "thp_fault_alloc thp_collapse_alloc",
    ),
    (6, 1): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim",
        "pgscan pgsteal pgscan_kswapd pgscan_direct pgsteal_kswapd pgsteal_direct pgfault pgmajfault pgrefill "
        "pgactivate pgdeactivate pglazyfree pglazyfreed zswpin zswpout thp_fault_alloc thp_collapse_alloc",
    ),
    (6, 3): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim",
        "pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct "
        "pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed zswpin "
        "zswpout thp_fault_alloc thp_collapse_alloc",
    ),
    (6, 8): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim",
        "pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct "
        "pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed zswpin "
        "zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback",
    ),
    (6, 12): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged "
        "pgpromote_success",
        "pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct "
        "pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero "
        "swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback "
        "numa_pages_migrated numa_pte_updates numa_hint_faults",
    ),
    (6, 13): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct "
        "pgdemote_khugepaged pgpromote_success",
        "pgscan pgsteal pswpin pswpout pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct "
        "pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero "
        "swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback "
        "numa_pages_migrated numa_pte_updates numa_hint_faults",
    ),
    (6, 18): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon "
        "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct "
        "pgdemote_khugepaged pgdemote_proactive pgpromote_success",
        "pgscan pgsteal pswpin pswpout pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive "
        "pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive pgfault pgmajfault pgrefill pgactivate "
        "pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero zswpin zswpout zswpwb thp_fault_alloc "
        "thp_collapse_alloc thp_swpout thp_swpout_fallback numa_pages_migrated numa_pte_updates numa_hint_faults",
    ),
    (7, 1): (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "zswap_incomp file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon "
        "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct "
        "pgdemote_khugepaged pgdemote_proactive pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive "
        "pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive pgrefill pgpromote_success",
        "pgscan pgsteal pswpin pswpout pgfault pgmajfault pgactivate pgdeactivate pglazyfree pglazyfreed "
        "swpin_zero swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout "
        "thp_swpout_fallback numa_pages_migrated numa_pte_updates numa_hint_faults",
    ),}

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
_SUMS_SINCE = {"PGSCAN_KHUGEPAGED": (6, 3), "PGSTEAL_KHUGEPAGED": (6, 3)}

Row = Dict[str, object]


def release_version(release: str) -> Tuple[int, int]:
    """(major, minor) of a release such as "6.1.0-56-cloud-amd64"."""
    numbers = release.replace("-", ".").split(".")
    return int(numbers[0]), int(numbers[1])


def _unit(name: str, thp_counts_pages: bool) -> int:
    if name in _BYTES or name.startswith(_PLAIN):
        return 1
    if name == "kernel_stack":
        return 1024
    if name in ("anon_thp", "file_thp", "shmem_thp") and not thp_counts_pages:
        return HPAGE_BYTES  # up to 5.11 these count huge pages (380780e71895)
    return PAGE_BYTES


def _state_item(btf: Btf, name: str) -> Optional[int]:
    enumerator = _STATE.get(name, f"NR_{name.upper()}")
    if name.startswith(("pgdemote", "pgsteal", "pgscan", "pgrefill", "pgpromote")):
        enumerator = name.upper()
    found = (btf.enumerator_of(enum, name) for name in enumerator.split() for enum in _STATE_ENUMS)
    return next((item for item in found if item is not None), None)


def _state_rows(btf: Btf, names: List[str], version: Tuple[int, int]) -> List[Row]:
    rows: List[Row] = []
    for name in names:
        if name == "slab":
            parts = [_state_item(btf, part) for part in ("slab_reclaimable", "slab_unreclaimable")]
            rows.append({"name": name, "array": "state", "items": [[part, 1] for part in parts if part is not None]})
            continue
        if name in _NEEDS and btf.enumerator_of("vm_event_item", _NEEDS[name]) is None:
            continue
        item = _state_item(btf, name)
        if item is not None and name != "hugetlb":  # only where cgroup2 is mounted to account it (6.13+)
            rows.append({"name": name, "array": "state", "items": [[item, _unit(name, version >= (5, 12))]]})
    return rows


def _event_rows(btf: Btf, names: List[str], version: Tuple[int, int]) -> List[Row]:
    rows: List[Row] = []
    for name in names:
        enumerators = _SUMS.get(name, (_EVENTS.get(name, name.upper()),))
        enumerators = tuple(e for e in enumerators if version >= _SUMS_SINCE.get(e, (0, 0)))
        items = [btf.enumerator_of("vm_event_item", enumerator) for enumerator in enumerators]
        array = "events"
        if name in _SUMS and items[0] is None:  # 7.1+: node counters
            array, items = "state", [btf.enumerator_of("node_stat_item", enumerator) for enumerator in enumerators]
        found = [[item, 1] for item in items if item is not None]
        if found:
            rows.append({"name": name, "array": array, "items": found})
    return rows


def rows(btf: Btf, release: str) -> List[Row]:
    """The printed lines in order: name, array, and [item, unit] pairs that are added up."""
    version = release_version(release)
    known = [since for since in LISTS if since <= version]
    state, events = LISTS[max(known or LISTS)]
    return _state_rows(btf, state.split(), version) + _event_rows(btf, events.split(), version)
