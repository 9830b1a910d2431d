"""Events for the tests, built by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

from oomtrace import why
from oomtrace.model import (
    Frame,
    Kill,
    Machine,
    Memcg,
    MemcgStats,
    MemInfo,
    OomEvent,
    PageCounter,
    Stack,
    Summary,
    Task,
    Trigger,
    Verdict,
    Zone,
)
from tests.events import changed, made

NO_LIMIT_KB = 9007199254740988

SEED_STATS = {
    "cache": 56, "rss": 1048520, "rss_huge": 1038336, "mapped_file": 0, "swap": 0, "inactive_anon": 0,
    "active_anon": 1048520, "inactive_file": 28, "active_file": 28, "unevictable": 0,
}


def stack(*functions: str) -> Stack:
    return Stack(tuple(Frame(function) for function in functions))


def seed() -> OomEvent:
    """The report that started the project, RHEL 7."""
    return made(
        kind="memcg",
        machine=Machine(release="3.10.0-693.21.1.el7.x86_64"),
        trigger=Trigger(comm="python", pid=1399, cpu=6, gfp_mask=0xD0, order=0, oom_score_adj=0, cpuset="/",
                        mems_allowed="0"),
        stack=stack("oom_kill_process", "mem_cgroup_oom_synchronize", "pagefault_out_of_memory", "mm_fault_error",
                    "__do_page_fault", "trace_do_page_fault", "do_async_page_fault", "async_page_fault"),
        memcg=Memcg(
            path="/foo", memory=PageCounter(1048576, 1048576, 677), memsw=PageCounter(1048576, NO_LIMIT_KB, 0),
            kmem=PageCounter(0, NO_LIMIT_KB, 0), stats=(MemcgStats("/foo", SEED_STATS, "KB"),),
        ),
        victim_memcg="/foo",
        tasks=(
            Task(1243, "bash", 0, 1243, 29143, 850, nr_ptes=13, swapents_pages=0, oom_score_adj=0),
            Task(1399, "python", 0, 1399, 1007354, 262500, nr_ptes=527, swapents_pages=0, oom_score_adj=0),
        ),
        verdict=Verdict("Memory cgroup out of memory", 1399, "python", 973),
        kills=(Kill(1399, "python", total_vm_kb=4029416, anon_rss_kb=1048144, file_rss_kb=1856, shmem_rss_kb=0),),
    )


def task(pid: int, comm: str, rss: int, adj: int = 0, **more: Any) -> Task:
    """A row of the table of 4.15+; rss in pages."""
    values = {"uid": 1000, "tgid": pid, "total_vm_pages": 2 * rss + 100, "rss_pages": rss, "pgtables_bytes": 0,
              "swapents_pages": 0, "oom_score_adj": adj, **more}
    return Task(pid=pid, comm=comm, **values)


STATS_2 = {
    "anon": 40 << 20, "file": 6 << 20, "kernel": 2 << 20, "sock": 0, "shmem": 1 << 20, "file_dirty": 0,
    "file_writeback": 0, "swapcached": 0, "inactive_anon": 0, "active_anon": 41 << 20, "inactive_file": 3 << 20,
    "active_file": 2 << 20, "unevictable": 0, "slab_reclaimable": 1 << 20, "slab_unreclaimable": 1 << 19,
}


def memcg2(tasks: tuple[Task, ...] = (task(10, "small", 100), task(11, "hog", 10000)), victim: int = 11,
           limit_kb: int = 48 << 10, swap: Optional[PageCounter] = None, **stats: int) -> OomEvent:
    """A memcg OOM of 6.1 on cgroup v2; statistics in bytes."""
    row = next(row for row in tasks if row.pid == victim)
    return made(
        kind="memcg",
        machine=Machine(release="6.1.0-56-cloud-amd64"),
        trigger=Trigger(comm=row.comm, pid=row.pid, gfp_mask=0xCC0, gfp_flags="GFP_KERNEL", order=0, oom_score_adj=0),
        stack=stack("try_charge_memcg", "charge_memcg", "__mem_cgroup_charge", "__handle_mm_fault"),
        memcg=Memcg(path="/a", memory=PageCounter(limit_kb, limit_kb, 9), swap=swap or PageCounter(0, NO_LIMIT_KB, 0),
                    stats=(MemcgStats("/a", {**STATS_2, **stats}, "bytes"),), version=2),
        tasks=tasks,
        summary=Summary("CONSTRAINT_MEMCG", "(null)", "/", "0", None, "/a", "/a/b", row.comm, row.pid, row.uid),
        victim_memcg="/a/b",
        kills=(Kill(row.pid, row.comm, "Memory cgroup out of memory", row.uid, 4 * (row.total_vm_pages or 0),
                    4 * (row.rss_pages or 0), 0, 0, 0, row.oom_score_adj),),
    )


def zone(name: str, free: int, low: int, managed: int, reserve: tuple[int, ...] = (), **more: Any) -> Zone:
    blocks = more.pop("buddy", ((free // 4, 4, "UM"),) + tuple((0, 4 << order, "") for order in range(1, 11)))
    counters = {"free_kb": free, "min_kb": low, "present_kb": managed, "managed_kb": managed, **more}
    return Zone(0, name, counters, reserve, blocks)


COUNTERS = {
    "active_anon_pages": 200000, "inactive_anon_pages": 20000, "isolated_anon_pages": 0, "active_file_pages": 50,
    "inactive_file_pages": 50, "isolated_file_pages": 0, "unevictable_pages": 0, "dirty_pages": 0,
    "writeback_pages": 0, "slab_reclaimable_pages": 2000, "slab_unreclaimable_pages": 3000, "mapped_pages": 10,
    "shmem_pages": 100, "pagetables_pages": 900, "free_pages": 3000, "free_pcp_pages": 10,
}
TAIL = {"total_swap_kb": 0, "free_swap_kb": 0, "ram_pages": 260000, "reserved_pages": 10000}


def machine_wide(kind: str = "global", counters: Optional[Mapping[str, int]] = None,
                 tail: Optional[Mapping[str, int]] = None, zones: Optional[tuple[Zone, ...]] = None,
                 **more: Any) -> OomEvent:
    """An OOM of a machine of 250000 managed pages, 6.1."""
    event = memcg2((task(10, "small", 100), task(11, "hog", 200000)))
    listed = zones if zones is not None else (zone("DMA32", 9000, 11000, 1000000, (0, 0, 0, 0, 0)),)
    event = changed(
        event, kind=kind, memcg=None,
        meminfo=MemInfo({**COUNTERS, **(counters or {})}, zones=listed, tail={**TAIL, **(tail or {})}),
        trigger=replace(event.report.trigger, gfp_mask=0x140DCA,
                        gfp_flags="GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"),
        summary=Summary("CONSTRAINT_NONE", "(null)", "/", "0", True, None, "/", "hog", 11, 1000),
    )
    return changed(event, **more)


def found(event: OomEvent, id: str) -> why.Finding:
    """The finding of that id, which there must be."""
    finding = why.explain(event).finding(id)
    assert finding is not None, id
    return finding


def reasons(event: OomEvent, id: str) -> list[str]:
    """What that finding states."""
    return [reason.value for reason in found(event, id).reasons]


def fact(event: OomEvent, id: str, name: str) -> Any:
    """A fact of that finding."""
    return found(event, id).value(name)


def advice(event: OomEvent) -> list[str]:
    """What the suggestions state, as "finding: reason"."""
    return [f"{one.finding}: {one.reason.value}" for one in why.explain(event).suggestions]
