"""The kernel's structures → the Mem-Info part. The captures are of guests: global with swap, and of two nodes."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path
from struct import pack
from typing import Any, Optional

import pytest

from oomtrace import text
from oomtrace.facts import CounterAt, Facts, FreeArea, MeminfoFacts
from oomtrace.model import Allocation, MemInfo, OomEvent, Part
from oomtrace.wire import capture, meminfo
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.printed import PrintedMeminfo
from oomtrace.wire.records import RecordKind, RecReport
from tests.wire.made import oom_records, printks, record

CAPTURES = sorted((Path(__file__).resolve().parent / "data").glob("*.oom.gz"))

# A kernel with two orders, two migrate types and few counters.
FACTS = MeminfoFacts(
    node={"active_anon": CounterAt(0, 1), "file_pages": CounterAt(1, 1), "kernel_stack": CounterAt(2, 0),
          "anon_thp": CounterAt(3, 512)},
    zone={"free": CounterAt(0, 1)},
    letters="UM",
    zones={"ZONE_DMA": 0, "ZONE_DMA32": 1, "ZONE_NORMAL": 2, "ZONE_HIGHMEM": None, "ZONE_MOVABLE": 3},
    numa=True,
    cma=False,
    by_gfp_zone=True,
    hugepages_by_node=True,
    free_area=FreeArea(orders=2, bytes=40, nr_free=32),
)
GFP_HIGHUSER_MOVABLE, GFP_DMA32, GFP_KERNEL = 0x100CCA, 0xCC4, 0xCC0
LIST = 0xFFFF888000001000


def _records(areas: Optional[bytes] = None, **changes: Any) -> list[TraceRecord]:
    """Two nodes: DMA and NORMAL on the first, NORMAL on the second. ``areas``: other free lists."""
    other = LIST + 0x500
    first = pack("<5Q", LIST, LIST, other, other, 3)  # order 0: none unmovable, three movable
    second = pack("<5Q", LIST + 40, 0, LIST + 56, 0, 0)
    zone: dict[str, Any] = {
        "watermark": [10, 20, 30],
        "boost": 1,
        "free_area": LIST,
        "areas": areas or first + second,
        "reserves": 2,
        "lowmem_reserve": [0, 5],
        "present": 100,
        "managed": 90,
        "free_pcp": 4,
        "local_pcp": 3,
        "free_highatomic": (1 << 64) - 1,
        "stat": [25],
    }
    memory: dict[str, Any] = {
        "mems_allowed": [3],
        "node_stat": [7, 8],
        "zone_stat": [-9],
        "free_swap": 1,
        "total_swap": 2,
        "swapcache": 3,
        "swapcache_info": [-1],
        "poisoned": -1,
        **changes,
    }
    node: dict[str, Any] = {"has_memory": 1, "stat": [7, 0, 16, 2], "kswapd_failures": 16}
    return [
        record(RecordKind.MEMORY, **memory),
        record(RecordKind.NODE, node=0, **node),
        record(RecordKind.ZONE, node=0, zone=0, name=b"DMA", **zone),
        record(RecordKind.ZONE, node=0, zone=2, name=b"Normal", **zone),
        record(RecordKind.NODE, node=1, **node),
        record(RecordKind.ZONE, node=1, zone=2, name=b"Normal", **zone),
    ]


def _made(
    nodemask: Optional[list[int]] = None, gfp_mask: int = GFP_HIGHUSER_MOVABLE, facts: MeminfoFacts = FACTS,
    **changes: Any,
) -> MemInfo:
    decided = record(RecordKind.CHOSEN, gfp_mask=gfp_mask, nodemask=nodemask or [], has_nodemask=nodemask is not None)
    held = meminfo.held(oom_records(*_records(**changes), facts=Facts(meminfo=facts)), decided.read(RecReport))
    assert held is not None
    return held


def test_counters_in_the_units_that_are_printed() -> None:
    held = _made()
    assert held.counters["active_anon_pages"] == 7
    assert held.counters["free_pages"] == 0  # caught below zero
    assert held.counters["free_pcp_pages"] == 12
    assert held.nodes[0].counters["active_anon_kb"] == 28
    assert held.nodes[0].counters["kernel_stack_kb"] == 16
    assert held.nodes[0].counters["anon_thp_kb"] == 4096
    assert held.nodes[0].all_unreclaimable is True
    zone = held.zones[0]
    assert (zone.counters["min_kb"], zone.counters["high_kb"], zone.counters["free_kb"]) == (44, 124, 100)
    assert "free_highatomic_kb" not in zone.counters
    assert zone.lowmem_reserve_pages == (0, 5)
    assert held.tail == {
        "pagecache_pages": 8,
        "swapcache_pages": 3,
        "free_swap_kb": 4,
        "total_swap_kb": 8,
        "ram_pages": 300,
        "highmem_movable_pages": 0,
        "reserved_pages": 30,
    }


def test_free_lists() -> None:
    zone = _made().zones[0]
    assert zone.buddy == ((3, 4, "M"), (0, 8, ""))
    assert zone.buddy_total_kb == 12


def _lists(orders: int) -> tuple[MeminfoFacts, bytes]:
    """So many orders of six migrate types, with as many blocks free as each order's number says."""
    facts = replace(FACTS, letters="UMEHCI", free_area=FreeArea(orders=orders, bytes=104, nr_free=96))
    heads = (LIST + 104 * order + 16 * at for order in range(orders) for at in range(6))
    lists = b"".join(pack("<QQ", head, head) for head in heads)
    return facts, b"".join(lists[96 * order:96 * order + 96] + pack("<Q", order) for order in range(orders))


