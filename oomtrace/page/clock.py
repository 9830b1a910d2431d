"""When an event was, and on which host: the wall clock where a log has it, the kernel's boot clock otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Optional

from oomtrace.model import OomEvent
from oomtrace.text.prefix import strip
from oomtrace.why.pattern import time_ns

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_ISO = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?")
_SYSLOG = re.compile(r"\b([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?: (\d{4}))?")
_UNIX = re.compile(r"(?:^|[\[ ])(\d{10})\.\d+")
NO_YEAR = 1972  # a leap year, so that every day of a year that the log does not name is one


@dataclass(frozen=True)
class Wall:
    """A time of day. ``dated``: the year is known."""

    seconds: float
    text: str
    dated: bool


def wall(event: OomEvent) -> Optional[Wall]:
    """When a trace saw it, or the time that stands in front of the report's first line that has one."""
    if event.origin.unix_ns is not None:
        return _at(event.origin.unix_ns // 1_000_000_000)
    prefixes = (line.prefix for line in event.origin.lines[:40] if line.prefix)
    return next((found for found in map(_parsed, prefixes) if found is not None), None)


def _parsed(prefix: str) -> Optional[Wall]:
    try:
        return _iso(prefix) or _syslog(prefix) or _unix(prefix)
    except ValueError:  # a 31st of February
        return None


def _iso(prefix: str) -> Optional[Wall]:
    match = _ISO.search(prefix)
    if match is None:
        return None
    zone = match.group(7)
    at = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
    return Wall((at - _offset(zone)).timestamp(), f"{at:%Y-%m-%d %H:%M:%S}{f' {zone}' if zone else ''}", True)


def _offset(zone: Optional[str]) -> timedelta:
    if not zone or zone == "Z":
        return timedelta()
    sign = -1 if zone[0] == "-" else 1
    return sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))


def _syslog(prefix: str) -> Optional[Wall]:
    match = _SYSLOG.search(prefix)
    if match is None or match.group(1) not in _MONTHS:
        return None
    year = int(match.group(6)) if match.group(6) else NO_YEAR
    month = _MONTHS.index(match.group(1)) + 1
    day, hour, minute, second = (int(part) for part in match.groups()[1:5])
    at = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    words = f"{at:%Y-%m-%d %H:%M:%S}" if match.group(6) else f"{match.group(1)} {day} {at:%H:%M:%S}"
    return Wall(at.timestamp(), words, match.group(6) is not None)


def _unix(prefix: str) -> Optional[Wall]:
    match = _UNIX.search(prefix)
    if match is None:
        return None
    return _at(int(match.group(1)))


def _at(seconds: int) -> Wall:
    at = datetime.fromtimestamp(seconds, timezone.utc)
    return Wall(at.timestamp(), f"{at:%Y-%m-%d %H:%M:%S} Z", True)


def when(event: OomEvent) -> Optional[str]:
    """In words: the wall clock, or how long after boot."""
    found = wall(event)
    if found is not None:
        return found.text
    ns = time_ns(event)
    return None if ns is None else f"{span(ns / 1e9)} after boot"


def span(seconds: float) -> str:
    """ "46.5 s", "3 h 12 min", "12 d 4 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds / 60), int(seconds / 3600), int(seconds / 86400)
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {minutes - hours * 60} min" if hours < 48 else f"{days} d {hours - days * 24} h"


def host(event: OomEvent) -> Optional[str]:
    """The machine's name, known to a trace, or from the prefix of a log."""
    if event.origin.host:
        return event.origin.host
    prefix = next((line.prefix for line in event.origin.lines[:40] if line.prefix), None)
    words = strip(prefix + "x").source.split() if prefix else []
    return words[0] if words else None
