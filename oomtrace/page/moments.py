"""Time: what happened when around the decision, and who had charged before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import OomEvent
from oomtrace.why import look
from oomtrace.why.units import human, seconds

from .case import PageCase, who
from .svg import Segment, bar, per_cent, text

_CHARGERS = 8
_GAP = 0.085  # between the numbers on the axis, which are 16 pixels wide
_HEIGHT = 44


@dataclass(frozen=True)
class Moment:
    """``at_ns`` from the decision on; before it is negative."""

    at_ns: int
    name: str
    look: str = ""

    @property
    def when(self) -> str:
        return "0" if self.at_ns == 0 else ("+" if self.at_ns > 0 else "−") + seconds(abs(self.at_ns))


@dataclass(frozen=True)
class Moments:
    """The axis and its legend."""

    picture: Markup
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Charger:
    """Who charged how much, beside what was resident of it."""

    name: str
    charged: str
    held: str
    picture: Markup


@dataclass(frozen=True)
class GrowthPicture:
    """What was charged in the time before."""

    window: str
    total: str
    rate: str
    chargers: tuple[Charger, ...]
    others: int


def moments(case: PageCase) -> Optional[Moments]:
    """None if fewer than two moments are known: one alone is no picture."""
    found = sorted(_moments(case), key=lambda moment: moment.at_ns)
    if len(found) < 2 or found[0].at_ns == found[-1].at_ns:
        return None
    return Moments(_axis(found), tuple(found))


def _moments(case: PageCase) -> list[Moment]:
    event = case.event
    start = event.trace.begin_ns
    if start is None:
        start = next((line.time_ns for line in event.origin.lines if line.time_ns is not None), None)
    if start is None:
        return []
    traced = event.trace.begin_ns is not None
    found = [Moment(0, "the kernel decides that there is an OOM" if traced else "the report begins", "decision")]
    effort = event.trace.reclaim
    if effort is not None and effort.time_ns:
        found.append(Moment(-effort.time_ns, "reclaim begins, and fails until the decision"))
    for part, name in (("header", "its report begins"), ("tasks", "it lists the tasks")):
        at = event.trace.times_ns.get(part)
        if at is not None and event.trace.printed is not False:
            found.append(Moment(at - start, name))
    return found + _after(event, start)


def _after(event: OomEvent, start: int) -> list[Moment]:
    """Kills, and memory that comes back; of many, the first and the last."""
    names = {kill.pid: who(kill.pid, kill.comm) for kill in event.report.kills}
    kills = [Moment(kill.time_ns - start, f"{names[kill.pid]} is killed", "victim")
             for kill in event.report.kills if kill.time_ns is not None]
    reaps = [Moment(reap.time_ns - start, f"the oom_reaper has taken {who(reap.pid, reap.comm)}'s memory", "back")
             for reap in event.report.reaps if reap.time_ns is not None and reap.reaped]
    back = [Moment(one.time_ns - start, f"the memory of {names.get(one.pid, who(one.pid, None))} is back", "back")
            for one in event.trace.releases]
    return [moment for group in (kills, reaps, back) for moment in _ends(group) if moment.at_ns >= 0]


def _ends(group: list[Moment]) -> list[Moment]:
    group = sorted(group, key=lambda moment: moment.at_ns)
    return group if len(group) <= 2 else [group[0], group[-1]]


def _axis(found: list[Moment]) -> Markup:
    """A line, a tick for each moment at its place, and its number above, as near as there is room."""
    first, last = found[0].at_ns, found[-1].at_ns
    at = [0.03 + 0.94 * (moment.at_ns - first) / (last - first) for moment in found]
    places = _apart(at)
    shapes = ['<line class="axis" x1="0" x2="100%" y1="36" y2="36"/>']
    zero = next(at[i] for i, moment in enumerate(found) if moment.at_ns == 0)
    shapes.append(f'<rect class="before" x="{per_cent(at[0])}" width="{per_cent(zero - at[0])}" y="32" height="8"/>')
    for number, (moment, tick, place) in enumerate(zip(found, at, places), 1):
        shapes.append(
            f'<g class="moment {moment.look}"><line x1="{per_cent(tick)}" x2="{per_cent(tick)}" y1="28" y2="42"/>'
            f'<line x1="{per_cent(place)}" x2="{per_cent(tick)}" y1="18" y2="28"/>'
            f'<circle cx="{per_cent(place)}" cy="10" r="8"/><text x="{per_cent(place)}" y="14">{number}</text>'
            f"<title>{text(moment.name)}: {moment.when}</title></g>"
        )
    label = "; ".join(f"{moment.when}: {moment.name}" for moment in found)
    return Markup(f'<svg class="axis" height="{_HEIGHT}" role="img" aria-label="{text(label)}">{"".join(shapes)}</svg>')


def _apart(at: list[float]) -> list[float]:
    """The places, moved as little as needed so that none is nearer than the gap to the next."""
    places = list(at)
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + _GAP)
    over = places[-1] - 0.97
    if over > 0:
        places[-1] -= over
        for number in range(len(places) - 2, -1, -1):
            places[number] = min(places[number], places[number + 1] - _GAP)
    return places


def growth(case: PageCase) -> Optional[GrowthPicture]:
    """None of a log, or if charges were not watched."""
    grown = [one for one in case.event.trace.growth if one.charged_pages > 0]
    window = max((one.window_ns or 0 for one in grown), default=0)
    if not grown or not window:
        return None
    total_kb = sum(one.charged_pages for one in grown) * case.page_kb
    held = {one.pid: _held_kb(case, one.pid) for one in grown}
    whole = max([one.charged_pages * case.page_kb for one in grown] + [kb or 0 for kb in held.values()])
    chargers = []
    for one in grown[:_CHARGERS]:
        kb, resident = one.charged_pages * case.page_kb, held[one.pid]
        name, words = who(one.pid, one.comm), human(resident) if resident is not None else ""
        picture = bar([Segment(0, kb / whole, case.look_of(one.pid))]) + (
            bar([Segment(0, resident / whole, "held")], height=6) if resident is not None else "")
        chargers.append(Charger(name, human(kb), words, Markup(picture)))
    return GrowthPicture(seconds(window), human(total_kb), rate(total_kb, window), tuple(chargers),
                  max(0, len(grown) - _CHARGERS))


def rate(kb: int, ns: int) -> str:
    """ "5.2 MiB/s"."""
    return f"{human(int(kb * 1e9 / ns))}/s"


def _held_kb(case: PageCase, pid: int) -> Optional[int]:
    row = look.row_of(case.event, pid)
    return row.rss_pages * case.page_kb if row is not None and row.rss_pages is not None else None
