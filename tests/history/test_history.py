"""Facts of kernels by version: the live side and the log side ask here, so a wrong one shows in both."""

from __future__ import annotations

from typing import Optional

import pytest

from oomtrace.history import constraints, eras, limits, releases, statistics

# mm/memcontrol.c of 6.12 and 7.1, memory_stats[] and memcg_vm_event_stat[] typed from there.
STATE_6_12 = """
anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped file_dirty
file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable
slab_reclaimable slab_unreclaimable slab workingset_refault_anon workingset_refault_file workingset_activate_anon
workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim pgdemote_kswapd
pgdemote_direct pgdemote_khugepaged pgpromote_success
"""
EVENTS_6_12 = """
pgscan pgsteal pgscan_kswapd pgscan_direct pgscan_khugepaged pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgfault
pgmajfault pgrefill pgactivate pgdeactivate pglazyfree pglazyfreed swpin_zero swpout_zero zswpin zswpout zswpwb
thp_fault_alloc thp_collapse_alloc thp_swpout thp_swpout_fallback numa_pages_migrated numa_pte_updates numa_hint_faults
"""
REFAULTS_7_1 = """
workingset_nodereclaim pgdemote_kswapd pgdemote_direct pgdemote_khugepaged pgdemote_proactive pgsteal_kswapd
pgsteal_direct pgsteal_khugepaged pgsteal_proactive pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive
pgrefill pgpromote_success
"""


@pytest.mark.parametrize("release, package, expected", [
    ("6.1.0-56-cloud-amd64", None, ((6, 1), "debian", (6, 1))),
    ("6.12.107+deb13-cloud-amd64", None, ((6, 12), "debian", (6, 12))),
    ("5.10.0", "Debian 5.10.262-1", ((5, 10), "debian", (5, 10))),
    ("4.18.0-477.13.1.el8_8.x86_64", None, ((4, 18), "el8", (4, 18, 477))),
    ("3.10.0-1127.el7.x86_64", None, ((3, 10), "el7", (3, 10, 1127))),
    ("5.14.0-70.el9.x86_64", None, ((5, 14), "el9", (5, 14))),
    ("6.12.0-55.9.1.el10_0.x86_64", None, ((6, 12), "el10", (6, 12))),
    ("2.6.32-642.11.1.el6.x86_64", None, ((2, 6, 32), "el6", (2, 6, 32))),
    ("6.8.0-31-generic", None, ((6, 8), "", (6, 8))),
    ("7.3-rc2+", None, ((7, 3), "", (7, 3))),
])
def test_a_release(release: str, package: Optional[str], expected: tuple[object, ...]) -> None:
    known = releases.parsed(release, package)
    assert known is not None and (known.mainline, known.flavour, known.own) == expected


def test_what_is_no_release() -> None:
    assert releases.parsed(None) is None and releases.parsed("") is None and releases.parsed("generic") is None
    assert releases.mainline("generic") == () < releases.mainline("2.6.32")


def test_the_architecture_at_the_end_of_a_release() -> None:
    known = {"6.12.0-cloud-arm64": "arm64", "5.14.0-70.el9.s390x": "s390", "4.19.0-armmp": "arm", "6.1.0-amd64": None}
    assert {release: releases.arch(release) for release in known} == known and releases.arch(None) is None


def test_the_statistics_are_those_of_the_kernels_tables() -> None:
    known = statistics.tables((6, 12))
    assert known.state == tuple(STATE_6_12.split()) and known.events == tuple(EVENTS_6_12.split())
    assert statistics.names((6, 12)) == known.state + known.events
    assert " ".join(REFAULTS_7_1.split()) in " ".join(statistics.tables((7, 3)).state)
    assert statistics.tables((7, 3)).events[:5] == ("pgscan", "pgsteal", "pswpin", "pswpout", "pgfault")


def test_each_change_of_the_statistics_finds_its_place() -> None:
    """A name behind which something was to be put, but which the list has not, would lose it in silence."""
    lists = list(statistics.TABLES.values())
    for since, new in statistics._NEW.items():
        tables = statistics.TABLES[releases.version(since)]
        added = {name for names in new.values() for name in names.split()}
        assert added <= set(tables.state + tables.events), since
    for tables in lists:
        assert len(set(tables.state + tables.events)) == len(tables.state + tables.events)