def test_pages_of_64_kb_have_14_orders() -> None:
    """Up to 512 MiB (arch/arm64/Kconfig, ARCH_FORCE_MAX_ORDER)."""
    facts, areas = _lists(14)
    zone = _made(facts=facts, areas=areas).zones[0]
    assert [n for n, _, _ in zone.buddy] == list(range(14))
    assert zone.buddy_total_kb == 4 * sum(order << order for order in range(14))


def test_free_lists_that_are_cut_off_are_not_guessed() -> None:
    facts, _ = _lists(32)
    decided = record(RecordKind.CHOSEN, gfp_mask=GFP_KERNEL).read(RecReport)
    assert meminfo.held(oom_records(*_records(), facts=Facts(meminfo=facts)), decided) is None


def test_nodes_that_the_task_may_not_use_are_left_out() -> None:
    assert [zone.node for zone in _made(mems_allowed=[2]).zones] == [1]
    by_policy = _made(nodemask=[1])
    assert [node.node for node in by_policy.nodes] == [0]
    assert by_policy.tail["ram_pages"] == 300  # the sums are of all nodes
    assert by_policy.counters["free_pcp_pages"] == 8


def test_zones_that_the_allocation_may_not_use_are_left_out_from_6_1_on() -> None:
    held = _made(gfp_mask=GFP_DMA32)
    assert [(zone.node, zone.name) for zone in held.zones] == [(0, "DMA")]
    assert [node.node for node in held.nodes] == [0]  # node 1 has nothing that serves
    older = _made(gfp_mask=GFP_DMA32, facts=replace(FACTS, by_gfp_zone=False))
    assert len(older.zones) == 3
    assert len(older.nodes) == 2


@pytest.mark.parametrize(
    ("gfp_mask", "zone"), [(GFP_HIGHUSER_MOVABLE, 3), (GFP_DMA32, 1), (GFP_KERNEL, 2), (0xCC1, 0), (0xCC2, 2)]
)
def test_gfp_zone(gfp_mask: int, zone: int) -> None:
    assert meminfo.gfp_zone(gfp_mask, FACTS.zones) == zone


