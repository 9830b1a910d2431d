"""The names in a memcg's statistics by kernel, in printed order (mm/memcontrol.c).

Up to 5.2 they are memcg1_stats[] and the LRU lists, 5.3 to 5.9 the lines of memory_stat_format(). From 5.10 on
there are two tables, memory_stats[] and memcg_vm_event_stat[]; the kernel prints one after the other.

Names that depend on the configuration are in the lists, too. A kernel without the option prints the list without them.
"""

from __future__ import annotations

from typing import NamedTuple

from .releases import Version, version

Names = tuple[str, ...]


class Tables(NamedTuple):
    """The names of memory_stats[] and of memcg_vm_event_stat[]."""

    state: Names
    events: Names


_HARD_CODED = (
    "anon file kernel_stack slab {percpu}sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon "
    "active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault "
    "{refault} workingset_nodereclaim pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed "
    "thp_fault_alloc thp_collapse_alloc"
)
_BOTH = ("workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file "
         "workingset_restore_anon workingset_restore_file")
_WITHOUT_TABLES: dict[str, str] = {
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
    # From 5.3 on: bytes, hierarchical (cgroup v2's names); c8713d0b2312.
    "5.3": _HARD_CODED.format(percpu="", refault="workingset_refault workingset_activate"),
    "5.8": _HARD_CODED.format(percpu="", refault="workingset_refault workingset_activate workingset_restore"),
    "5.9": _HARD_CODED.format(percpu="percpu ", refault=_BOTH),
}

_STATE_5_10 = (
    "anon file kernel_stack percpu sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon active_anon "
    "inactive_file active_file unevictable slab_reclaimable slab_unreclaimable slab " + _BOTH
    + " workingset_nodereclaim"
)
_EVENTS_5_10 = (
    "pgfault pgmajfault pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc "
    "thp_collapse_alloc"
)
_EVENTS_6_1 = (
    "pgscan pgsteal pgscan_kswapd pgscan_direct pgsteal_kswapd pgsteal_direct pgfault pgmajfault pgrefill pgactivate "
    "pgdeactivate pglazyfree pglazyfreed zswpin zswpout thp_fault_alloc thp_collapse_alloc"
)
_EVENTS_7_1 = (
    "pgscan pgsteal pswpin pswpout pgfault pgmajfault pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero "
    "swpout_zero zswpin zswpout zswpwb thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback "
    "numa_pages_migrated numa_pte_updates numa_hint_faults"
)
# What each version put where: behind the name on the left, those on the right.
_NEW: dict[str, dict[str, str]] = {
    "5.11": {"kernel_stack": "pagetables", "anon_thp": "file_thp shmem_thp"},
    "5.14": {"file_writeback": "swapcached"},
    "5.17": {"sock": "vmalloc"},
    "5.19": {"file": "kernel", "shmem": "zswap zswapped", "pglazyfreed": "zswpin zswpout"},
    "6.1": {"pagetables": "sec_pagetables"},
    "6.3": {"pgscan_direct": "pgscan_khugepaged", "pgsteal_direct": "pgsteal_khugepaged"},
    "6.8": {"zswpout": "zswpwb", "thp_collapse_alloc": "thp_swpout thp_swpout_fallback"},
    "6.12": {
        "workingset_nodereclaim": "pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgpromote_success",
        "pglazyfreed": "swpin_zero swpout_zero",
        "thp_swpout_fallback": "numa_pages_migrated numa_pte_updates numa_hint_faults",
    },
    "6.13": {"slab": "hugetlb", "pgsteal": "pswpin pswpout"},
    "6.18": {
        "pgdemote_khugepaged": "pgdemote_proactive",
        "pgscan_khugepaged": "pgscan_proactive", "pgsteal_khugepaged": "pgsteal_proactive",
    },
    "7.1": {
        "zswapped": "zswap_incomp",
        # These became counters of nodes, and so part of the state.
        "pgdemote_proactive": "pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive pgscan_kswapd "
                              "pgscan_direct pgscan_khugepaged pgscan_proactive pgrefill",
    },
}
_REORDERED = {"6.1": _EVENTS_6_1, "7.1": _EVENTS_7_1}


def _with(names: Names, new: dict[str, str]) -> Names:
    return tuple(each for name in names for each in (name, *new.get(name, "").split()))


def _tables() -> dict[Version, Tables]:
    at = Tables(tuple(_STATE_5_10.split()), tuple(_EVENTS_5_10.split()))
    found = {version("5.10"): at}
    for since, new in _NEW.items():
        events = tuple(_REORDERED[since].split()) if since in _REORDERED else _with(at.events, new)
        at = Tables(_with(at.state, new), events)
        found[version(since)] = at
    return found


TABLES: dict[Version, Tables] = _tables()
LISTS: dict[Version, Names] = {
    **{version(since): tuple(names.split()) for since, names in _WITHOUT_TABLES.items()},
    **{since: tables.state + tables.events for since, tables in TABLES.items()},
}


def names(at: Version) -> Names:
    """The names that a kernel prints."""
    return LISTS[max(since for since in LISTS if since <= max(at, min(LISTS)))]


def tables(at: Version) -> Tables:
    """The names of a kernel's two tables; those of 5.10 for an older kernel, which has none."""
    return TABLES[max(since for since in TABLES if since <= max(at, min(TABLES)))]
