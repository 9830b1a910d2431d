"""What was full, what filled it, and why reclaim failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

import pytest
from why_events import NO_LIMIT_KB, machine_wide, memcg2, seed, stack, task, zone

from oomtrace import why
from oomtrace.model import Growth, Machine, Memcg, MemcgLevel, MemcgStats, MemInfo, OomEvent, PageCounter, Reclaim
from oomtrace.why import CERTAIN, LIKELY, UNKNOWN, look
from tests.events import changed, made


def found(event: OomEvent, id: str) -> why.Finding:
    finding = why.explain(event).finding(id)
    assert finding is not None, id
    return finding


def amounts(event: OomEvent) -> Dict[str, int]:
    return {amount.name: amount.kb for amount in why.explain(event).amounts}


def with_memcg(event: OomEvent, **changes: object) -> OomEvent:
    assert event.report.memcg is not None
    return changed(event, memcg=replace(event.report.memcg, **changes))  # type: ignore[arg-type]


def test_memory_stat_of_v2_does_not_count_twice() -> None:
    """``file`` has tmpfs and the swap cache in it."""
    event = memcg2(file=10 << 20, shmem=3 << 20, swapcached=2 << 20)
    assert amounts(event) == {
        "anonymous": 40 << 10, "file cache": 5 << 10, "tmpfs and shared memory": 3 << 10, "kernel": 2 << 10,
    }


def test_what_is_not_accounted_for_is_named() -> None:
    event = memcg2(anon=20 << 20)
    assert amounts(event)["not accounted for"] == 20 << 10
    assert "not accounted for 20.0 MiB (20480 kB) 41.7 %" in found(event, "filled").sentence


def test_before_5_18_kernel_memory_has_counters_of_its_parts_only() -> None:
    event = memcg2(anon=1 << 20, file=0, shmem=0)
    assert event.report.memcg is not None
    values = {**event.report.memcg.stats[0].values, "slab": 3 << 20, "kernel_stack": 1 << 20}
    del values["kernel"]
    event = with_memcg(event, stats=(MemcgStats("/a", values, "bytes"),))
    assert amounts(event)["kernel"] == 4 << 10
    finding = found(event, "filled")
    assert "without a counter of its own" in (finding.interpretation or "")
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
    assert "80 % of it tmpfs and shared memory" in why.explain(event).headline
    locked = machine_wide(counters={"shmem_pages": 200000, "unevictable_pages": 20000})
    assert amounts(locked)["anonymous, tmpfs and shared"] == 880000


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
    assert "for this OOM it did not" in (finding.interpretation or "")
    assert finding.confidence == UNKNOWN


def test_statistics_that_sum_to_more_are_said_to_lag() -> None:
    assert "more than the total" in found(memcg2(anon=60 << 20), "filled").sentence


@pytest.mark.parametrize(
    ("stats", "name"),
    [
        ({}, "anonymous memory"),
        ({"anon": 1 << 20, "file": 45 << 20, "shmem": 44 << 20}, "tmpfs and shared memory"),
        ({"anon": 1 << 20, "file": 1 << 20, "shmem": 0, "kernel": 46 << 20}, "kernel memory"),
        ({"anon": 1 << 20, "file": 1 << 20, "shmem": 0, "sock": 44 << 20}, "socket buffers"),
        ({"anon": 1 << 20, "file": 45 << 20, "shmem": 0}, "file cache"),
    ],
)
def test_the_filler_is_named(stats: Dict[str, Any], name: str) -> None:
    assert (found(memcg2(**stats), "filled").interpretation or "").startswith(f"Filled by {name}")


def test_without_a_total_there_are_no_shares() -> None:
    event = machine_wide()
    cut = MemInfo({"active_anon_pages": 30000, "inactive_anon_pages": 0}, zones=(), tail={})
    finding = found(changed(event, meminfo=cut), "filled")
    assert "%" not in finding.sentence
    assert finding.confidence == UNKNOWN


def test_usage_below_the_limit() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(48000, 49152, 3))
    finding = found(event, "full")
    assert "1.1 MiB below the limit" in finding.sentence
    assert finding.confidence == CERTAIN
    other = with_memcg(event, kmem=PageCounter(48000, 49152, 3))
    assert found(other, "full").confidence == LIKELY  # or it was kernel memory's limit


def test_a_large_charge_needs_more_room() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(49152 - 1024, 49152, 3))
    event = changed(event, trigger=replace(event.report.trigger, order=9))
    assert found(event, "full").sentence.startswith("/a was at its memory limit of 48.0 MiB (49152 kB), usage 47.0 MiB")


@pytest.mark.parametrize(("name", "label"), [("memsw", "memory+swap limit"), ("kmem", "kernel memory limit")])
def test_other_limits_of_v1(name: str, label: str) -> None:
    event = with_memcg(seed(), memory=PageCounter(1000, 1048576, 0), **{name: PageCounter(2000, 2000, 5)})
    assert f"at its {label} of 2.0 MiB" in found(event, "full").sentence
    assert f"reached its {label} of 2.0 MiB" in why.explain(event).headline


def test_memory_max_written() -> None:
    event = with_memcg(memcg2(), memory=PageCounter(49152, 8192, 13))
    event = changed(event, stack=stack("mem_cgroup_out_of_memory", "memory_max_write", "cgroup_file_write"))
    assert "usage 48.0 MiB" in found(event, "full").sentence
    assert "a write to memory.max" in found(event, "charging").sentence
    assert "held more than its memory limit, lowered to 8.0 MiB" in why.explain(event).headline


def test_the_limit_of_the_pod_and_not_of_the_container() -> None:
    pod = "/kubepods/burstable/pod951f6bc5-c5a5-11ea-8707-80e455f266a2"
    event = with_memcg(memcg2(), path=pod)
    event = changed(event, victim_memcg=pod + "/" + "ab" * 32)
    assert found(event, "full").interpretation == "It is the pod's limit, not the container's."
    assert "1 level below the full one" in found(event, "killed").sentence


def test_levels_of_a_live_trace() -> None:
    levels = (MemcgLevel("/p/a", 49152, 49152), MemcgLevel("/p", 65536, 65536, min_kb=1024), MemcgLevel("/", 99999))
    finding = found(changed(with_memcg(memcg2(), path="/p/a"), levels=levels), "full")
    facts = {fact.name: fact.value for fact in finding.facts}
    assert facts["/p limit_kb"] == 65536 and facts["/p min_kb"] == 1024 and "/ limit_kb" not in facts
    assert finding.interpretation == "Full above it too: /p."


def test_the_chargers_memcg_is_known_live() -> None:
    event = memcg2()
    event = changed(event, trigger=replace(event.report.trigger, pid=5, memcg="/a/c"))
    assert "the charger is in /a/c, 1 level below the full one" in found(event, "killed").sentence
    event = changed(event, trigger=replace(event.report.trigger, memcg=None))
    assert "which memory cgroup the charger is in the source does not tell" in found(event, "killed").sentence


@pytest.mark.parametrize(
    ("swap", "interpretation", "confidence"),
    [
        (PageCounter(0, 0, 0), "Swapping was not allowed.", CERTAIN),
        (PageCounter(4096, 4096, 7), "memory.swap.max was reached.", CERTAIN),
        (PageCounter(100, NO_LIMIT_KB, 0), "Why no more went to swap (full, or slow) the source does not tell.",
         UNKNOWN),
        (PageCounter(0, NO_LIMIT_KB, 0), "Whether there is any swap the source does not tell.", UNKNOWN),
    ],
)
def test_why_not_swap(swap: PageCounter, interpretation: str, confidence: str) -> None:
    finding = found(memcg2(swap=swap), "swap")
    assert (finding.interpretation, finding.confidence) == (interpretation, confidence)


def test_memory_and_swap_all_but_at_their_limit() -> None:
    """What a report of v1 shows: charges are made in batches, for which there was no room."""
    event = with_memcg(memcg2(), memsw=PageCounter(73512, 73728, 4), swap=None)
    finding = found(event, "swap")
    assert "memory+swap was 216 kB below its limit of 72.0 MiB" in finding.sentence
    assert (finding.interpretation, finding.confidence) == (
        "Swapping makes no room below the memory+swap limit.", LIKELY
    )


def test_memory_and_swap_limited_alike() -> None:
    event = with_memcg(seed(), memsw=PageCounter(1048576, 1048576, 5))
    assert "the memory+swap limit is no more than the memory limit" in found(event, "swap").sentence


@pytest.mark.parametrize(
    ("stats", "words", "confidence"),
    [
        ({"inactive_file": 0, "active_file": 500 << 10}, "Hardly any file cache was left to drop.", CERTAIN),
        ({"inactive_file": 0, "active_file": 0}, "No file cache was left to drop.", CERTAIN),
        ({"inactive_file": 20 << 20, "file_dirty": 15 << 20}, "Most file pages waited to be written", LIKELY),
        ({"inactive_file": 20 << 20}, "why they were not reclaimed in time the source does not tell", UNKNOWN),
        ({"inactive_file": 0, "active_file": 0, "unevictable": 30 << 20}, "locked or otherwise unevictable", CERTAIN),
        ({"inactive_file": 0, "active_file": 0, "kernel": 40 << 20}, "Kernel memory goes only when", CERTAIN),
    ],
)
def test_why_reclaim_failed(stats: Dict[str, Any], words: str, confidence: str) -> None:
    finding = found(memcg2(**stats), "reclaim")
    assert words in (finding.interpretation or "")
    assert finding.confidence == confidence


def test_protection_and_effort() -> None:
    event = with_memcg(memcg2(), min_protection_kb=2048, low_protection_kb=0)
    event = changed(event, reclaim=Reclaim(16, 1000, 3, 2_500_000))
    finding = found(event, "reclaim")
    assert "2.0 MiB (2048 kB) used below is protected by memory.min" in finding.sentence
    assert "the kernel tried: 16 attempts, 3 of 1000 scanned pages reclaimed, in 2.5 ms" in finding.sentence


def test_zones_below_their_watermark() -> None:
    finding = found(machine_wide(), "reclaim")
    assert "zone DMA32 of node 0 free 8.8 MiB, min watermark 10.7 MiB".lower() in finding.sentence.lower()
    assert "Every zone that it could use was below its min watermark or reserve." in (finding.interpretation or "")


def test_a_zone_that_was_above_when_printed() -> None:
    event = machine_wide(zones=(zone("DMA32", 12000, 11000, 1000000, (0, 0, 0, 0, 0)),))
    assert "was above its min watermark when this was printed" in found(event, "reclaim").sentence


def test_a_lower_zone_is_reserved() -> None:
    """DMA has 8000 kB free, but 1900 pages of it are not for allocations that could be of DMA32."""
    zones = (zone("DMA", 7000, 44, 15000, (0, 1900, 1900, 1900, 1900)), zone("DMA32", 900, 1100, 985000, (0, 0, 0)))
    assert "Every zone that it could use" in (found(machine_wide(zones=zones), "reclaim").interpretation or "")


def test_fragmentation() -> None:
    event = machine_wide(zones=(zone("DMA32", 60000, 11000, 1000000, (0, 0, 0, 0, 0)),))
    event = changed(event, trigger=replace(event.report.trigger, order=3))
    finding = found(event, "reclaim")
    assert finding.sentence.startswith("8 contiguous pages were asked for")
    assert "no zone above its watermark had a free block of order 3" in (finding.interpretation or "")


def test_high_atomic_blocks_are_not_for_all() -> None:
    blocks = ((15000, 4, "UM"), (0, 8, ""), (0, 16, ""), (5, 32, "H"), (0, 64, ""))
    event = machine_wide(zones=(zone("DMA32", 60000, 11000, 1000000, (0, 0, 0, 0, 0), buddy=blocks),))
    event = changed(event, trigger=replace(event.report.trigger, order=3))
    assert "free block of order 3" in (found(event, "reclaim").interpretation or "")


def test_zones_that_are_missing_are_not_judged() -> None:
    event = machine_wide(zones=(zone("DMA", 20, 44, 15000),))
    assert "zone" not in found(event, "reclaim").sentence


def test_zones_above_the_gfp_mask_do_not_count() -> None:
    zones = (zone("Normal", 3000, 7000, 500000, (0, 0)), zone("HighMem", 400000, 500, 500000, (0, 0)))
    event = machine_wide(zones=zones)
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_KERNEL"))
    assert "Every zone that it could use" in (found(event, "reclaim").interpretation or "")


def test_free_memory_that_is_not_for_the_allocation() -> None:
    zones = (zone("Normal", 3000, 7000, 500000, (0, 0)), zone("HighMem", 400000, 500, 500000, (0, 0)))
    event = machine_wide(zones=zones)
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_KERNEL"))
    finding = found(event, "reclaim")
    assert "390.6 MiB free in zone HighMem of node 0" in finding.sentence
    assert "What was free is above zone Normal" in (finding.interpretation or "")


def test_nodes_with_nothing_but_movable_memory() -> None:
    """Also where the lines after the zones are cut off."""
    event = machine_wide("cpuset", zones=(zone("Movable", 900000, 10, 1000000),))
    assert event.report.meminfo is not None
    event = changed(event, trigger=replace(event.report.trigger, gfp_flags="GFP_HIGHUSER|__GFP_ACCOUNT"),
                    meminfo=replace(event.report.meminfo, tail={}))
    finding = found(event, "reclaim")
    assert finding.sentence.startswith("The nodes have only zone Movable")
    assert "was not for this allocation" in (finding.interpretation or "")


@pytest.mark.parametrize(
    ("more", "flags", "below"),
    [
        ({"reserved_highatomic_kb": 40000}, "GFP_KERNEL", True),
        ({"reserved_highatomic_kb": 40000, "free_highatomic_kb": 500}, "GFP_KERNEL", False),
        ({"free_cma_kb": 40000}, "GFP_KERNEL", True),
        ({"free_cma_kb": 40000}, "GFP_HIGHUSER_MOVABLE", False),
    ],
)
def test_free_memory_that_is_set_aside(more: Dict[str, int], flags: str, below: bool) -> None:
    event = machine_wide(zones=(zone("Normal", 50000, 12000, 1000000, (0, 0, 0, 0, 0), **more),))
    finding = found(changed(event, trigger=replace(event.report.trigger, gfp_flags=flags)), "reclaim")
    assert ("Every zone that it could use" in (finding.interpretation or "")) is below
    assert ("39.1 MiB of it not for this allocation" in finding.sentence) is below


def test_a_reserve_is_named() -> None:
    zones = (zone("DMA32", 50000, 48000, 900000, (0, 0, 1000)), zone("Normal", 900, 1100, 100000, (0, 0, 0)))
    finding = found(machine_wide(zones=zones), "reclaim")
    assert "min watermark 46.9 MiB and 3.9 MiB reserved from it (lowmem_reserve)" in finding.sentence
    evidence = {fact.name: fact.value for fact in finding.facts}
    assert evidence["Normal of node 0 free_kb"] == 900 and evidence["DMA32 of node 0 lowmem_reserve_kb"] == 4000


def test_the_slab_of_a_machine() -> None:
    event = machine_wide(counters={"slab_unreclaimable_pages": 100000})
    assert "Unreclaimable slab goes only when" in (found(event, "reclaim").interpretation or "")
    assert "Unreclaimable slab" not in (found(machine_wide(), "reclaim").interpretation or "")


def test_swap_of_the_machine() -> None:
    assert found(machine_wide(), "swap").sentence == "There is no swap."
    full = machine_wide(tail={"total_swap_kb": 1000000, "free_swap_kb": 8})
    assert found(full, "swap").interpretation == "Swap was full."


def test_much_free_memory_is_not_a_machine_that_ran_out() -> None:
    event = machine_wide("cpuset", counters={"free_pages": 240000}, zones=(zone("Movable", 900000, 10, 1000000),))
    assert "found no memory that it could use, with 878.9 MiB of 976.6 MiB free" in why.explain(event).headline


def test_the_lost_context_of_a_fault() -> None:
    event = machine_wide()
    event = changed(event, trigger=replace(event.report.trigger, gfp_mask=0, gfp_flags=""))
    finding = found(event, "full")
    assert "a charge to a full memory cgroup could end here as well" in (finding.interpretation or "")
    assert finding.confidence == UNKNOWN


@pytest.mark.parametrize(("kind", "words"), [("cpuset", "cpuset"), ("mempolicy", "memory policy")])
def test_nodes(kind: str, words: str) -> None:
    assert f"all that the task's {words} allows" in found(machine_wide(kind), "full").sentence


def test_sysrq() -> None:
    event = changed(memcg2(), kind="sysrq", memcg=None)
    assert why.explain(event).headline.startswith("Someone asked the kernel for a kill (SysRq-f)")
    assert found(event, "full").interpretation == "Nothing needs to have been full."
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
    assert "47.9 MiB is something else" in (found(event, "tasks").interpretation or "")
    assert "/dev/shm" in why.explain(event).suggestions[0].sentence


def test_free_memory_is_in_no_task_and_needs_no_explanation() -> None:
    rows = (task(10, "a", 100), task(11, "b", 200))
    idle = machine_wide("sysrq", counters={"free_pages": 200000, "active_anon_pages": 0}, tasks=rows)
    assert found(idle, "tasks").interpretation is None
    busy = machine_wide("sysrq", counters={"active_anon_pages": 200000, "shmem_pages": 200000}, tasks=rows)
    assert "963.6 MiB (986760 kB) is in no listed task" in (found(busy, "tasks").interpretation or "")


def test_page_tables_are_in_a_task() -> None:
    rows = (task(11, "sparse", 3000, pgtables_bytes=30 << 20),)
    event = memcg2(rows, anon=12 << 20, kernel=31 << 20, shmem=0, file=0)
    finding = found(event, "tasks")
    assert "their page tables 30.0 MiB" in finding.sentence
    assert finding.interpretation is None
    assert any("page tables of sparse (11) take 30.0 MiB" in one.sentence for one in why.explain(event).suggestions)


def test_shared_pages_count_for_each() -> None:
    rows = tuple(task(10 + n, "worker", 7000) for n in range(4))
    finding = found(memcg2(rows), "tasks")
    assert (finding.interpretation or "").startswith("That is more than all of it: pages that tasks share count")
    counted = tuple(replace(row, rss_anon_pages=row.rss_pages) for row in rows)
    assert found(memcg2(counted), "tasks").interpretation == finding.interpretation
    assert "for what its 4 tasks held; or they must" in why.explain(memcg2(rows)).suggestions[0].sentence


def test_a_cut_table_explains_nothing() -> None:
    event = changed(memcg2(), missing=("part of the task table",))
    assert found(event, "tasks").confidence == UNKNOWN
    assert "Not in the log: part of the task table." in found(event, "missing").sentence


def test_no_table() -> None:
    assert found(changed(memcg2(), tasks=None), "tasks").sentence == "Not in the source: task table."


def charged(pid: int, *growth: Tuple[int, str, int]) -> Optional[str]:
    event = memcg2()
    event = changed(
        event, trigger=replace(event.report.trigger, pid=pid, comm="x"),
        growth=tuple(Growth(pid, comm, pages, "/a", 3_000_000_000) for pid, comm, pages in growth),
    )
    return found(event, "charging").interpretation


def test_who_lowers_a_limit_asks_for_nothing() -> None:
    event = changed(memcg2(), stack=stack("mem_cgroup_out_of_memory", "memory_max_write"))
    event = changed(event, growth=(Growth(10, "small", 9, "/a", 3_000_000_000),))
    assert found(event, "charging").interpretation is None


def test_small_charges_say_nothing_of_a_machine() -> None:
    """Of 1 GB. The hog may be in the root memory cgroup, where nothing is charged."""
    event = machine_wide()
    assert event.report.trigger.pid == 11
    few, many = (changed(event, growth=(Growth(10, "small", pages, "/a", 10**9),)) for pages in (100, 100000))
    assert found(few, "charging").interpretation is None
    assert "small (10) charged most, 390.6 MiB" in (found(many, "charging").interpretation or "")


def test_who_filled_and_who_was_last() -> None:
    assert charged(11, (11, "hog", 9000)) == "It also charged most: 35.2 MiB in the last 3.000 s."
    assert charged(10, (11, "hog", 9000), (10, "small", 9)) == (
        "It was only the last: hog (11) charged most, 35.2 MiB in the last 3.000 s."
    )
    assert charged(10, (10, "small", 9)) == (
        "It also charged most: 36 kB in the last 3.000 s. Yet hog (11) holds most, from before: 39.1 MiB."
    )
    assert charged(10) == "It was only the last to ask: it holds 400 kB, hog (11) 39.1 MiB."
    assert charged(11) is None
