"""Zones: what to do where memory was free that an allocation could not use."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..causes.zones import Zones
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice
from ..shortage import Shortage, short


class Unusable(Reason):
    LOWMEM = "lowmem"
    LOWMEM_FILES = "lowmem_files"  # filled by file cache, such as of block devices
    ZONE = "zone"
    NODE = "node"
    COMPACT = "compact"
    BOOST = "boost"
    MIN = "min"


@advice("zones", 8)
def kept_out(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Memory in other zones, on other nodes, or in pieces."""
    shortage = short(event)
    if shortage is None or "zones" not in cases:
        return None
    elsewhere = tuple(dict.fromkeys(verdict.zone.name for verdict in shortage.others))
    if shortage.kind == Shortage.LOWMEM:
        files, total = shortage.file_kb or 0, shortage.managed_kb or 0
        if "HighMem" in elsewhere and total and files * 2 >= total:
            return Statement(Unusable.LOWMEM_FILES, facts(zones_file_kb=files, zones_managed_kb=total))
        reason = Unusable.LOWMEM if "HighMem" in elsewhere else Unusable.ZONE
        return Statement(reason, facts(zones_elsewhere=elsewhere))
    if shortage.kind == Shortage.NODE:
        pid = event.report.trigger.pid
        return Statement(Unusable.NODE, facts(trigger=look.trigger(event), trigger_pid="PID" if pid is None else pid,
                                              nodes_full=", ".join(map(str, shortage.nodes))))
    if shortage.kind == Shortage.FRAGMENTED:
        return Statement(Unusable.COMPACT, facts(block_kb=look.page_kb(event) << (look.order(event) or 0)))
    return None


@advice("zones", 9)
def large(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Min watermarks that are a good part of the zones."""
    case = cases["zones"]
    if not case.has(Zones.MIN_LARGE):
        return None
    return Statement(Unusable.MIN, facts(zones_managed_kb=case.value("zones_managed_kb"),
                                         min_all_kb=case.value("min_all_kb")))


@advice("zones", 105)
def boosted(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Min watermarks that are boosted for a moment: what used the memory up comes first."""
    case = cases["zones"]
    return Statement(Unusable.BOOST) if case.has(Zones.BOOSTED) and not case.has(Zones.MIN_LARGE) else None
