"""The arguments of the kernel's printks → numbers."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from oomtrace.model import Allocation, HugePages, SlabCache
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.printed import PrintedMeminfo
from oomtrace.wire.records import RecFormat, RecordKind
from tests.wire.made import printks, record


def test_first_block() -> None:
    text = "active_anon:%lu isolated_anon:%lu\n free:%lu free_pcp:%lu free_cma:%lu"
    found = PrintedMeminfo(printks((text, 5, 0, 7, 8, 9)))
    assert found.counters == {
        "active_anon_pages": 5,
        "isolated_anon_pages": 0,
        "free_pages": 7,
        "free_pcp_pages": 8,
        "free_cma_pages": 9,
    }


def test_node_line_with_a_string_among_its_numbers() -> None:
    text = "Node %d active_anon:%lukB isolated(file):%lukB shmem_thp: %lukB all_unreclaimable? %s Balloon:%lukB\n"
    found = PrintedMeminfo(printks((text, 1, 40, 8, 0, 0xFFFF1234, 12)))
    assert found.nodes == {
        1: {"active_anon_kb": 40, "isolated_file_kb": 8, "shmem_thp_kb": 0, "balloon_kb": 12},
    }


def test_zone_in_pieces() -> None:
    found = PrintedMeminfo(
        printks(
            ("Node %d ", 0),
            (
                "\x01c%s free:%lukB reserved_highatomic:%luKB local_pcp:%ukB\n",
                b"DMA",
                100,
                4,
                1 << 40 | 6,
            ),
            ("lowmem_reserve[]:",),
            ("\x01c %ld", 0),
            ("\x01c %ld", -1),
            ("\x01c\n",),
            ("Node %d ", 1),
            ("\x01c%s free:%lukB\n", b"DMA32", 7),
            ("Node %d ", 0),
            ("\x01c%s: ", b"DMA"),
            ("\x01c%lu*%lukB ", 1, 4),
            ("\x01c(%s) ", b"UM"),
            ("\x01c%lu*%lukB ", 0, 8),
            ("\x01c= %lukB\n", 4),
        )
    )
    assert list(found.zones) == [(0, "DMA"), (1, "DMA32")]
    zone = found.zones[0, "DMA"]
    # %u takes the lower half of the word: what is above it is whatever the register held.
    assert zone.counters == {"free_kb": 100, "reserved_highatomic_kb": 4, "local_pcp_kb": 6}
    assert zone.lowmem_reserve_pages == [0, -1]
    assert zone.buddy == [(1, 4, "UM"), (0, 8, "")]
    assert zone.total_kb == 4
    assert found.zones[1, "DMA32"].total_kb is None


def test_without_numa_zones_have_no_node() -> None:
    assert list(PrintedMeminfo(printks(("%s free:%lukB\n", b"DMA", 1))).zones) == [(None, "DMA")]


def test_the_end() -> None:
    found = PrintedMeminfo(
        printks(
            (
                "\x016Node %d hugepages_total=%u hugepages_free=%u hugepages_surp=%u hugepages_size=%lukB\n",
                0,
                4,
                3,
                0,
                2048,
            ),
            ("%ld total pagecache pages\n", -1),
            ("%lu pages in swap cache\n", 2),
            ("Swap cache stats: add %lu, delete %lu, find %lu/%lu\n", 5, 3, 1, 4),
            ("Free swap  = %ldkB\n", 8),
            ("Total swap = %lukB\n", 16),
            ("%lu pages reserved\n", 77),
            ("%lu pages cma reserved\n", 78),
        )
    )
    assert found.hugepages == [HugePages(0, 4, 3, 0, 2048)]
    assert found.tail == {
        "pagecache_pages": -1,
        "swapcache_pages": 2,
        "swapcache_added": 5,
        "swapcache_deleted": 3,
        "swapcache_found": 1,
        "swapcache_sought": 4,
        "free_swap_kb": 8,
        "total_swap_kb": 16,
        "reserved_pages": 77,
        "cma_reserved_pages": 78,
    }


def test_slab() -> None:
    found = PrintedMeminfo(printks(("\x016%-17s %10luKB %10luKB\n", b"kmalloc-8k", 10, 20)))
    assert found.slab == [SlabCache("kmalloc-8k", 10, 20)]
    assert not found.slab_busy
    assert PrintedMeminfo(printks(("\x014excessive unreclaimable slab but cannot dump stats\n",))).slab_busy


def _allocation(seq: int, **changes: Any) -> TraceRecord:
    fields = {"size": b"1.50 MiB", "calls": 7, "file": b"mm/memory.c", "line": 9, "function": b"f", **changes}
    return record(RecordKind.ALLOCATION, seq, **fields)


@pytest.mark.parametrize("title, profiling", [
    (("\x015Memory allocations:\n",), None),
    (("\x015Memory allocations (profiling is currently turned %s):\n", b"on"), True),
    (("\x015Memory allocations (profiling is currently turned %s):\n", b"off"), False),
])
def test_where_in_the_source_memory_was_allocated(title: tuple[Any, ...], profiling: Optional[bool]) -> None:
    row = ("\x015%12s %8llu %s:%u func:%s\n", b"1.50 MiB", 7, 0, 9, 0)
    titles = printks(title, row)
    found = PrintedMeminfo([*titles, _allocation(4), _allocation(5, module=b"m", size=b"0 B", calls=1 << 40)])
    assert found.allocations == [
        Allocation("1.50 MiB", 7, "mm/memory.c", 9, "f"), Allocation("0 B", 1 << 40, "mm/memory.c", 9, "f", "m")]
    assert found.profiling is profiling
    (earlier,) = PrintedMeminfo([_allocation(0, size=b"", bytes=-4096)]).allocations or ()
    assert earlier.size == "-4096", "up to 6.11"
    assert PrintedMeminfo(titles).allocations == [], "the list was there, and nothing of it is known"
    assert PrintedMeminfo(printks(("Mem-Info:\n",))).allocations is None
    assert PrintedMeminfo([_allocation(0)]).allocations == [Allocation("1.50 MiB", 7, "mm/memory.c", 9, "f")]


def test_other_lines_and_other_tasks_messages_are_passed_over() -> None:
    found = PrintedMeminfo(printks(("Mem-Info:\n",), ("virtio_net %s: %d\n", b"eth0", 3)))
    assert not (found.counters or found.zones or found.tail or found.hugepages)


def test_arguments_that_could_not_be_had() -> None:
    """On machines where only those in registers are."""
    formats = printks(("active_anon:%lu a:%lu b:%lu c:%lu d:%lu e:%lu\n", 1, 2, 3, 4, 5, 6))[:1]
    cut = record(RecordKind.PRINT, 1, format=formats[0].read(RecFormat).format, count=5, args=[1, 2, 3, 4, 5])
    assert PrintedMeminfo([*formats, cut]).counters == {}


def test_a_format_that_was_lost() -> None:
    records = printks(("%ld total pagecache pages\n", 3))
    assert PrintedMeminfo(records[1:]).tail == {}
