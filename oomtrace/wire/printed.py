"""The arguments of each printk of the Mem-Info part → its numbers, by the labels in the kernel's own formats.

A zone's line is printed in pieces: ``Node %d ``, ``%s free:…``; its buddy list in more than a dozen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from oomtrace.model import Allocation, HugePages, SlabCache
from oomtrace.wire.layout import TraceRecord, text_of
from oomtrace.wire.records import RecAllocation, RecFormat, RecordKind, RecPrint

_LABEL = re.compile(r"([A-Za-z_]+)(?:\((\w+)\))?[:=] ?%l?[ud]([kK]B)?")
_CONVERSION = re.compile(r"%[-0-9]*(?P<long>l{0,2})(?P<kind>[dus])")

# Words of the lines at the end, and what their numbers are.
_TAIL = (
    ("total pagecache pages", ("pagecache_pages",)),
    ("pages in swap cache", ("swapcache_pages",)),
    ("Swap cache stats:", ("swapcache_added", "swapcache_deleted", "swapcache_found", "swapcache_sought")),
    ("Free swap ", ("free_swap_kb",)),
    ("Total swap ", ("total_swap_kb",)),
    ("pages RAM", ("ram_pages",)),
    ("pages HighMem/MovableOnly", ("highmem_movable_pages",)),
    ("pages reserved", ("reserved_pages",)),
    ("pages cma reserved", ("cma_reserved_pages",)),
    ("pages hwpoisoned", ("hwpoisoned_pages",)),
)

_OF_PRINTS = frozenset((RecordKind.FORMAT, RecordKind.PRINT, RecordKind.ALLOCATION))
_ON_OFF = {"on": True, "off": False}

ZoneKey = tuple[Optional[int], str]  # node, None without NUMA; name


class ZoneLines:
    """What was printed of one zone."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.lowmem_reserve_pages: list[int] = []
        self.buddy: list[tuple[int, int, str]] = []
        self.total_kb: Optional[int] = None


class PrintedMeminfo:
    """The numbers that the kernel printed; what it did not print is not in here."""

    def __init__(self, records: Iterable[TraceRecord]) -> None:
        self.counters: dict[str, int] = {}
        self.nodes: dict[int, dict[str, int]] = {}
        self.zones: dict[ZoneKey, ZoneLines] = {}
        self.hugepages: list[HugePages] = []
        self.tail: dict[str, int] = {}
        self.allocations: Optional[list[Allocation]] = None  # None: there was no such list
        self.profiling: Optional[bool] = None
        self.slab: list[SlabCache] = []
        self.slab_busy = False
        self._node: Optional[int] = None  # of the zone line that has begun
        self._zone = ZoneLines()
        kept = [record for record in records if record.kind in _OF_PRINTS]
        formats = (record.read(RecFormat) for record in kept if record.kind is RecordKind.FORMAT)
        texts = {record.format: _plain(text_of(record.text)) for record in formats}
        for body in (record.read(RecPrint) for record in kept if record.kind is RecordKind.PRINT):
            if body.format in texts:
                self._take(texts[body.format], body)
        allocations = [_allocation(record.read(RecAllocation)) for record in kept
                       if record.kind is RecordKind.ALLOCATION]
        if allocations:
            self.allocations = allocations

    def _take(self, text: str, body: RecPrint) -> None:
        values = _values(text, body)
        if values is None:
            return
        if text.startswith("active_anon:"):
            self.counters = _labelled(text, values, "_pages")
        elif text.startswith("Node %d active_anon:"):
            self.nodes[values[0]] = _labelled(text, values, "")
        elif text.startswith("Node %d hugepages_total"):
            self.hugepages.append(HugePages(*values[:5]))
        elif text.startswith("%-17s"):
            self.slab.append(SlabCache(text_of(body.string), values[1], values[2]))
        elif text.startswith("Memory allocations"):
            self.allocations, self.profiling = [], _ON_OFF.get(text_of(body.string)) if values else None
        elif text.startswith("excessive unreclaimable slab"):
            self.slab_busy = True
        elif not self._zone_piece(text, values, text_of(body.string)):
            self._end(text, values)

    def _zone_piece(self, text: str, values: list[int], string: str) -> bool:
        if text == "Node %d ":
            self._node = values[0]
        elif text.startswith("%s free:"):
            self._begin(string).counters = _labelled(text, values, "")
        elif text == "%s: ":
            self._begin(string)
        elif text == " %ld":
            self._zone.lowmem_reserve_pages.append(values[0])
        elif text == "%lu*%lukB ":
            self._zone.buddy.append((values[0], values[1], ""))
        elif text == "(%s) " and self._zone.buddy:
            self._zone.buddy[-1] = (*self._zone.buddy[-1][:2], string)
        elif text.startswith("= %lukB"):
            self._zone.total_kb = values[0]
        else:
            return False
        return True

    def _begin(self, name: str) -> ZoneLines:
        self._zone = self.zones.setdefault((self._node, name), ZoneLines())
        return self._zone

    def _end(self, text: str, values: list[int]) -> None:
        for words, names in _TAIL:
            if words in text:
                self.tail.update(zip(names, values))


def _plain(text: str) -> str:
    """Without KERN_SOH and the level."""
    return text[2:] if text.startswith("\x01") else text


def _allocation(record: RecAllocation) -> Allocation:
    return Allocation(
        size=text_of(record.size) or str(record.bytes),
        calls=record.calls,
        file=text_of(record.file),
        line=record.line,
        function=text_of(record.function),
        module=text_of(record.module) or None,
    )


def _values(text: str, body: RecPrint) -> Optional[list[int]]:
    """The arguments, one for each conversion; None if there are more than could be had. Strings are addresses."""
    found = list(_CONVERSION.finditer(text))
    if len(found) > body.count:
        return None
    return [_number(body.args[at], match.group("long"), match.group("kind")) for at, match in enumerate(found)]


def _number(word: int, long: str, kind: str) -> int:
    bits = 64 if long or kind == "s" else 32
    word &= (1 << bits) - 1
    return word - (1 << bits) if kind == "d" and word >> bits - 1 else word


def _labelled(text: str, values: list[int], suffix: str) -> dict[str, int]:
    """``free:%lukB`` is free_kb, ``isolated(anon):%lukB`` is isolated_anon_kb; without a unit, the suffix stands."""
    found: dict[str, int] = {}
    for match in _LABEL.finditer(text):
        name, more, unit = match.groups()
        key = name.lower() + (f"_{more}" if more else "") + ("_kb" if unit else suffix)
        found[key] = values[text.count("%", 0, match.start())]
    return found
