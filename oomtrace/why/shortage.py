"""Why no zone served an allocation, in one verdict: what the headline says of it, and where to look further."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional

from oomtrace.model import OomEvent

from . import look
from .kinds import Kind
from .zones import ZoneVerdict, usable, verdicts

_MUCH = 20  # a 20th (5 %) of what there is
_FAR_MORE = 4  # times


class Shortage(Enum):
    """What was short."""

    ALL_LOW = "all_zones_low"  # everywhere
    LOWMEM = "lowmem"  # in the zones that it could use; there is memory in higher ones
    NODE = "node"  # on one node, while others have memory
    FRAGMENTED = "fragmented"  # of pages in one piece


@dataclass(frozen=True)
class Short:
    """The verdict, the zones that are short, and those that have memory that was not for this allocation."""

    kind: Shortage
    zones: tuple[ZoneVerdict, ...]
    others: tuple[ZoneVerdict, ...] = ()
    nearly: bool = False  # a zone was just above its watermark when this was printed, which is after the decision

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes that are short."""
        return tuple(sorted({verdict.zone.node for verdict in self.zones if verdict.zone.node is not None}))

    @property
    def managed_kb(self) -> Optional[int]:
        """How much memory the short zones have in all."""
        return _sum(self.zones, "managed_kb") or _sum(self.zones, "present_kb")

    @property
    def free_kb(self) -> int:
        """What is free in the short zones, and for this allocation."""
        return sum((verdict.free_kb or 0) - verdict.barred_kb for verdict in self.zones)

    @property
    def free_elsewhere_kb(self) -> int:
        """What is free in the others."""
        return sum(verdict.free_kb or 0 for verdict in self.others)

    @property
    def file_kb(self) -> Optional[int]:
        """File pages on the lists of the short zones, None where zones have no lists (4.8 to 4.9 count by node)."""
        return _sum(self.zones, "active_file_kb", "inactive_file_kb")

    @property
    def elsewhere(self) -> bool:
        """Was there memory that was not for this allocation? Then the machine's sums tell nothing of the shortage."""
        return self.kind in (Shortage.LOWMEM, Shortage.NODE)

    def parts(self) -> tuple[tuple[Kind, int], ...]:
        """What the short zones are filled with, as far as their own counters say, the largest first."""
        sums = {
            Kind.ANON_OR_SHMEM: _sum(self.zones, "active_anon_kb", "inactive_anon_kb"),
            Kind.FILE: self.file_kb,
            Kind.SLAB: _sum(self.zones, "slab_reclaimable_kb", "slab_unreclaimable_kb"),
            Kind.PAGETABLES: _sum(self.zones, "pagetables_kb"),
            Kind.UNEVICTABLE: _sum(self.zones, "unevictable_kb"),
        }
        return tuple(sorted(((kind, kb) for kind, kb in sums.items() if kb), key=lambda part: -part[1]))


@look.once
def short(event: OomEvent) -> Optional[Short]:
    """Why no zone served the allocation; None if that cannot be told, or if a zone could have served it when this was
    printed, which is after the decision."""
    zones = usable(event)
    if look.scope(event) not in ("global", "cpuset", "mempolicy") or not zones:
        return None
    others = tuple(verdict for verdict in verdicts(event) if not verdict.usable and _rich(verdict))
    if all(verdict.fails for verdict in zones):
        if not all(verdict.low for verdict in zones):
            return Short(Shortage.FRAGMENTED, zones, others)
        return Short(Shortage.LOWMEM if others else Shortage.ALL_LOW, zones, others)
    return _node(zones) or _nearly(zones, others)


def _nearly(zones: tuple[ZoneVerdict, ...], others: tuple[ZoneVerdict, ...]) -> Optional[Short]:
    """Hardly more than the watermarks is left where it may go, and most of what is free lies where it may not."""
    free = sum((verdict.free_kb or 0) - verdict.barred_kb for verdict in zones)
    least = sum((verdict.min_kb or 0) + (verdict.reserve_kb or 0) for verdict in zones)
    if free > 2 * least or sum(verdict.free_kb or 0 for verdict in others) < _FAR_MORE * free:
        return None
    return Short(Shortage.LOWMEM, zones, others, nearly=True)


def _node(zones: tuple[ZoneVerdict, ...]) -> Optional[Short]:
    """On some nodes all zones fail, on the others they do not: the allocation was not allowed to go there."""
    full = [node for node in {verdict.zone.node for verdict in zones}
            if all(verdict.fails for verdict in zones if verdict.zone.node == node)]
    here = tuple(verdict for verdict in zones if verdict.zone.node in full)
    rest = tuple(verdict for verdict in zones if verdict.zone.node not in full and verdict.fails is False)
    if not here or not any(map(_rich, rest)):
        return None
    return Short(Shortage.NODE, here, rest)


def _rich(verdict: ZoneVerdict) -> bool:
    """Is much more free in it than it needs for itself?"""
    managed = verdict.zone.counters.get("managed_kb", verdict.zone.counters.get("present_kb", 0))
    return (verdict.free_kb or 0) > max(2 * (verdict.min_kb or 0), managed // _MUCH)


def _sum(zones: tuple[ZoneVerdict, ...], *names: str) -> Optional[int]:
    found = [verdict.zone.counters[name] for verdict in zones for name in names if name in verdict.zone.counters]
    return sum(found) if found else None
