"""The zones of the machine: what was free against the watermarks, and the free blocks by order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import Zone
from oomtrace.why import look
from oomtrace.why.units import human
from oomtrace.why.zones import ZoneVerdict, verdicts

from .case import PageCase
from .svg import Mark, Segment, bar


@dataclass(frozen=True)
class Gauge:
    """One zone's free memory."""

    name: str
    free: str
    words: str
    usable: bool
    picture: Markup


@dataclass(frozen=True)
class Blocks:
    """One zone's free blocks: for each order how many, and how dark the field is (0 to 4)."""

    name: str
    cells: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ZonesPicture:
    """All zones that the report lists. ``order`` is what was asked for."""

    gauges: tuple[Gauge, ...]
    sizes: tuple[str, ...]
    blocks: tuple[Blocks, ...]
    order: Optional[int]


def zones(case: PageCase) -> Optional[ZonesPicture]:
    """None if the report has no Mem-Info."""
    meminfo = case.event.report.meminfo
    if meminfo is None or not meminfo.zones:
        return None
    judged = {id(verdict.zone): verdict for verdict in verdicts(case.event)}
    gauges = tuple(_gauge(zone, judged.get(id(zone)), case) for zone in meminfo.zones
                   if zone.counters.get("free_kb") is not None)
    sizes = max((zone.buddy for zone in meminfo.zones), key=len)
    blocks = tuple(_blocks(zone) for zone in meminfo.zones if zone.buddy)
    if not gauges and not blocks:
        return None
    return ZonesPicture(gauges, tuple(_short(size) for _, size, _ in sizes), blocks, look.order(case.event))


def _name(zone: Zone) -> str:
    return zone.name if zone.node is None else f"Node {zone.node} {zone.name}"


def _short(kb: int) -> str:
    return f"{kb}K" if kb < 1024 else f"{kb >> 10}M"


def _gauge(zone: Zone, verdict: Optional[ZoneVerdict], case: PageCase) -> Gauge:
    kb = zone.counters
    free = kb.get("free_kb", 0)
    marks = [(name, kb[f"{name}_kb"]) for name in ("min", "low", "high") if f"{name}_kb" in kb]
    reserve = max(zone.lowmem_reserve_pages, default=0) * case.page_kb
    top = max([value for _, value in marks] + [1])
    whole = max(top * 1.6, min(free, top * 3.0))
    low = verdict.low if verdict is not None else free <= kb.get("min_kb", -1)
    words = [f"{name} {human(value)}" for name, value in marks]
    words += [f"reserve up to {human(reserve)}"] if reserve else []
    words += [f"managed {human(kb['managed_kb'])}"] if kb.get("managed_kb") else []
    lines = [Mark(value / whole, name, f"{name} {human(value)}") for name, value in marks]
    cut = free > whole
    said = f"{_name(zone)}: {human(free)} free; " + ", ".join(words)
    picture = bar([Segment(0, min(free / whole, 1), "c-low" if low else "c-free-zone")], lines, said, height=16)
    able = verdict is None or verdict.usable
    return Gauge(_name(zone), human(free) + (" ▸" if cut else ""), " · ".join(words), able, picture)


def _blocks(zone: Zone) -> Blocks:
    cells: list[tuple[str, int]] = []
    for count, _, _ in zone.buddy:
        shade = 0 if not count else min(4, 1 + len(str(count)))
        cells.append((f"{count}", shade))
    return Blocks(_name(zone), tuple(cells))