def test_a_version_between_two_has_the_list_of_the_older() -> None:
    assert statistics.names((6, 11)) == statistics.names((6, 8)) != statistics.names((6, 12))
    assert statistics.names((1, 0)) == statistics.names((2, 6, 32))
    assert statistics.tables((4, 4)) == statistics.tables((5, 10))


@pytest.mark.parametrize("constraint, memcg, order, kind", [
    ("CONSTRAINT_MEMCG", False, 0, "memcg"),
    ("CONSTRAINT_NONE", True, 0, "memcg"),  # 5.0 says so of memcgs
    ("CONSTRAINT_NONE", False, 3, "global"),
    ("CONSTRAINT_CPUSET", False, 0, "cpuset"),
    ("CONSTRAINT_MEMORY_POLICY", False, None, "mempolicy"),
    ("CONSTRAINT_NONE", False, -1, "sysrq"),
    ("CONSTRAINT_OF_TOMORROW", False, 0, "global"),
    (None, False, 0, None),
])
def test_the_kind_of_an_oom(constraint: Optional[str], memcg: bool, order: Optional[int], kind: Optional[str]) -> None:
    assert constraints.kind_of(constraint, memcg, order) == kind


def test_kinds_and_constraints_are_each_others() -> None:
    for number, name in enumerate(constraints.CONSTRAINTS):
        assert constraints.constraint_name(number) == name
        assert constraints.constraint_of(constraints.kind_of(name)) == name
    assert constraints.constraint_of("sysrq") == "CONSTRAINT_NONE" and constraints.constraint_of(None) is None
    assert constraints.constraint_name(4) is None
    assert constraints.message_of("cpuset") == "Out of memory" and constraints.message_of(None) is None


def test_the_caller_tells_the_kind() -> None:
    assert constraints.kind_of_caller("mem_cgroup_out_of_memory.cold") == "memcg"
    assert constraints.kind_of_caller("__alloc_pages_slowpath.constprop.0") == "global"
    assert constraints.kind_of_caller("out_of_memory") is None


@pytest.mark.parametrize("printed, page_kb", [
    (9007199254740988, 4), (9007199254740976, 16), (9007199254740928, 64), (8589934588, 4),  # the last: 32-bit
])
def test_a_limit_that_is_none_tells_the_page_size(printed: int, page_kb: int) -> None:
    """As kernels print it: "limit 9007199254740988kB"."""
    assert limits.is_no_limit_kb(printed) and limits.page_kb_of(printed) == page_kb


def test_limits_of_old_kernels_and_real_ones() -> None:
    assert limits.is_no_limit_kb(((1 << 63) - 1) >> 10) and limits.is_no_limit_kb(((1 << 64) - 1) >> 10)
    assert not limits.is_no_limit_kb(1 << 40) and limits.page_kb_of(1 << 40) is None and limits.page_kb_of(None) is None
    assert limits.page_counter_max(4) * 4 == 9007199254740988


def test_eras() -> None:
    assert [eras.lagging_rss(at) for at in ((6, 1), (6, 2), (6, 19), (7, 0))] == [False, True, True, False]
    assert eras.opcode_error((5, 10)) % 1 == "Unable to access opcode bytes at RIP 0x1."
    assert eras.opcode_error((6, 1)) % 1 == "Unable to access opcode bytes at 0x1."
    assert [eras.taint_flag_count(at) for at in ((5, 19), (6, 14), (6, 15))] == [18, 19, 20]
    assert not eras.thp_counts_pages((5, 11)) and eras.thp_counts_pages((5, 12))
    assert not eras.task_markers((5, 15)) and eras.task_markers((5, 16))
    assert not eras.khugepaged_scans((6, 2)) and eras.khugepaged_scans((6, 3))
    assert eras.spanned_pages((5, 3)) and not eras.spanned_pages((5, 4))
    assert limits.record_bytes((6, 2)) == 989 and limits.record_bytes((6, 3)) == 1021
