"""Many events: when and where they were, who was killed how often, and what grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable, Optional

from markupsafe import Markup

from oomtrace.model import OomEvent
from oomtrace.why import Explanation, Group, Pattern, look
from oomtrace.why.pattern import place, time_ns
from oomtrace.why.units import human, plural, seconds

from . import clock, summary
from .svg import Segment, bar, per_cent, text

_LANES = 14
_VICTIMS = 12
_GROUPS = 30


@dataclass(frozen=True)
class EventRow:
    """One event in a line."""

    headline: str
    kind: str
    kind_text: str
    place: str
    host: Optional[str]
    when: Optional[str]
    wall: Optional[float]  # seconds
    dated: bool
    boot: Optional[float]  # seconds
    boot_of: Optional[str]  # which boot, as far as known
    victim: Optional[str]
    victims: tuple[str, ...]
    held_kb: Optional[int]


def row(event: OomEvent, found: Explanation) -> EventRow:
    """What the overview says of an event."""
    wall, ns, victim = clock.wall(event), time_ns(event), event.report.victim
    return EventRow(
        headline=found.headline,
        kind="memcg" if look.scope(event) == "memcg" else "machine",
        kind_text=summary.kind(event),
        place=place(event),
        host=clock.host(event),
        when=clock.when(event),
        wall=wall.seconds if wall is not None else None,
        dated=wall is not None and wall.dated,
        boot=None if ns is None else ns / 1e9,
        boot_of=event.origin.boot_id,
        victim=victim.comm if victim is not None else None,
        victims=tuple({kill.pid: kill.comm for kill in event.report.kills}.values()),
        held_kb=look.held_kb(victim) if victim is not None else None,
    )


@dataclass(frozen=True)
class Axis:
    """What the events are set out along: "wall", "boot" or "order"; ``at`` is each one's place, None if unknown."""

    kind: str
    words: str
    at: tuple[Optional[float], ...]
    first: float
    last: float
    labels: tuple[str, ...]
    left_out: int


@dataclass(frozen=True)
class Lane:
    """A line of the timeline."""

    name: str
    count: int
    picture: Markup


@dataclass(frozen=True)
class MemcgHistory:
    """A memory cgroup, or the machine, with all that happened there."""

    group: Group
    victims: str
    between: str
    held: str
    trend: Optional[Markup]


@dataclass(frozen=True)
class OverviewLine:
    """A row of the table of events. ``order`` sorts by time."""

    number: int
    row: EventRow
    order: Optional[float]
    held: str


@dataclass(frozen=True)
class Victim:
    """A name, and how many processes of it were killed."""

    name: str
    count: int
    picture: Markup


@dataclass(frozen=True)
class View:
    """All of the overview."""

    lines: tuple[OverviewLine, ...]
    numbers: tuple[summary.Number, ...]
    sentences: tuple[str, ...]
    axis: Optional[Axis]
    by_place: tuple[Lane, ...]
    by_host: tuple[Lane, ...]
    places: tuple[MemcgHistory, ...]
    more_places: int
    victims: tuple[Victim, ...]
    more_victims: int
    kinds: tuple[str, ...]


def view(rows: Sequence[EventRow], pattern: Optional[Pattern]) -> View:
    """Set out to be shown."""
    axis = _axis(rows) if rows else None
    counts = Counter(name for row in rows for name in row.victims)
    most = max(counts.values(), default=1)
    victims = tuple(Victim(name, count, bar([Segment(0, count / most, "victim")], (), "", 12))
                    for name, count in counts.most_common(_VICTIMS))
    hosts = {row.host for row in rows} - {None}
    groups = pattern.groups if pattern is not None else ()
    return View(
        lines=tuple(_line(number, one, axis) for number, one in enumerate(rows)),
        numbers=_numbers(rows, axis, pattern),
        sentences=pattern.sentences[:1] if pattern is not None else (),
        axis=axis,
        by_place=_lanes(rows, axis, lambda row: row.place),
        by_host=_lanes(rows, axis, lambda row: row.host or "host not known") if len(hosts) > 1 else (),
        places=tuple(_place(group) for group in groups[:_GROUPS]),
        more_places=max(0, len(groups) - _GROUPS),
        victims=victims,
        more_victims=max(0, len(counts) - _VICTIMS),
        kinds=tuple(sorted({row.kind_text for row in rows})),
    )


def _line(number: int, row: EventRow, axis: Optional[Axis]) -> OverviewLine:
    order = axis.at[number] if axis is not None and axis.kind != "order" else None
    return OverviewLine(number, row, order, human(row.held_kb) if row.held_kb is not None else "")


def _numbers(rows: Sequence[EventRow], axis: Optional[Axis], pattern: Optional[Pattern]) -> tuple[summary.Number, ...]:
    killed = sum(len(row.victims) for row in rows)
    places = len({row.place for row in rows})
    found = [summary.Number(str(len(rows)), "OOMs" if len(rows) != 1 else "OOM", "full"),
             summary.Number(str(killed), "processes killed" if killed != 1 else "process killed", "victim"),
             summary.Number(str(places), "places: memory cgroups and machines" if places != 1 else "place")]
    if axis is not None and axis.kind != "order" and axis.last > axis.first:
        found.append(summary.Number(clock.span(axis.last - axis.first), "from the first to the last"))
    if pattern is not None and pattern.suppressed:
        found.append(summary.Number(str(pattern.suppressed), "reports more that the kernel's rate limit swallowed"))
    return tuple(found)


