"""Zones: which of them an allocation could use, and why none served it (mm/page_alloc.c, __zone_watermark_ok).

A zone serves an allocation if more is free in it than its min watermark and what is reserved in it for allocations
that cannot use a higher zone (lowmem_reserve). Of what is free, high-atomic blocks do not count, and CMA blocks only
for pages that can be moved. For more than one page it takes a free block of that size, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.model import OomEvent, Zone

from . import look
from .account_machine import contradictory, managed_kb

# From the lowest. An allocation may use zones up to the one that its gfp mask names.
_ORDER = ("DMA", "DMA32", "Normal", "HighMem", "Movable")


@dataclass(frozen=True)
class ZoneVerdict:
    """One zone, as the allocation met it. Sizes in kB; what is not in the source is None."""

    zone: Zone
    usable: bool  # by the gfp mask
    free_kb: Optional[int]
    min_kb: Optional[int]
    reserve_kb: Optional[int]  # kept from this allocation
    barred_kb: int  # free, and not for this allocation: high-atomic, CMA
    block: Optional[bool]  # is there a free block that is large enough

    @property
    def low(self) -> Optional[bool]:
        """Is too little free? None if it depends on a reserve that is not known."""
        if self.free_kb is None or self.min_kb is None:
            return None
        free = self.free_kb - self.barred_kb
        if free <= self.min_kb:
            return True
        if self.reserve_kb is not None:
            return free <= self.min_kb + self.reserve_kb
        reserves = self.zone.lowmem_reserve_pages
        return False if reserves and free > self.min_kb + max(reserves) * self._page_kb else None

    @property
    def fails(self) -> Optional[bool]:
        """Could it not serve the allocation?"""
        if self.low or self.block is False:
            return True
        return False if self.low is False and self.block is not None else None

    @property
    def name(self) -> str:
        """ "DMA32 of node 0"."""
        return self.zone.name if self.zone.node is None else f"{self.zone.name} of node {self.zone.node}"

    @property
    def _page_kb(self) -> int:
        return self.zone.buddy[0][1] if self.zone.buddy else 4


@look.once
def verdicts(event: OomEvent) -> tuple[ZoneVerdict, ...]:
    """All zones of the report that have memory. None if the allocation, or what zones there are, is not known."""
    meminfo, order = event.report.meminfo, look.order(event)
    highest = highest_zone(event.report.trigger.gfp_flags)
    if meminfo is None or order is None or highest is None or not listed_whole(event):
        return ()
    movable = "MOVABLE" in (event.report.trigger.gfp_flags or "")
    allowed = _ORDER[: _ORDER.index(highest) + 1]
    zones = [zone for zone in meminfo.zones if zone.counters.get("managed_kb", 1)]
    return tuple(
        ZoneVerdict(
            zone, zone.name in allowed, zone.counters.get("free_kb"), zone.counters.get("min_kb"),
            _reserve_kb(zone, tuple(zones), allowed, look.page_kb(event)), _barred_kb(zone, movable),
            True if order == 0 else has_block(zone, order, movable),
        ) for zone in zones
    )


def usable(event: OomEvent) -> tuple[ZoneVerdict, ...]:
    """Those that the allocation could use. With __GFP_THISNODE it may use one node, and which is not known."""
    if "__GFP_THISNODE" in (event.report.trigger.gfp_flags or ""):
        return ()
    return tuple(verdict for verdict in verdicts(event) if verdict.usable)


def none_usable(event: OomEvent) -> bool:
    """Are the zones known, and is none of them for this allocation?"""
    known = verdicts(event)
    return bool(known) and not any(verdict.usable for verdict in known) and (
        "__GFP_THISNODE" not in (event.report.trigger.gfp_flags or ""))


def listed_whole(event: OomEvent) -> bool:
    """Are all zones in the report? Their memory makes up that of the machine, whose size stands in the lines after
    them. Where those lines are cut off, and of the allowed nodes, by which the report is filtered, the zones are whole
    if each has its second line (lowmem_reserve)."""
    meminfo = event.report.meminfo
    if meminfo is None or not meminfo.zones:
        return False
    if look.scope(event) in ("cpuset", "mempolicy") or "ram_pages" not in meminfo.tail or contradictory(event):
        highest = {zone.node: zone for zone in meminfo.zones}.values()  # which keeps nothing for any that is higher
        return (all(zone.lowmem_reserve_pages or zone.buddy for zone in meminfo.zones)
                and not any(any(zone.lowmem_reserve_pages) for zone in highest))
    managed = sum(zone.counters.get("managed_kb", zone.counters.get("present_kb", 0)) for zone in meminfo.zones)
    total = managed_kb(event)
    return total is not None and managed * 50 >= total * 49


def highest_zone(flags: Optional[str]) -> Optional[str]:
    """gfp_zone(): None if the names of the flags are not known."""
    if not flags:
        return None
    names = flags.split("|")
    if "GFP_DMA" in names or "__GFP_DMA" in names:
        return "DMA"
    if "GFP_DMA32" in names or "__GFP_DMA32" in names:
        return "DMA32"
    if any("HIGHUSER_MOVABLE" in name or "TRANSHUGE" in name for name in names):
        return "Movable"
    if any("HIGHUSER" in name or "HIGHMEM" in name for name in names):
        return "Movable" if "__GFP_MOVABLE" in names else "HighMem"
    return "Normal"


def has_block(zone: Zone, order: int, movable: bool) -> Optional[bool]:
    """Has the zone a free block of ``order`` or more? None if its free blocks are not in the report.

    Blocks that are only high-atomic (H) or isolated (I) are for nobody here, CMA blocks (C) for movable pages.
    """
    if not zone.buddy:
        return None
    barred = set("HI" if movable else "HIC")
    return any(count and (not letters or set(letters) - barred) for count, _, letters in zone.buddy[order:])


def _barred_kb(zone: Zone, movable: bool) -> int:
    """What of the free memory does not count (__zone_watermark_unusable_free): the high-atomic reserve, of which
    kernels before 6.13 do not track what is free, and CMA, which is for movable pages alone."""
    kb = zone.counters
    atomic = kb.get("free_highatomic_kb", kb.get("reserved_highatomic_kb", 0))
    return min(kb.get("free_kb", 0), atomic + (0 if movable else kb.get("free_cma_kb", 0)))


def _reserve_kb(zone: Zone, zones: tuple[Zone, ...], allowed: tuple[str, ...], page_kb: int) -> Optional[int]:
    """What of the zone is kept from an allocation that may use higher zones; None if that cannot be told.

    lowmem_reserve[i] is kept from allocations that may use zones up to the i-th of the kernel's own numbering, which
    differs by architecture and configuration. The array tells it: it is 0 up to the zone's own number, and grows with
    each higher zone of the node that has memory (setup_per_zone_lowmem_reserve).
    """
    node = [one for one in zones if one.node == zone.node]
    top = max((one for one in node if one.name in allowed), key=_place, default=None)
    if top is None or _place(top) <= _place(zone):
        return 0
    reserve, number = zone.lowmem_reserve_pages, _number(top)
    if not reserve:
        return None  # its line is not in the source
    if number is not None and number < len(reserve):
        return reserve[number] * page_kb
    above = any(_place(one) > _place(top) for one in node)
    return None if above else reserve[-1] * page_kb


def _number(zone: Zone) -> Optional[int]:
    """A zone's number: the last place of its array that is 0 before the first that is not. The node's highest zone
    keeps nothing from anybody, so its array does not tell."""
    positive = [at for at, pages in enumerate(zone.lowmem_reserve_pages) if pages]
    return positive[0] - 1 if positive else None


def _place(zone: Zone) -> int:
    return _ORDER.index(zone.name) if zone.name in _ORDER else len(_ORDER)
