"""The machine's counters, nodes and zones → the Mem-Info part (mm/show_mem.c, __show_mem).

``facts.meminfo`` says which entry of an array is what (kernel/meminfo.py). What the kernel printed replaces what the
structures held (wire/printed.py): it read them a moment later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import unpack_from
from typing import Optional

from oomtrace.facts import CounterAt, FreeArea, MeminfoFacts
from oomtrace.model import Counters, HugePages, MemInfo, Node, Zone
from oomtrace.wire.layout import text_of
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.printed import PrintedMeminfo, ZoneKey
from oomtrace.wire.records import RecMemory, RecNode, RecordKind, RecReport, RecZone

_MAX_RECLAIM_RETRIES = 16  # kswapd has failed that often: the node counts as unreclaimable
_GLOBAL = (
    "active_anon inactive_anon isolated_anon active_file inactive_file isolated_file unevictable dirty writeback "
    "unstable slab_reclaimable slab_unreclaimable mapped shmem pagetables sec_pagetables kernel_misc_reclaimable"
).split()
_NOT_IN_NODES = ("slab_reclaimable", "slab_unreclaimable", "kernel_misc_reclaimable", "file_pages")


class HeldMeminfo:
    """What the structures held of the machine's memory, as the records of one OOM have it. ``facts`` say how to read
    them."""

    def __init__(self, records: OomRecords, memory: RecMemory, facts: MeminfoFacts, area: FreeArea) -> None:
        self._records = records
        self._memory = memory
        self._facts = facts
        self._area = area
        self._nodes = records.all(RecordKind.NODE, RecNode)
        self._zones = [zone for zone in records.all(RecordKind.ZONE, RecZone) if zone.present]  # populated_zone
        self._kb = records.facts.page_kb

    def meminfo(self, nodemask: Optional[Sequence[int]], gfp_mask: int) -> MemInfo:
        """As the kernel would print it for an allocation; ``nodemask`` are the words of oc->nodemask if it has one."""
        facts = self._facts
        words = nodemask if nodemask is not None else self._memory.mems_allowed
        shown = sum(word << 64 * at for at, word in enumerate(words))
        highest = gfp_zone(gfp_mask, facts.zones) if facts.by_gfp_zone else len(facts.zones)
        nodes = [node for node in self._nodes if shown >> node.node & 1]
        zones = [zone for zone in self._zones if shown >> zone.node & 1 and zone.zone <= highest]
        listed = nodes
        if facts.by_gfp_zone:
            managed = {zone.node for zone in zones if zone.managed}
            listed = [node for node in nodes if node.node in managed]
        if not facts.hugepages_by_node:
            nodes = [node for node in self._nodes if node.has_memory]
        return MemInfo(
            counters=self._counters(zones),
            nodes=tuple(map(self._node, listed)),
            zones=tuple(map(self._zone, zones)),
            hugepages=tuple(pages for node in nodes for pages in self._hugepages(node)),
            tail=self._tail(),
        )

    def _counters(self, zones: Sequence[RecZone]) -> dict[str, int]:
        node, zone = self._facts.node, self._facts.zone
        found: dict[str, int] = {}
        for name in _GLOBAL:
            if name in node:
                found[f"{name}_pages"] = max(0, self._memory.node_stat[node[name].at])
            elif name in zone:
                found[f"{name}_pages"] = max(0, self._memory.zone_stat[zone[name].at])
        for name in ("bounce", "free", "free_cma"):
            found[f"{name}_pages"] = max(0, self._memory.zone_stat[zone[name].at]) if name in zone else 0
        if all(record.free_pcp >= 0 for record in zones):  # else the CPUs' lists are not to be found
            found["free_pcp_pages"] = sum(record.free_pcp for record in zones)
        return found

    def _amounts(self, stat: Sequence[int], items: Mapping[str, CounterAt]) -> dict[str, int]:
        """Kilobytes by name. A counter may be caught below zero while CPUs hold parts of it."""
        return {f"{name}_kb": max(0, stat[at]) * (unit * self._kb or 1) for name, (at, unit) in items.items()}

    def _node(self, record: RecNode) -> Node:
        items = {name: item for name, item in self._facts.node.items() if name not in _NOT_IN_NODES}
        amounts = self._amounts(record.stat, items)
        return Node(record.node, amounts, record.kswapd_failures >= _MAX_RECLAIM_RETRIES)

    def _zone(self, record: RecZone) -> Zone:
        kb = self._kb
        least, low, high = record.watermark
        counters = {
            "boost_kb": record.boost * kb,
            "min_kb": (least + record.boost) * kb,
            "low_kb": (low + record.boost) * kb,
            "high_kb": (high + record.boost) * kb,
            "reserved_highatomic_kb": record.reserved_highatomic * kb,
            "present_kb": record.present * kb,
            "managed_kb": record.managed * kb,
            "bounce_kb": 0,  # since the counter is gone
            **self._amounts(record.stat, self._facts.zone),
        }
        if record.free_pcp >= 0:
            counters |= {"free_pcp_kb": record.free_pcp * kb, "local_pcp_kb": record.local_pcp * kb}
        free_highatomic = self._records.tracked(record.free_highatomic)
        if free_highatomic is not None:
            counters["free_highatomic_kb"] = free_highatomic * kb
        free = list(self._free(record))
        return Zone(
            node=record.node if self._facts.numa else None,
            name=text_of(record.name),
            counters=counters,
            lowmem_reserve_pages=tuple(record.lowmem_reserve[: record.reserves]),
            buddy=tuple((n, kb << order, letters) for order, (n, letters) in enumerate(free)),
            buddy_total_kb=sum(n << order for order, (n, _) in enumerate(free)) * kb,
        )

    def _free(self, record: RecZone) -> Iterator[tuple[int, str]]:
        """By order, how many blocks are free and the letters of the migrate types that have some."""
        letters, data = self._facts.letters, bytes(record.areas)
        for order in range(self._area.orders):
            at = order * self._area.bytes
            (count,) = unpack_from("<Q", data, at + self._area.nr_free)
            lists = unpack_from("<" + "QQ" * len(letters), data, at)[::2]
            heads = (record.free_area + at + 16 * number for number in range(len(letters)))
            filled = zip(letters, lists, heads)
            # As in show_migration_types: where nothing is free, nothing is in brackets.
            yield count, "".join(letter for letter, first, head in filled if first != head) if count else ""

    def _hugepages(self, node: RecNode) -> list[HugePages]:
        known = node.hugepages[: min(node.hstates, len(node.hugepages))]
        return [HugePages(node.node, size.total, size.free, size.surp, self._kb << size.order) for size in known]

    def _tail(self) -> dict[str, int]:
        memory, kb = self._memory, self._kb
        tail = {"pagecache_pages": max(0, memory.node_stat[self._facts.node["file_pages"].at])}
        if memory.total_swap >= 0:  # CONFIG_SWAP
            tail["swapcache_pages"] = memory.swapcache
            if memory.swapcache_info[0] >= 0:
                names = ("swapcache_added", "swapcache_deleted", "swapcache_found", "swapcache_sought")
                tail.update(zip(names, memory.swapcache_info))
            tail["free_swap_kb"] = memory.free_swap * kb
            tail["total_swap_kb"] = memory.total_swap * kb
        tail["ram_pages"] = sum(zone.present for zone in self._zones)
        tail["highmem_movable_pages"] = 0  # 64-bit kernels have none
        tail["reserved_pages"] = sum(zone.present - zone.managed for zone in self._zones)
        cma = self._records.tracked(memory.cma)
        cma = self._records.facts.cma_pages if cma is None else cma
        if self._facts.cma and cma is not None:
            tail["cma_reserved_pages"] = cma
        if memory.poisoned >= 0:
            tail["hwpoisoned_pages"] = memory.poisoned
        return tail


def held(records: OomRecords, decision: RecReport) -> Optional[MemInfo]:
    """What the structures held. None if the records have nothing of it, or nothing says how to read them."""
    memory, facts = records.first(RecordKind.MEMORY, RecMemory), records.facts.meminfo
    if memory is None or facts is None or facts.free_area is None:
        return None
    area, zone = facts.free_area, records.first(RecordKind.ZONE, RecZone)
    if zone is not None and area.orders * area.bytes > len(zone.areas):  # the largest orders were cut off
        return None
    nodemask = decision.nodemask if decision.has_nodemask else None
    return HeldMeminfo(records, memory, facts, facts.free_area).meminfo(nodemask, decision.gfp_mask)


def gfp_zone(gfp_mask: int, zones: Mapping[str, Optional[int]]) -> int:
    """The highest zone that an allocation may take from (include/linux/gfp.h, GFP_ZONE_TABLE)."""
    dma, highmem, dma32, movable = (gfp_mask >> bit & 1 for bit in range(4))
    normal = zones.get("ZONE_NORMAL") or 0
    wanted = "ZONE_NORMAL"
    if movable and highmem:
        wanted = "ZONE_MOVABLE"
    elif dma:
        wanted = "ZONE_DMA"
    elif dma32:
        wanted = "ZONE_DMA32"
    elif highmem:
        wanted = "ZONE_HIGHMEM"
    found = zones.get(wanted)
    return normal if found is None else found


def slab_outweighs(memory: MemInfo) -> bool:
    """Whether the kernel lists its slab caches, too (mm/oom_kill.c, should_dump_unreclaim_slab)."""
    lists = (
        "active_anon",
        "inactive_anon",
        "active_file",
        "inactive_file",
        "isolated_anon",
        "isolated_file",
        "unevictable",
    )
    total = sum(memory.counters.get(f"{name}_pages", 0) for name in lists)
    return memory.counters.get("slab_unreclaimable_pages", 0) > total


def overlaid(under: Optional[MemInfo], printed: PrintedMeminfo) -> Optional[MemInfo]:
    """The Mem-Info part with the numbers that the kernel printed, where it did."""
    if under is None and not printed.counters:
        return None
    under = under or MemInfo()
    nodes = {node.node: node for node in under.nodes}
    zones = {(zone.node, zone.name): zone for zone in under.zones}
    for number, counters in printed.nodes.items():
        node = nodes.get(number, Node(number))
        nodes[number] = Node(number, _newer(node.counters, counters), node.all_unreclaimable)
    for key in printed.zones:
        zones[key] = _zone(zones.get(key, Zone(*key)), printed, key)
    return MemInfo(
        counters=_newer(under.counters, printed.counters),
        nodes=tuple(nodes.values()),
        zones=tuple(zones.values()),
        hugepages=tuple(printed.hugepages) or under.hugepages,
        tail=_newer(under.tail, printed.tail),
        allocations=None if printed.allocations is None else tuple(printed.allocations),
        profiling=printed.profiling,
    )


def _newer(under: Counters, printed: Counters) -> dict[str, int]:
    return {**under, **printed}


def _zone(zone: Zone, printed: PrintedMeminfo, key: ZoneKey) -> Zone:
    line = printed.zones[key]
    return Zone(
        node=zone.node,
        name=zone.name,
        counters=_newer(zone.counters, line.counters),
        lowmem_reserve_pages=tuple(line.lowmem_reserve_pages) or zone.lowmem_reserve_pages,
        buddy=tuple(line.buddy) if line.total_kb is not None else zone.buddy,
        buddy_total_kb=line.total_kb if line.total_kb is not None else zone.buddy_total_kb,
    )
