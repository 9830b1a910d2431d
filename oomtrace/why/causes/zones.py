"""Step 1 as well: which zones the allocation could use, and why none served it."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import look
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Fact, Reason, Size
from ..registry import cause
from ..shortage import Short, Shortage, short
from ..units import percent
from ..zones import ZoneVerdict, highest_zone, none_usable, usable, verdicts


class Zones(Reason):
    """What the zones show."""

    LARGEST = "largest_zone"
    ALL_LOW = "all_zones_low"
    FRAGMENTED = "fragmented"
    FREE_ELSEWHERE = "free_elsewhere"
    NODE_FULL = "node_full"
    FILLED = "zones_filled"
    FILE_LEFT = "file_left"
    BOOSTED = "boosted"
    MIN_LARGE = "min_large"
    ABOVE_WHEN_PRINTED = "above_when_printed"
    NONE_USABLE = "no_usable_zone"


@cause("zones", step=1, place=4, reasons=Zones)
def zones(event: OomEvent, case: Case) -> None:
    """Free memory against watermarks, reserves and the size of blocks."""
    if look.scope(event) not in ("global", "cpuset", "mempolicy") or not verdicts(event):
        return
    found = usable(event)
    if not found:
        _none_usable(event, case)
        return
    shortage = short(event)
    here = shortage.zones if shortage is not None else found
    _largest(here, case)
    for verdict in found:
        case.shows(*_numbers(verdict))
    if shortage is not None:
        _short(event, shortage, case)
    if (shortage is None or shortage.nearly) and any(verdict.fails is False for verdict in found):
        above = tuple(verdict.name for verdict in found if verdict.fails is False)
        case.says(Zones.ABOVE_WHEN_PRINTED, zones_above=above)
    _watermarks(here, case)


def _largest(found: "tuple[ZoneVerdict, ...]", case: Case) -> None:
    verdict = max(found, key=lambda one: one.zone.counters.get("present_kb", one.free_kb or 0))
    if verdict.free_kb is None or verdict.min_kb is None:
        return
    case.says(Zones.LARGEST, zone=verdict.name, free_kb=verdict.free_kb, min_kb=verdict.min_kb,
              lowmem_reserve_kb=verdict.reserve_kb or None, barred_kb=verdict.barred_kb or None)


def _short(event: OomEvent, shortage: Short, case: Case) -> None:
    names = tuple(verdict.name for verdict in shortage.zones)
    if shortage.kind == Shortage.FRAGMENTED:
        order = look.order(event) or 0
        case.means(Zones.FRAGMENTED, order=order, block_kb=look.page_kb(event) << order,
                   free_in_pieces_kb=shortage.free_kb)
    elif shortage.kind == Shortage.NODE:
        nodes = ", ".join(map(str, shortage.nodes))
        case.means(Zones.NODE_FULL, LIKELY, nodes_full=nodes, free_elsewhere_kb=shortage.free_elsewhere_kb)
    elif not shortage.nearly:
        case.means(Zones.ALL_LOW, zones_low=names)
    if shortage.kind == Shortage.LOWMEM:
        case.means(Zones.FREE_ELSEWHERE, LIKELY if shortage.nearly else CERTAIN,
                   free_elsewhere_kb=shortage.free_elsewhere_kb,
                   zones_elsewhere=tuple(verdict.name for verdict in shortage.others),
                   highest_zone=highest_zone(event.report.trigger.gfp_flags))
    if shortage.kind in (Shortage.LOWMEM, Shortage.NODE):
        _filled(shortage, case)


def _filled(shortage: Short, case: Case) -> None:
    """What the short zones hold: the machine's sums tell nothing of them."""
    total, parts = shortage.managed_kb, shortage.parts()
    if not total or not parts:
        return
    case.says(Zones.FILLED, zones_managed_kb=total,
              zones_parts=tuple(Size(kind, kb, percent(kb, total)) for kind, kb in parts[:3]))
    files = shortage.file_kb or 0
    if files * 10 >= total:
        case.means(Zones.FILE_LEFT, UNKNOWN, zones_file_kb=files)


def _watermarks(found: "tuple[ZoneVerdict, ...]", case: Case) -> None:
    """Min watermarks that are large by a boost (5.0+, watermark_boost_factor), or by vm.min_free_kbytes."""
    managed = sum(verdict.zone.counters.get("managed_kb", 0) for verdict in found)
    least = sum(verdict.min_kb or 0 for verdict in found)
    boosts = [(verdict, verdict.zone.counters.get("boost_kb", 0)) for verdict in found]
    decided = [verdict for verdict, boost in boosts
               if boost and verdict.low and (verdict.free_kb or 0) - verdict.barred_kb > (verdict.min_kb or 0) - boost]
    boost = sum(boost for _, boost in boosts)
    if boost * 4 >= least > 0 or decided:
        case.remarks(Zones.BOOSTED, boost_kb=boost, min_all_kb=least)
    if managed and least * 4 >= managed:
        case.remarks(Zones.MIN_LARGE, min_all_kb=least, zones_managed_kb=managed)


def _numbers(verdict: ZoneVerdict) -> "tuple[Fact, ...]":
    """What a zone is judged by."""
    values = (("free_kb", verdict.free_kb), ("min_kb", verdict.min_kb), ("lowmem_reserve_kb", verdict.reserve_kb))
    return tuple(Fact(f"{verdict.name} {name}", value) for name, value in values if value is not None)


def _none_usable(event: OomEvent, case: Case) -> None:
    """A node that has only zone Movable, and an allocation that may not be moved."""
    if none_usable(event):
        listed = tuple(sorted({verdict.zone.name for verdict in verdicts(event)}))
        case.says(Zones.NONE_USABLE, zones_listed=listed, highest_zone=highest_zone(event.report.trigger.gfp_flags))
