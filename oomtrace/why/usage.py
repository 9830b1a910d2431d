"""The shape of a usage history: where usage stood, and how it rose to the OOM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import OomEvent, UsageHistory, UsageMoment

from . import look

_STEADY = 0.05  # of the end: within so much, usage stands still
_RISE = 0.10  # of the end, that it must have risen by after that
_LEAST_STEADY = 4  # points
_LINE = 0.97  # coefficient of determination: how straight a straight line is
_LEAST_MINUTES, _LEAST_SECONDS = 10, 15  # points that a line must have
_LEAST_GROWTH = 0.2  # of the end, below which it is none
_AT_LIMIT = 0.97

_Point = tuple[int, int]  # ns before the OOM, kB: no gaps


@dataclass(frozen=True)
class Steady:
    """It stood still for ``steady_ns`` at about ``level_kb``, and rose by ``rise_kb`` in the last ``rise_ns``."""

    steady_ns: int
    level_kb: int
    rise_ns: int
    rise_kb: int


@dataclass(frozen=True)
class Line:
    """It rose in a straight line by ``rise_kb`` in ``span_ns``, ``each_kb`` a minute or a second."""

    span_ns: int
    rise_kb: int
    each_kb: int
    minutes: bool


@dataclass(frozen=True)
class AtLimit:
    """It has been at what it ended with for ``span_ns``."""

    span_ns: int


@dataclass(frozen=True)
class Moved:
    """It moved between ``least_kb`` and ``most_kb`` in ``span_ns``."""

    span_ns: int
    least_kb: int
    most_kb: int


def of_full(event: OomEvent) -> Optional[UsageHistory]:
    """The history of the memcg that was full; None if there is none."""
    memcg = look.scope(event) == "memcg" and event.report.memcg
    if not memcg:
        return None
    return next((one for one in event.trace.history if one.memcg == memcg.path), None)


def filled_in(moments: Sequence[UsageMoment], each_ns: int) -> list[_Point]:
    """With a point for each stretch in which nothing was charged: usage was not higher in it than before."""
    found: list[_Point] = []
    for moment in moments:
        while found and found[-1][0] - moment.before_ns > each_ns:
            found.append((found[-1][0] - each_ns, found[-1][1]))
        found.append((moment.before_ns, moment.usage_kb))
    while found and found[-1][0] > each_ns:
        found.append((found[-1][0] - each_ns, found[-1][1]))
    return found


def shape(history: UsageHistory) -> Optional[object]:
    """A leak shows in minutes, a spike in seconds: a straight line of minutes counts for more. None: too short."""
    minutes = filled_in(history.minutes, history.minute_ns)
    seconds = filled_in(history.seconds, history.second_ns)
    if len(minutes) >= _LEAST_MINUTES:
        line = _line(minutes, history.minute_ns, minutes=True)
        if line is not None:
            return line
        since = _at_limit_since(minutes)
        if since is not None and since > 2 * history.minute_ns:
            return AtLimit(since)
    return _of_seconds(seconds, history.second_ns)


def curve(event: OomEvent) -> tuple[int, ...]:
    """What a picture of it shows, in kB: the minutes where they tell more, else the seconds. Empty: not known."""
    history = of_full(event)
    if history is None:
        return ()
    said = shape(history)
    by_minute = isinstance(said, AtLimit) and said.span_ns > 2 * history.minute_ns
    by_minute = by_minute or (isinstance(said, Line) and said.minutes)
    moments, each_ns = (history.minutes, history.minute_ns) if by_minute else (history.seconds, history.second_ns)
    return tuple(kb for _, kb in filled_in(moments, each_ns))


def _of_seconds(points: list[_Point], each_ns: int) -> Optional[object]:
    if len(points) < 3:
        return None
    steady = _steady(points)
    if steady is not None:
        return steady
    if len(points) >= _LEAST_SECONDS:
        line = _line(points, each_ns, minutes=False)
        if line is not None:
            return line
        since = _at_limit_since(points)
        if since is not None and since > len(points) * each_ns // 2:
            return AtLimit(since)
    sizes = [kb for _, kb in points]
    return Moved(points[0][0], min(sizes), max(sizes))


def _steady(points: list[_Point]) -> Optional[Steady]:
    """Whether it stood still, and then rose to the end in a time that is short beside that."""
    end = points[-1][1]
    for rising in range(1, len(points) // 3 + 1):
        level = points[-rising - 1][1]
        stood = _stood(points[:-rising], end * _STEADY)
        if end - level >= end * _RISE and len(stood) >= max(_LEAST_STEADY, 2 * rising):
            began = points[-rising][0]
            return Steady(stood[0][0] - began, level, began, end - level)
    return None


def _stood(points: list[_Point], within: float) -> list[_Point]:
    """The last points that are within so many kB of one another."""
    least = most = points[-1][1]
    first = len(points)
    for at in range(len(points) - 1, -1, -1):
        least, most = min(least, points[at][1]), max(most, points[at][1])
        if most - least > within:
            break
        first = at
    return points[first:]


def _line(points: list[_Point], each_ns: int, minutes: bool) -> Optional[Line]:
    """A straight line through all points, by least squares."""
    count = len(points)
    times = [-before / each_ns for before, _ in points]
    sizes = [float(kb) for _, kb in points]
    middle_t, middle_s = sum(times) / count, sum(sizes) / count
    spread_t = sum((t - middle_t) ** 2 for t in times)
    spread_s = sum((s - middle_s) ** 2 for s in sizes)
    if not spread_t or not spread_s:
        return None
    both = sum((t - middle_t) * (s - middle_s) for t, s in zip(times, sizes))
    rise = sizes[-1] - sizes[0]
    if both <= 0 or both * both / (spread_t * spread_s) < _LINE or rise < sizes[-1] * _LEAST_GROWTH:
        return None
    unit_ns = 60_000_000_000 if minutes else 1_000_000_000
    return Line(points[0][0], int(rise), int(both / spread_t * unit_ns / each_ns), minutes)


def _at_limit_since(points: list[_Point]) -> Optional[int]:
    """How long it has been at the size of the end."""
    least = points[-1][1] * _AT_LIMIT
    since = None
    for before, kb in reversed(points):
        if kb < least:
            break
        since = before
    return since