def test_what_was_printed_wins() -> None:
    lines = printks(("Node %d ", 1), ("%s free:%lukB\n", b"Normal", 96), ("%ld total pagecache pages\n", 6))
    printed = PrintedMeminfo(lines)
    found = meminfo.overlaid(_made(), printed)
    assert found is not None
    assert [zone.counters["free_kb"] for zone in found.zones] == [100, 100, 96]
    assert found.zones[2].counters["min_kb"] == 44
    assert found.tail["pagecache_pages"] == 6
    assert found.counters["active_anon_pages"] == 7


def test_what_can_only_be_had_from_what_was_printed() -> None:
    title = printks(("\x015Memory allocations (profiling is currently turned %s):\n", b"on"))
    row = record(RecordKind.ALLOCATION, 2, size=b"4 KiB", calls=1, file=b"a.c", line=2, function=b"f")
    found = meminfo.overlaid(_made(), PrintedMeminfo([*title, row]))
    assert found is not None and found.profiling is True
    assert found.allocations == (Allocation("4 KiB", 1, "a.c", 2, "f"),)
    assert _made().allocations is None


def test_when_the_kernel_lists_its_slab_caches() -> None:
    assert not meminfo.slab_outweighs(_made())
    facts = replace(FACTS, node={**FACTS.node, "slab_unreclaimable": CounterAt(2, 1)})
    assert meminfo.slab_outweighs(_made(facts=facts, node_stat=[7, 8, 9]))


def test_nothing_known() -> None:
    decided = record(RecordKind.CHOSEN).read(RecReport)
    assert meminfo.held(oom_records(), decided) is None
    assert meminfo.held(oom_records(*_records()), decided) is None, "nothing says how to read them"
    assert meminfo.overlaid(None, PrintedMeminfo([])) is None


def _capture(path: Path) -> capture.Capture:
    return capture.load(io.BytesIO(gzip.decompress(path.read_bytes())))


def _kernel_lines(path: Path) -> list[str]:
    """The report as the guest's log has it; made with the capture."""
    return gzip.decompress(path.with_name(path.name.replace(".oom.", ".log.")).read_bytes()).decode().splitlines()


def _lines(event: OomEvent) -> list[str]:
    return text.text(text.write(event)).splitlines()


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_captured_report_is_the_kernels(path: Path) -> None:
    (event,) = capture.events(_capture(path))
    assert _lines(event) == _kernel_lines(path)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_the_structures_alone_make_the_same_lines(path: Path) -> None:
    """Chosen so that no other CPU moved a counter between the structures and the print."""
    held = _capture(path)
    silent = tuple(r for r in held.records if held.layout.decode(r).kind not in (RecordKind.PRINT, RecordKind.FORMAT))
    (event,) = capture.events(replace(held, records=silent))
    assert _lines(event) == _kernel_lines(path)


def test_lines_whose_records_are_lost_are_named() -> None:
    """CONFIG_MEM_ALLOC_PROFILING: ten places in the source, one of them in a module. No structure has them."""
    held = _capture(next(path for path in CAPTURES if path.name.startswith("6.12-unusual-")))
    (event,) = capture.events(held)
    assert event.report.meminfo is not None and event.report.meminfo.allocations is not None
    assert [place.module for place in event.report.meminfo.allocations] == [None, "hoard", *8 * [None]]
    assert event.origin.missing == ()
    places = [at for at, r in enumerate(held.records) if held.layout.decode(r).kind is RecordKind.ALLOCATION]
    for lost in (places[:1], places):
        (event,) = capture.events(replace(held, records=tuple(
            r for at, r in enumerate(held.records) if at not in lost)))
        assert event.report.meminfo is not None
        assert len(event.report.meminfo.allocations or ()) == 10 - len(lost)
        assert event.origin.missing == (Part.ALLOCATIONS,) and event.trace.records_lost == len(lost)
