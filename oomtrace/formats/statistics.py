"""The names in a memcg's statistics by kernel, in printed order (mm/memcontrol.c).

Names that depend on the configuration are in the lists too: for printing an event of another kernel, the list says
which of its values this one would have printed, and in which order.
"""

from __future__ import annotations

from typing import Dict, Tuple

from .rows import Version, version

_HARD_CODED = (
    "anon file kernel_stack slab {percpu}sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
    "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault "
    "{refault} workingset_nodereclaim pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed "
    "thp_fault_alloc thp_collapse_alloc"
)
_BOTH = ("workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
         "workingset_restore_anon workingset_restore_file")
_LISTS: Dict[str, str] = {
    # Up to 5.2: kB, local (cgroup v1's names).
    "2.6.32": "cache rss mapped_file pgpgin pgpgout swap inactive_anon active_anon inactive_file active_file "
              "unevictable",
    "3.10": "cache rss rss_huge mapped_file swap inactive_anon active_anon inactive_file active_file unevictable",
    "3.16": "cache rss rss_huge mapped_file writeback swap inactive_anon active_anon inactive_file active_file "
            "unevictable",
    "4.4": "cache rss rss_huge mapped_file dirty writeback swap inactive_anon active_anon inactive_file active_file "
           "unevictable",
    "4.12": "cache rss rss_huge shmem mapped_file dirty writeback swap inactive_anon active_anon inactive_file "
            "active_file unevictable",
    # From 5.3 on: bytes, hierarchical (cgroup v2's names).
    "5.3": _HARD_CODED.format(percpu="", refault="workingset_refault workingset_activate"),
    "5.8": _HARD_CODED.format(percpu="", refault="workingset_refault workingset_activate workingset_restore"),
    "5.9": _HARD_CODED.format(percpu="percpu ", refault=_BOTH),
    "5.10": (
        "anon file kernel_stack percpu sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
        "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim pgfault pgmajfault pgrefill pgscan "
        "pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc thp_collapse_alloc"
    ),
    "5.11": (
        "anon file kernel_stack pagetables percpu sock shmem file_mapped file_dirty file_writeback anon_thp file_thp "
        "shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable "
        "slab_unreclaimable slab workingset_refault_anon workingset_refault_file workingset_activate_anon "
        "workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim pgfault "
        "pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc"
    ),
    "5.14": (
        "anon file kernel_stack pagetables percpu sock shmem file_mapped file_dirty file_writeback swapcached "
        "anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable "
        "slab_unreclaimable slab workingset_refault_anon workingset_refault_file workingset_activate_anon "
        "workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim pgfault "
        "pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc"
    ),
    "5.17": (
        "anon file kernel_stack pagetables percpu sock vmalloc shmem file_mapped file_dirty file_writeback swapcached "
        "anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable "
        "slab_unreclaimable slab workingset_refault_anon workingset_refault_file workingset_activate_anon "
        "workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim pgfault "
        "pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
        "thp_collapse_alloc"
    ),
    "5.19": (
        "anon file kernel kernel_stack pagetables percpu sock vmalloc shmem zswap zswapped file_mapped file_dirty "
        "file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file "
        "unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon workingset_refault_file "
        "workingset_activate_anon workingset_activate_file workingset_restore_anon workingset_restore_file "
        "workingset_nodereclaim pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree "
        "pglazyfreed zswpin zswpout thp_fault_alloc thp_collapse_alloc"
    ),
    "6.1": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgscan pgsteal pgscan_kswapd pgscan_direct pgsteal_kswapd "
        "pgsteal_direct pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed zswpin zswpout "
        "thp_fault_alloc thp_collapse_alloc"
    ),
    "6.3": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged "
        "pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate "
        "pglazyfree pglazyfreed zswpin zswpout thp_fault_alloc thp_collapse_alloc"
    ),
    "6.8": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged "
        "pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate "
        "pglazyfree pglazyfreed zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout "
        "thp_swpout_fallback"
    ),
    "6.12": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged "
        "pgpromote_success pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct "
        "pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero "
        "swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback "
        "numa_pages_migrated numa_pte_updates numa_hint_faults"
    ),
    "6.13": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged "
        "pgpromote_success pgscan pgsteal pswpin pswpout pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd "
        "pgsteal_direct pgsteal_khugepaged pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed "
        "swpin_zero swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout "
        "thp_swpout_fallback numa_pages_migrated numa_pte_updates numa_hint_faults"
    ),
    "6.18": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped "
        "file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file "
        "active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb workingset_refault_anon "
        "workingset_refault_file workingset_activate_anon workingset_activate_file workingset_restore_anon "
        "workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged "
        "pgdemote_proactive pgpromote_success pgscan pgsteal pswpin pswpout pgscan_kswapd pgscan_direct "
        "pgscan_khugepaged pgscan_proactive pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive "
        "pgfault pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero zswpin "
        "zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback numa_pages_migrated "
        "numa_pte_updates numa_hint_faults"
    ),
    "7.1": (
        "anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped "
        "zswap_incomp file_mapped file_dirty file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon "
        "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab hugetlb "
        "workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
        "workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd pgdemote_direct "
        "pgdemote_khugepaged pgdemote_proactive pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive "
        "pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive pgrefill pgpromote_success pgscan pgsteal "
        "pswpin pswpout pgfault pgmajfault pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero "
        "zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback numa_pages_migrated "
        "numa_pte_updates numa_hint_faults"
    ),
}

LISTS: Dict[Version, Tuple[str, ...]] = {version(since): tuple(text.split()) for since, text in _LISTS.items()}


def statistics(at: Version) -> Tuple[str, ...]:
    """The names that a kernel prints."""
    return LISTS[max(since for since in LISTS if since <= max(at, (2, 6, 32)))]
