"""Zones: free pages against watermarks and reserves, and fragmentation (mm/page_alloc.c, __zone_watermark_ok)."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from oomtrace.model import OomEvent, Zone

from . import look
from .account import managed_kb
from .case import Case
from .finding import Fact, Reason

# The zones' numbers, by which lowmem_reserve is indexed, for the sets of zones that leave no doubt.
_X86_64: Dict[str, int] = {"DMA": 0, "DMA32": 1, "Normal": 2, "Movable": 3, "Device": 4}
_I386: Dict[str, int] = {"DMA": 0, "Normal": 1, "HighMem": 2, "Movable": 3}


class Zones(Reason):
    """What the zones show."""

    LARGEST = "largest_zone"
    ALL_LOW = "all_zones_low"
    FRAGMENTED = "fragmented"
    ABOVE_WHEN_PRINTED = "above_when_printed"
    FREE_ELSEWHERE = "free_elsewhere"
    NONE_USABLE = "no_usable_zone"


def judge(event: OomEvent, case: Case) -> None:
    """Which zones could not serve the allocation, and why."""
    order = look.order(event)
    if order is None or not complete(event):
        return
    zones = usable(event)
    if not zones:
        _none_usable(event, case)
        return
    size = look.page_kb(event)
    highest = _class(zones, event)
    movable = "MOVABLE" in (event.report.trigger.gfp_flags or "")
    below = {id(zone): _below_min(zone, highest, size, movable) for zone in zones}
    low = [zone for zone in zones if below[id(zone)] is True]
    unsure = [zone for zone in zones if below[id(zone)] is None]
    for zone in sorted(zones, key=lambda zone: -zone.counters.get("present_kb", 0))[:1]:
        free, least = zone.counters.get("free_kb"), zone.counters.get("min_kb")
        if free is not None and least is not None:
            case.says(Zones.LARGEST, zone=_name(zone), free_kb=free, min_kb=least,
                      lowmem_reserve_kb=_reserve_kb(zone, highest, size) or None,
                      barred_kb=_barred_kb(zone, movable) or None)
    for zone in zones:
        case.shows(*_numbers(zone, _reserve_kb(zone, highest, size)))
    if len(low) == len(zones):
        case.means(Zones.ALL_LOW)
        _others_free(event, zones, case)
    elif order > 0 and all(zone in low or has_block(zone, order) is False for zone in zones):
        case.means(Zones.FRAGMENTED, order=order)
    elif not unsure:
        case.says(Zones.ABOVE_WHEN_PRINTED, zones_above=tuple(_name(zone) for zone in zones if zone not in low))


def _others_free(event: OomEvent, zones: Sequence[Zone], case: Case) -> None:
    """Memory that was free where the allocation must not go."""
    meminfo = event.report.meminfo
    others = [zone for zone in meminfo.zones if zone not in zones] if meminfo is not None else []
    free = {_name(zone): zone.counters.get("free_kb", 0) for zone in others}
    total = managed_kb(event)
    if total and sum(free.values()) * 10 >= total:
        case.means(Zones.FREE_ELSEWHERE, free_elsewhere_kb=sum(free.values()), zones_elsewhere=tuple(free),
                   highest_zone=highest_zone(event.report.trigger.gfp_flags))


def _numbers(zone: Zone, reserve_kb: Optional[int]) -> Tuple[Fact, ...]:
    """What a zone is judged by."""
    kb = zone.counters
    values = (("free_kb", kb.get("free_kb")), ("min_kb", kb.get("min_kb")), ("lowmem_reserve_kb", reserve_kb))
    return tuple(Fact(f"{_name(zone)} {name}", value) for name, value in values if value is not None)


def _name(zone: Zone) -> str:
    return zone.name if zone.node is None else f"{zone.name} of node {zone.node}"


def complete(event: OomEvent) -> bool:
    """Are all zones in the report? Their free blocks, which follow them, are, and they make up what is managed: of the
    allowed nodes, by which the report is filtered, or of the machine, whose size is in the lines after."""
    meminfo = event.report.meminfo
    if meminfo is None or not meminfo.zones or any(not zone.buddy for zone in meminfo.zones):
        return False
    managed = [zone.counters.get("managed_kb", 0) for zone in meminfo.zones]
    total = managed_kb(event)
    return total is not None and sum(managed) * 50 >= total * 49


def usable(event: OomEvent) -> List[Zone]:
    """The listed zones that the allocation could use, by its gfp mask. Zones without managed memory do not count."""
    meminfo = event.report.meminfo
    listed = [z for z in meminfo.zones if z.counters.get("managed_kb", 1)] if meminfo is not None else []
    highest = highest_zone(event.report.trigger.gfp_flags)
    if highest is None or "__GFP_THISNODE" in (event.report.trigger.gfp_flags or ""):
        return []
    order = ("DMA", "DMA32", "Normal", "HighMem", "Movable")
    allowed = order[: order.index(highest) + 1]
    return [zone for zone in listed if zone.name in allowed]


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


def _none_usable(event: OomEvent, case: Case) -> None:
    """A node that has only zone Movable, and an allocation that may not be moved."""
    highest = highest_zone(event.report.trigger.gfp_flags)
    if event.report.meminfo is None or highest is None or "__GFP_THISNODE" in (event.report.trigger.gfp_flags or ""):
        return
    listed = tuple(sorted({zone.name for zone in event.report.meminfo.zones}))
    case.means(Zones.NONE_USABLE, zones_listed=listed, highest_zone=highest)


def _class(zones: Sequence[Zone], event: OomEvent) -> Tuple[Optional[Dict[str, int]], Optional[int]]:
    """The numbering of zones and the number of the highest usable one."""
    names = {zone.name for zone in (event.report.meminfo.zones if event.report.meminfo is not None else ())}
    for numbers in (_X86_64, _I386):
        if names <= set(numbers) and ("DMA32" in names or "HighMem" in names):
            return numbers, max(numbers[zone.name] for zone in zones)
    return None, None


def _barred_kb(zone: Zone, movable: bool) -> int:
    """What of the free memory does not count (__zone_watermark_unusable_free): the high-atomic reserve, of which
    kernels before 6.13 do not track what is free, and CMA, which is for movable pages alone."""
    kb = zone.counters
    atomic = kb.get("free_highatomic_kb", kb.get("reserved_highatomic_kb", 0))
    return min(kb.get("free_kb", 0), atomic + (0 if movable else kb.get("free_cma_kb", 0)))


def _below_min(
    zone: Zone, highest: Tuple[Optional[Dict[str, int]], Optional[int]], size: int, movable: bool
) -> Optional[bool]:
    """Is free at or below min plus what is reserved from the allocation? None if it depends on an unknown reserve."""
    free, least = zone.counters.get("free_kb"), zone.counters.get("min_kb")
    if free is None or least is None:
        return None
    free -= _barred_kb(zone, movable)
    if free <= least:
        return True
    reserve = _reserve_kb(zone, highest, size)
    if reserve is not None:
        return free <= least + reserve
    return False if free > least + max(zone.lowmem_reserve_pages) * size else None


def _reserve_kb(zone: Zone, highest: Tuple[Optional[Dict[str, int]], Optional[int]], size: int) -> Optional[int]:
    """What of the zone is kept from allocations that may use a higher one; None if the zones' numbers are not known."""
    numbers, top = highest
    if not zone.lowmem_reserve_pages:
        return 0
    if numbers is not None and top is not None and top < len(zone.lowmem_reserve_pages):
        return zone.lowmem_reserve_pages[top] * size
    return None


def has_block(zone: Zone, order: int) -> Optional[bool]:
    """Has the zone a free block of ``order`` or more? None if its buddy list is not in the report.

    Blocks that are only high-atomic (H) or isolated (I) are not for everyone.
    """
    if not zone.buddy:
        return None
    return any(count and (not letters or set(letters) - set("HI")) for count, _, letters in zone.buddy[order:])