def _axis(rows: Sequence[EventRow]) -> Axis:
    """The wall clock if most have it; else the clock of the one boot that all are of; else the order of reading."""
    walls = [row.wall for row in rows]
    if len([at for at in walls if at is not None]) * 10 >= len(rows) * 9:
        dated = all(row.dated for row in rows if row.wall is not None)
        return _made("wall", "time" if dated else "time; the log names no year", walls)
    boots = [row.boot for row in rows]
    known = [at for at in boots if at is not None]
    one_boot = len({(row.boot_of, row.host) for row in rows}) == 1 and known == sorted(known)
    if one_boot and len(known) * 10 >= len(rows) * 9:
        return _made("boot", "time since boot", boots)
    return _made("order", "in the order of reading: the times are of different clocks, or not known",
                 [float(number + 1) for number in range(len(rows))])


def _made(kind: str, words: str, at: list[Optional[float]]) -> Axis:
    known = [one for one in at if one is not None]
    first, last = min(known), max(known)
    labels = tuple(_label(kind, first + (last - first) * step / 4, last - first) for step in range(5))
    return Axis(kind, words, tuple(at), first, last, labels if last > first else labels[:1], len(at) - len(known))


def _label(kind: str, at: float, span: float) -> str:
    """As the page's script writes it, too."""
    if kind == "order":
        return f"no. {at:.0f}"
    if kind == "boot":
        return clock.span(at)
    time = datetime.fromtimestamp(at, timezone.utc)
    day = f"{time:%b} {time.day}" if time.year == clock.NO_YEAR else f"{time:%Y-%m-%d}"
    return day if span > 10 * 86400 else f"{day} {time:%H:%M}" if span > 600 else f"{time:%H:%M:%S}"


def _lanes(rows: Sequence[EventRow], axis: Optional[Axis], name_of: Callable[[EventRow], str]) -> tuple[Lane, ...]:
    """The busiest lanes, and all others in one."""
    if axis is None or axis.last <= axis.first:
        return ()
    counts = Counter(name_of(row) for row in rows)
    names = [name for name, _ in counts.most_common(_LANES)]
    members: dict[str, list[int]] = {name: [] for name in names}
    rest = f"{plural(len(counts) - len(names), 'other place')}"
    for number, row in enumerate(rows):
        members.setdefault(name_of(row) if name_of(row) in members else rest, []).append(number)
    largest = max((row.held_kb or 0 for row in rows), default=0) or 1
    return tuple(Lane(name, len(numbers), _dots(rows, axis, numbers, largest, name))
                 for name, numbers in members.items() if numbers)


def _dots(rows: Sequence[EventRow], axis: Axis, numbers: list[int], largest: int, name: str) -> Markup:
    """Each event a dot, the larger the more its victim held. The table of events has them all in words."""
    shapes = []
    for number in numbers:
        at = axis.at[number]
        if at is None:
            continue
        row = rows[number]
        part = (at - axis.first) / (axis.last - axis.first)
        radius = 3.5 + 5 * ((row.held_kb or 0) / largest) ** 0.5
        shapes.append(f'<circle class="{row.kind}" cx="{per_cent(0.015 + 0.97 * part)}" cy="12" r="{radius:.1f}" '
                      f'data-n="{number}" data-at="{part:.6f}"/>')
    label = f"{name}: {plural(len(numbers), 'OOM')}"
    return Markup(f'<svg class="lane" height="24" role="img" aria-label="{text(label)}">{"".join(shapes)}</svg>')


def _place(group: Group) -> MemcgHistory:
    victims = ", ".join(f"{name} × {count}" if count > 1 else name for name, count in group.victims[:3])
    more = len(group.victims) - 3
    held = group.held_kb
    span = human(min(held)) if held else ""
    if held and min(held) != max(held):
        span += f" to {human(max(held))}"
    gap = f"{seconds(group.shortest_gap_ns)}" if group.shortest_gap_ns is not None else ""
    return MemcgHistory(group, victims + (f" and {more} more" if more > 0 else ""), gap, span,
                 _trend(held) if len(held) > 2 else None)


def _trend(held: tuple[int, ...]) -> Markup:
    """What each victim held, one after the other."""
    most, last = max(held) or 1, len(held) - 1
    points = " ".join(f"{100 * number / last:.1f},{21 - 20 * kb / most:.1f}" for number, kb in enumerate(held))
    label = f"from {human(held[0])} to {human(held[-1])}"
    return Markup(f'<svg class="trend" viewBox="0 0 100 22" preserveAspectRatio="none" role="img" '
                  f'aria-label="{text(label)}"><polyline points="{points}"/></svg>')
