"""What was full, what filled it, and why reclaim failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from why_events import NO_LIMIT_KB, advice, fact, found, machine_wide, memcg2, reasons, seed, stack, task, zone

from oomtrace import why
from oomtrace.model import (
    Growth,
    Machine,
    Memcg,
    MemcgLevel,
    MemcgStats,
    MemInfo,
    OomEvent,
    PageCounter,
    Part,
    Reclaim,
)
from oomtrace.why import CERTAIN, LIKELY, UNKNOWN, Kind, Process, Size, look
from oomtrace.why.callsite import Site
from oomtrace.why.headline import Headline
from tests.events import changed, made


def amounts(event: OomEvent) -> dict[str, int]:
    return {amount.name: amount.kb for amount in why.explain(event).amounts}


def with_memcg(event: OomEvent, **changes: object) -> OomEvent:
    assert event.report.memcg is not None
    return changed(event, memcg=replace(event.report.memcg, **changes))  # type: ignore[arg-type]


def test_memory_stat_of_v2_does_not_count_twice() -> None:
    """``file`` has tmpfs in it."""
    event = memcg2(file=10 << 20, shmem=3 << 20, active_anon=43 << 20)
    assert {name: kb for name, kb in amounts(event).items() if name != "not accounted for"} == {
        "anonymous": 40 << 10, "file cache": 7 << 10, "tmpfs and shared memory": 3 << 10, "kernel": 2 << 10,
    }


def test_the_swap_cache_is_what_the_lists_have_beside_what_is_mapped() -> None:
    """Pages that are mapped as well count as anonymous. The counter is the more exact of two that nearly agree."""
    assert amounts(memcg2(active_anon=43 << 20, swapcached=5 << 20))["swap cache"] == 2 << 10
    assert amounts(memcg2(active_anon=43 << 20, swapcached=(2 << 20) + 4096))["swap cache"] == (2 << 10) + 4
    assert "swap cache" not in amounts(memcg2(swapcached=0))


def test_much_of_it_in_the_swap_cache_is_in_the_headline() -> None:
    def said(event: OomEvent) -> dict[str, Any]:
        return {fact.name: fact.value for fact in why.explain(event).headline_facts}

    rest = {"file": 0, "shmem": 0, "kernel": 1 << 20}
    half = memcg2(anon=24 << 20, active_anon=47 << 20, swapcached=23 << 20, **rest)  # of 48 MiB
    assert (said(half)["filler"], said(half)["filler_percent"], said(half)["swapcache_percent"]) == (Kind.ANON, 98, 48)
    assert "48 % in the swap cache" in why.explain(half).headline
    less = memcg2(anon=23 << 20, active_anon=46 << 20, swapcached=23 << 20, **rest)
    assert (said(less)["filler_percent"], said(less)["swapcache_percent"]) == (96, 48)
    little = memcg2(anon=45 << 20, active_anon=47 << 20, swapcached=2 << 20, **rest)
    assert "swapcache_percent" not in said(little)


def test_page_tables_that_hold_more_than_the_kernel_get_their_own_advice() -> None:
    """No advice on kernel memory goes first, which is the smaller part."""
    tables = task(7, "mapper", 2, pgtables_bytes=26 << 20)
    event = memcg2((tables,), 7, anon=0, active_anon=0, file=0, shmem=0, slab=14 << 20)
    event = with_memcg(event, stats=(MemcgStats("/a", {name: value for name, value in event.report.memcg.stats[
        0].values.items() if name not in ("kernel", "pagetables")}, "bytes"),))  # type: ignore[union-attr]
    assert {"page tables", "kernel"} <= amounts(event).keys()
    assert [one for one in advice(event) if one.startswith(("filled", "tasks"))] == ["tasks: pagetables"]


def test_what_is_not_accounted_for_is_named() -> None:
    event = memcg2(anon=20 << 20)
    assert amounts(event)["not accounted for"] == 20 << 10
    assert Size(Kind.NOT_ACCOUNTED, 20480, 41.7) in fact(event, "filled", "parts")


def test_before_5_18_kernel_memory_has_counters_of_its_parts_only() -> None:
    event = memcg2(anon=1 << 20, file=0, shmem=0)
    assert event.report.memcg is not None
    values = {**event.report.memcg.stats[0].values, "slab": 3 << 20, "kernel_stack": 1 << 20}
    del values["kernel"]
    event = with_memcg(event, stats=(MemcgStats("/a", values, "bytes"),))
    assert amounts(event)["kernel"] == 4 << 10
    finding = found(event, "filled")
    assert str(finding.reason) == "kernel_not_counted"
    assert finding.confidence == LIKELY


@pytest.mark.parametrize(
    ("slab", "pagetables", "words"),
    [
        (36 << 20, 1 << 20, "Filled by kernel memory (slab 38.0 MiB)."),
        (20 << 20, 16 << 20, "Filled by kernel memory (slab 22.0 MiB, page tables 16.0 MiB)."),
        (0, 0, "Filled by kernel memory (slab 2.0 MiB, 38.0 MiB without a counter of its own, as pipe buffers are)."),
    ],
)
def test_what_kernel_memory_is(slab: int, pagetables: int, words: str) -> None:
    event = memcg2(anon=0, file=0, shmem=0, kernel=40 << 20, slab_reclaimable=2 << 20, slab_unreclaimable=slab,
                   pagetables=pagetables)
    assert found(event, "filled").interpretation == words


def test_tmpfs_of_a_machine_is_told_from_anonymous_memory() -> None:
    event = machine_wide(counters={"shmem_pages": 200000})
    assert amounts(event)["tmpfs and shared memory"] == 800000
    assert amounts(event)["anonymous"] == 80000
    assert why.explain(event).headline_reasons[1] is Headline.FILLED_BY
    assert why.explain(event).headline_facts[1:3] == (why.Fact("filler", Kind.SHMEM), why.Fact("filler_percent", 80))
    locked = machine_wide(counters={"shmem_pages": 200000, "unevictable_pages": 20000})
    assert amounts(locked)["tmpfs and shared memory"] == 800000  # 720000 at least: either way the larger
    either = machine_wide(counters={"shmem_pages": 120000, "unevictable_pages": 20000})
    assert amounts(either)["anonymous, tmpfs and shared"] == 880000


def test_v1_with_the_list_of_v2_takes_the_kmem_counter() -> None:
    event = with_memcg(memcg2(sock=8 << 20), kmem=PageCounter(512, NO_LIMIT_KB, 0), swap=None, version=1,
                       memsw=PageCounter(49152, NO_LIMIT_KB, 0))
    assert amounts(event)["kernel"] == 512
    assert "socket buffers" not in amounts(event)  # not part of the usage on v1


def test_v1_list_of_6_5() -> None:
    values = {"cache": 1, "rss": 2, "shmem": 0, "total_cache": 8 << 20, "total_rss": 30 << 20, "total_shmem": 5 << 20,
              "total_inactive_file": 1 << 20, "total_active_file": 2 << 20}
    event = with_memcg(memcg2(), stats=(MemcgStats("/a", values, "bytes"),), kmem=PageCounter(100, NO_LIMIT_KB, 0))
    assert amounts(event)["anonymous"] == 30 << 10
    assert amounts(event)["file cache"] == 3 << 10
    assert amounts(event)["tmpfs and shared memory"] == 5 << 10


def test_up_to_5_2_each_memcg_below_has_a_line() -> None:
    event = seed()
    lines = tuple(MemcgStats(path, {"cache": 10, "rss": kb}, "KB") for path, kb in (("/foo", 0), ("/foo/a", 900)))
    event = with_memcg(event, stats=lines)
    assert amounts(event)["anonymous"] == 900
    facts = {fact.name: fact.value for fact in found(event, "filled").facts}
    assert (facts["largest.path"], facts["largest.kb"]) == ("/foo/a", 910)


def test_statistics_that_the_kernel_did_not_sum_up() -> None:
    """mem_cgroup_print_oom_meminfo() flushes them (mm/memcontrol.c); where nothing is printed they are old."""
    event = changed(memcg2(anon=0, file=0, shmem=0, kernel=0), printed=False, unprinted_reason="rate limit")
    finding = found(event, "filled")
    assert str(finding.reason) == "not_summed_up"
    assert finding.confidence == UNKNOWN


def test_statistics_that_sum_to_more_are_said_to_lag() -> None:
    assert "statistics_exceed" in reasons(memcg2(anon=60 << 20), "filled")


def behind(release: str, anon: int = 16 << 20) -> OomEvent:
    """Tasks hold 39.5 MiB of anonymous memory. The statistics know of ``anon`` bytes, and of next to nothing else."""
    rows = (task(10, "small", 100, rss_anon_pages=100), task(11, "hog", 10000, rss_anon_pages=10000))
    event = memcg2(rows, limit_kb=41 << 10, anon=anon, file=0, shmem=0, kernel=1 << 20, active_anon=0)
    return changed(event, machine=Machine(release=release))


def test_statistics_that_are_two_seconds_old() -> None:
    """Since 6.16 those of a memcg may be summed up every 2 s alone. What tasks hold tells what is not in them yet."""
    finding = found(behind("7.3.4+deb13-cloud-amd64"), "filled")
    assert finding.confidence == LIKELY
    assert [str(reason) for reason in finding.reasons] == ["parts", "by", "statistics_behind"]
    assert finding.value("filler") is Kind.ANON
    assert Size(Kind.ANON_BEHIND, 40400 - (16 << 10), 57.2) in finding.value("parts")
    assert amounts(behind("7.3.4"))["not accounted for"] == (24 << 10) - 24016
    assert fact(behind("7.3.4", anon=4096), "filled", "filler") is Kind.ANON  # nearly all of it came within these 2 s


def test_older_statistics_are_not_behind() -> None:
    """What tasks hold beyond them is shared, or charged elsewhere."""
    event = behind("6.12.117+deb13-cloud-amd64")
    assert "statistics_behind" not in reasons(event, "filled")
    assert amounts(event)["not accounted for"] == 24 << 10


def test_tasks_that_share_much_do_not_make_statistics_old() -> None:
    """All is accounted for: there is nothing that could be missing."""
    event = changed(behind("7.3.4", anon=40 << 20), tasks=behind("7.3.4").report.tasks)
    assert "statistics_behind" not in reasons(event, "filled")


@pytest.mark.parametrize(
    ("stats", "kind"),
    [
        ({}, Kind.ANON),
        ({"anon": 1 << 20, "file": 45 << 20, "shmem": 44 << 20}, Kind.SHMEM),
        ({"anon": 1 << 20, "file": 1 << 20, "shmem": 0, "kernel": 46 << 20}, Kind.KERNEL),
        ({"anon": 1 << 20, "file": 1 << 20, "shmem": 0, "sock": 44 << 20}, Kind.SOCK),
        ({"anon": 1 << 20, "file": 45 << 20, "shmem": 0}, Kind.FILE),
    ],
)
def test_the_filler_is_named(stats: dict[str, Any], kind: Kind) -> None:
    assert fact(memcg2(**stats), "filled", "filler") is kind


def test_without_a_total_there_are_no_shares() -> None:
    event = machine_wide()
    cut = MemInfo({"active_anon_pages": 30000, "inactive_anon_pages": 0}, zones=(), tail={})
    finding = found(changed(event, meminfo=cut), "filled")
    assert "%" not in finding.sentence
    assert finding.confidence == UNKNOWN


def test_usage_below_the_limit() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(48000, 49152, 3))
    finding = found(event, "full")
    assert (str(finding.reason), finding.value("below_kb")) == ("no_room", 1152)
    assert finding.confidence == CERTAIN
    other = with_memcg(event, kmem=PageCounter(48000, 49152, 3))
    assert found(other, "full").confidence == LIKELY  # or it was kernel memory's limit


def test_a_large_charge_needs_more_room() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(49152 - 1024, 49152, 3))
    event = changed(event, trigger=replace(event.report.trigger, order=9))
    assert (reasons(event, "full"), fact(event, "full", "usage_kb")) == (["at_limit"], 48128)


@pytest.mark.parametrize(("name", "label"), [("memsw", "memory+swap limit"), ("kmem", "kernel memory limit")])
def test_other_limits_of_v1(name: str, label: str) -> None:
    event = with_memcg(seed(), memory=PageCounter(1000, 1048576, 0), **{name: PageCounter(2000, 2000, 5)})
    assert (fact(event, "full", "counter"), fact(event, "full", "limit_kb")) == (name, 2000)
    assert f"reached its {label} of 2.0 MiB" in why.explain(event).headline


def test_memory_max_written() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(49152, 8192, 13))
    event = changed(event, stack=stack("mem_cgroup_out_of_memory", "memory_max_write", "cgroup_file_write"))
    assert fact(event, "full", "usage_kb") == 49152
    assert fact(event, "charging", "site") is Site.LIMIT_LOWERED
    assert why.explain(event).headline_reason is Headline.LIMIT_LOWERED
    assert why.Fact("limit_kb", 8192) in why.explain(event).headline_facts


def test_the_limit_of_the_pod_and_not_of_the_container() -> None:
    pod = "/kubepods/burstable/pod951f6bc5-c5a5-11ea-8707-80e455f266a2"
    event = with_memcg(memcg2(), path=pod)
    event = changed(event, victim_memcg=pod + "/" + "ab" * 32)
    assert reasons(event, "full") == ["at_limit", "limit_of_pod"]
    assert fact(event, "killed", "victim_levels_below") == 1


def test_levels_of_a_live_trace() -> None:
    levels = (MemcgLevel("/p/a", 49152, 49152), MemcgLevel("/p", 65536, 65536, min_kb=1024), MemcgLevel("/", 99999))
    finding = found(changed(with_memcg(memcg2(), path="/p/a"), levels=levels), "full")
    facts = {fact.name: fact.value for fact in finding.facts}
    assert facts["/p limit_kb"] == 65536 and facts["/p min_kb"] == 1024 and "/ limit_kb" not in facts
    assert finding.value("full_above") == ("/p",)


def test_the_chargers_memcg_is_known_live() -> None:
    event = memcg2()
    event = changed(event, trigger=replace(event.report.trigger, pid=5, memcg="/a/c"))
    assert "trigger_elsewhere" in reasons(event, "killed")
    assert (fact(event, "killed", "trigger.memcg"), fact(event, "killed", "trigger_levels_below")) == ("/a/c", 1)
    event = changed(event, trigger=replace(event.report.trigger, memcg=None))
    assert "trigger_memcg_unknown" in reasons(event, "killed")


@pytest.mark.parametrize(
    ("swap", "reason", "confidence"),
    [
        (PageCounter(0, 0, 0), "not_allowed", CERTAIN),
        (PageCounter(4096, 4096, 7), "at_limit", CERTAIN),
        (PageCounter(100, NO_LIMIT_KB, 0), "no_more_went", UNKNOWN),
        (PageCounter(0, NO_LIMIT_KB, 0), "not_shown", UNKNOWN),
    ],
)
def test_why_not_swap(swap: PageCounter, reason: str, confidence: str) -> None:
    finding = found(memcg2(swap=swap), "swap")
    assert (str(finding.reason), finding.confidence) == (reason, confidence)


def test_memory_and_swap_all_but_at_their_limit() -> None:
    """What a report of v1 shows: charges are made in batches, for which there was no room."""
    event = with_memcg(memcg2(), memsw=PageCounter(73512, 73728, 4), swap=None)
    finding = found(event, "swap")
    assert (finding.value("memsw.usage_kb"), finding.value("memsw.limit_kb")) == (73512, 73728)
    assert (str(finding.reason), finding.confidence) == ("memsw_at_limit", LIKELY)


def test_memory_and_swap_limited_alike() -> None:
    event = with_memcg(seed(), memsw=PageCounter(1048576, 1048576, 5))
    assert "makes_no_room" in reasons(event, "swap")


@pytest.mark.parametrize(
    ("stats", "reason", "confidence"),
    [
        ({"inactive_file": 0, "active_file": 500 << 10}, "little_file_cache", CERTAIN),
        ({"inactive_file": 0, "active_file": 0}, "no_file_cache", CERTAIN),
        ({"inactive_file": 20 << 20, "file_dirty": 15 << 20}, "dirty", LIKELY),
        ({"inactive_file": 20 << 20}, "file_cache_left", UNKNOWN),
        ({"inactive_file": 0, "active_file": 0, "unevictable": 30 << 20}, "unevictable", CERTAIN),
        ({"inactive_file": 0, "active_file": 0, "kernel": 40 << 20}, "kernel_memory", CERTAIN),
    ],
)
def test_why_reclaim_failed(stats: dict[str, Any], reason: str, confidence: str) -> None:
    finding = found(memcg2(**stats), "reclaim")
    assert reason in reasons(memcg2(**stats), "reclaim")
    assert finding.confidence == confidence


def test_protection_and_effort() -> None:
    event = with_memcg(memcg2(), min_protection_kb=2048, low_protection_kb=0)
    event = changed(event, reclaim=Reclaim(16, 1000, 3, 2_500_000))
    finding = found(event, "reclaim")
    assert finding.value("min_protection_kb") == 2048
    assert "The kernel tried: 16 attempts, 3 of 1000 scanned pages reclaimed, in 2.5 ms." in finding.sentence


def test_zones_below_their_watermark() -> None:
    finding = found(machine_wide(), "zones")
    assert [finding.value(name) for name in ("zone", "free_kb", "min_kb")] == ["DMA32 of node 0", 9000, 11000]
    assert "all_zones_low" in reasons(machine_wide(), "zones")


def test_a_zone_that_was_above_when_printed() -> None:
    event = machine_wide(zones=(zone("DMA32", 12000, 11000, 1000000, (0, 0, 0, 0, 0)),))
    assert "above_when_printed" in reasons(event, "zones")


def test_a_lower_zone_is_reserved() -> None:
    """DMA has 8000 kB free, but 1900 pages of it are not for allocations that could be of DMA32."""
    zones = (zone("DMA", 7000, 44, 15000, (0, 1900, 1900, 1900, 1900)), zone("DMA32", 900, 1100, 985000, (0, 0, 0)))
    assert "all_zones_low" in reasons(machine_wide(zones=zones), "zones")


def test_fragmentation() -> None:
    event = machine_wide(zones=(zone("DMA32", 60000, 11000, 1000000, (0, 0, 0, 0, 0)),))
    event = changed(event, trigger=replace(event.report.trigger, order=3))
    assert "fragmented" in reasons(event, "zones") and "contiguous" in reasons(event, "reclaim")
    assert fact(event, "reclaim", "pages") == 8


def test_high_atomic_blocks_are_not_for_all() -> None:
    blocks = ((15000, 4, "UM"), (0, 8, ""), (0, 16, ""), (5, 32, "H"), (0, 64, ""))
    event = machine_wide(zones=(zone("DMA32", 60000, 11000, 1000000, (0, 0, 0, 0, 0), buddy=blocks),))
    event = changed(event, trigger=replace(event.report.trigger, order=3))
    assert "fragmented" in reasons(event, "zones")


def test_zones_that_are_missing_are_not_judged() -> None:
    event = machine_wide(zones=(zone("DMA", 20, 44, 15000),))
    assert why.explain(event).finding("zones") is None


def test_zones_above_the_gfp_mask_do_not_count() -> None:
    zones = (zone("Normal", 3000, 7000, 500000, (0, 0)), zone("HighMem", 400000, 500, 500000, (0, 0)))
    event = machine_wide(zones=zones)
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_KERNEL"))
    assert "all_zones_low" in reasons(event, "zones")


def test_free_memory_that_is_not_for_the_allocation() -> None:
    zones = (zone("Normal", 3000, 7000, 500000, (0, 0)), zone("HighMem", 400000, 500, 500000, (0, 0)))
    event = machine_wide(zones=zones)
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_KERNEL"))
    finding = found(event, "zones")
    assert "free_elsewhere" in reasons(event, "zones")
    assert [finding.value(name) for name in ("free_elsewhere_kb", "zones_elsewhere", "highest_zone")] == [
        400000, ("HighMem of node 0",), "Normal"
    ]


def test_nodes_with_nothing_but_movable_memory() -> None:
    """Also where the lines after the zones are cut off."""
    event = machine_wide("cpuset", zones=(zone("Movable", 900000, 10, 1000000),))
    assert event.report.meminfo is not None
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_HIGHUSER|__GFP_ACCOUNT"),
                    meminfo=replace(event.report.meminfo, tail={}))
    assert "no_usable_zone" in reasons(event, "zones")
    assert fact(event, "zones", "zones_listed") == ("Movable",)
    said = why.explain(event)
    assert said.headline_reason is Headline.NO_USABLE_ZONE
    assert "have only zone Movable, where 878.9 MiB were free" in said.headline, said.headline


@pytest.mark.parametrize(
    ("more", "flags", "below"),
    [
        ({"reserved_highatomic_kb": 40000}, "GFP_KERNEL", True),
        ({"reserved_highatomic_kb": 40000, "free_highatomic_kb": 500}, "GFP_KERNEL", False),
        ({"free_cma_kb": 40000}, "GFP_KERNEL", True),
        ({"free_cma_kb": 40000}, "GFP_HIGHUSER_MOVABLE", False),
    ],
)
def test_free_memory_that_is_set_aside(more: dict[str, int], flags: str, below: bool) -> None:
    event = machine_wide(zones=(zone("Normal", 50000, 12000, 1000000, (0, 0, 0, 0, 0), **more),))
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags=flags))
    assert ("all_zones_low" in reasons(event, "zones")) is below
    assert (fact(event, "zones", "barred_kb") == 40000) is below


def test_a_reserve_is_named() -> None:
    zones = (zone("DMA32", 50000, 48000, 900000, (0, 0, 1000)), zone("Normal", 900, 1100, 100000, (0, 0, 0)))
    finding = found(machine_wide(zones=zones), "zones")
    assert (finding.value("min_kb"), finding.value("lowmem_reserve_kb")) == (48000, 4000)
    evidence = {fact.name: fact.value for fact in finding.facts}
    assert evidence["Normal of node 0 free_kb"] == 900 and evidence["DMA32 of node 0 lowmem_reserve_kb"] == 4000


def test_the_slab_of_a_machine() -> None:
    event = machine_wide(counters={"slab_unreclaimable_pages": 100000})
    assert "slab" in reasons(event, "reclaim")
    assert "slab" not in reasons(machine_wide(), "zones")


def test_swap_of_the_machine() -> None:
    assert reasons(machine_wide(), "swap") == ["none"]
    full = machine_wide(tail={"total_swap_kb": 1000000, "free_swap_kb": 8})
    assert "full" in reasons(full, "swap")


def test_much_free_memory_is_not_a_machine_that_ran_out() -> None:
    event = machine_wide("cpuset", counters={"free_pages": 240000}, zones=(zone("Movable", 900000, 10, 1000000),))
    assert why.explain(event).headline_reason is Headline.FREE_BUT_UNUSABLE


def test_the_lost_context_of_a_fault() -> None:
    event = machine_wide()
    event = changed(event, trigger=replace(event.report.trigger, gfp_mask=0, gfp_flags=""))
    finding = found(event, "full")
    assert "context_lost" in reasons(event, "full")
    assert finding.confidence == UNKNOWN


@pytest.mark.parametrize("kind", ["cpuset", "mempolicy"])
def test_nodes(kind: str) -> None:
    assert reasons(machine_wide(kind), "full") == [kind]


def test_sysrq() -> None:
    event = changed(memcg2(), kind="sysrq", memcg=None)
    assert why.explain(event).headline_reason is Headline.SYSRQ
    assert reasons(event, "full") == ["sysrq"]
    assert why.explain(event).finding("reclaim") is None


def test_nothing_known() -> None:
    explanation = why.explain(OomEvent())
    assert explanation.headline
    assert all(finding.confidence == UNKNOWN for finding in explanation.findings)
    assert explanation.suggestions == ()


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (made(memcg=Memcg(memory=PageCounter(1, 9007199254740988, 0))), 4),
        (made(memcg=Memcg(kmem=PageCounter(1, 9007199254740976, 0))), 16),
        (made(memcg=Memcg(kmem=PageCounter(1, 9007199254740928, 0))), 64),
        (made(meminfo=MemInfo(zones=(zone("DMA", 640, 1, 1, buddy=((10, 64, "U"),)),))), 64),
        (changed(memcg2(), memcg=None, kills=(replace(memcg2().report.kills[0], total_vm_kb=20100 * 16),)), 16),
        (made(machine=Machine(page_kb=4)), 4),
    ],
)
def test_the_page_size(event: OomEvent, size: int) -> None:
    assert look.page_kb(event) == size


def test_tmpfs_is_in_no_task() -> None:
    rows = (task(10, "a", 100, rss_anon_pages=10), task(11, "b", 100, rss_anon_pages=10))
    event = memcg2(rows, anon=80 << 10, file=47 << 20, shmem=47 << 20)
    assert "in_no_task" in reasons(event, "tasks")
    assert fact(event, "tasks", "outside_kb") == 48352
    assert advice(event)[0] == "filled: tmpfs"


def test_free_memory_is_in_no_task_and_needs_no_explanation() -> None:
    rows = (task(10, "a", 100), task(11, "b", 200))
    idle = machine_wide("sysrq", counters={"free_pages": 200000, "active_anon_pages": 0}, tasks=rows)
    assert reasons(idle, "tasks") == ["listed"]
    busy = machine_wide("sysrq", counters={"active_anon_pages": 200000, "shmem_pages": 200000}, tasks=rows)
    assert (reasons(busy, "tasks"), fact(busy, "tasks", "outside_kb")) == (["listed", "in_no_task"], 986760)


def test_page_tables_are_in_a_task() -> None:
    rows = (task(11, "sparse", 3000, pgtables_bytes=30 << 20),)
    event = memcg2(rows, anon=12 << 20, kernel=31 << 20, shmem=0, file=0)
    assert reasons(event, "tasks") == ["listed", "pagetables"]
    assert fact(event, "tasks", "pgtables_kb") == 30 << 10
    assert "tasks: pagetables" in advice(event)


def test_shared_pages_count_for_each() -> None:
    rows = tuple(task(10 + n, "worker", 7000) for n in range(4))
    assert reasons(memcg2(rows), "tasks") == ["listed", "more_than_all"]
    counted = tuple(replace(row, rss_anon_pages=row.rss_pages) for row in rows)
    assert reasons(memcg2(counted), "tasks") == ["listed", "more_than_all"]
    assert reasons(memcg2(rows), "together") == ["same_name_at_most"]
    assert advice(memcg2(rows))[:2] == ["together: same_name", "filled: raise_for_all"]


def test_a_cut_table_explains_nothing() -> None:
    event = changed(memcg2(), missing=(Part.PART_OF_TASKS,))
    assert found(event, "tasks").confidence == UNKNOWN
    assert fact(event, "missing", "missing") == ("part of the task table",)


def test_no_table() -> None:
    assert reasons(changed(memcg2(), tasks=None), "tasks") == ["not_shown"]


def charged(pid: int, *growth: tuple[int, str, int]) -> list[str]:
    event = memcg2()
    event = changed(
        event, trigger=replace(event.report.trigger, pid=pid, comm="x"),
        growth=tuple(Growth(pid, comm, pages, "/a", 3_000_000_000) for pid, comm, pages in growth),
    )
    return reasons(event, "charging")[2:]


def test_who_lowers_a_limit_asks_for_nothing() -> None:
    event = changed(memcg2(), stack=stack("mem_cgroup_out_of_memory", "memory_max_write"))
    event = changed(event, growth=(Growth(10, "small", 9, "/a", 3_000_000_000),))
    assert reasons(event, "charging") == ["asked", "flags"]


def test_small_charges_say_nothing_of_a_machine() -> None:
    """Of 1 GB. The hog may be in the root memory cgroup, where nothing is charged."""
    event = machine_wide()
    assert event.report.trigger.pid == 11
    few, many = (changed(event, growth=(Growth(10, "small", pages, "/a", 10**9),)) for pages in (100, 100000))
    assert reasons(few, "charging") == ["asked", "flags"]
    assert fact(many, "charging", "charged") == Process(10, "small", 400000)


def test_who_filled_and_who_was_last() -> None:
    assert charged(11, (11, "hog", 9000)) == ["charged_most"]
    assert charged(10, (11, "hog", 9000), (10, "small", 9)) == ["other_charged_most"]
    assert charged(10, (10, "small", 9)) == ["charged_most", "other_holds_most_from_before"]
    assert charged(10) == ["other_holds_most"]
    assert charged(11) == []


def test_what_no_counter_has_is_the_first_advice_where_it_is_most() -> None:
    """Beside a kind of memory that is larger, the advice on that goes first."""
    counters = {"active_anon_pages": 0, "inactive_anon_pages": 0, "slab_unreclaimable_pages": 150_000}
    event = machine_wide()
    assert event.report.meminfo is not None
    meminfo = event.report.meminfo
    slab = changed(event, meminfo=replace(meminfo, counters={**meminfo.counters, **counters}))
    assert [one for one in advice(slab) if one.startswith("filled")] == ["filled: slab", "filled: no_counter"]
    counters["slab_unreclaimable_pages"] = 80_000
    least = changed(event, meminfo=replace(meminfo, counters={**meminfo.counters, **counters}))
    assert [one for one in advice(least) if one.startswith("filled")][0] == "filled: no_counter"


def test_where_a_page_fault_failed_no_task_is_to_be_confined() -> None:
    """More likely a cgroup was at its limit than that the machine had run out."""
    event = machine_wide()
    assert "tasks: confine" in advice(event)
    lost = changed(event, trigger=replace(event.report.trigger, gfp_mask=0, gfp_flags=""))
    assert "tasks: confine" not in advice(lost)
