"""The ladder: every memory cgroup from the full one up to the root, each a bar of what was in it against its limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import MemcgLevel
from oomtrace.why import look, names
from oomtrace.why.units import human, share

from .case import PageCase, who
from .svg import Mark, Segment, bar


@dataclass(frozen=True)
class Rung:
    """One level. ``who`` are the processes that stand on it, ``bounds`` its limit and protection in words."""

    name: str
    path: str
    owner: Optional[str]
    usage: str
    bounds: tuple[tuple[str, str], ...]
    full: bool
    who: tuple[str, ...]
    picture: Markup


def ladder(case: PageCase) -> tuple[Rung, ...]:
    """From the full level up, as a trace saw them; nothing of a log, which shows one level alone."""
    levels = case.event.trace.levels
    below: Optional[MemcgLevel] = None
    rungs: list[Rung] = []
    for level in levels:
        above = levels[len(rungs) + 1].path if len(rungs) + 1 < len(levels) else None
        rungs.append(_rung(case, level, below, above))
        below = level
    return tuple(rungs)


def _rung(case: PageCase, level: MemcgLevel, below: Optional[MemcgLevel], above: Optional[str]) -> Rung:
    owner = names.owner(level.path)
    part = share(level.usage_kb, level.limit_kb) if level.usage_kb is not None else ""
    usage = "usage not known" if level.usage_kb is None else human(level.usage_kb) + (f" · {part}" if part else "")
    return Rung(
        name=_name(level.path, above),
        path=level.path,
        owner=owner.text if owner is not None and owner.unit != level.path.rsplit("/", 1)[-1] else None,
        usage=usage,
        bounds=_bounds(level),
        full=below is None,
        who=_who(case, level.path, below.path if below is not None else None),
        picture=_picture(level, below),
    )


def _name(path: str, above: Optional[str]) -> str:
    """The path from the level above on, long ids cut short."""
    own = path[len(above):] if above and path.startswith(f"{above}/") else path
    return re.sub(r"([0-9a-f]{12})[0-9a-f]{52}", r"\1…", ("…" if own != path else "") + own)


def _bounds(level: MemcgLevel) -> tuple[tuple[str, str], ...]:
    said = [("max", human(level.limit_kb) if level.limit_kb is not None else "none")]
    said += [(name, human(kb)) for name, kb in _marks(level) if kb]
    if level.swap_usage_kb or level.swap_limit_kb is not None:
        limit = f" of {human(level.swap_limit_kb)}" if level.swap_limit_kb is not None else ""
        said.append(("swap", human(level.swap_usage_kb or 0) + limit))
    if level.oom_group:
        said.append(("oom.group", "1"))
    return tuple(said)


def _marks(level: MemcgLevel) -> tuple[tuple[str, Optional[int]], ...]:
    return ("high", level.high_kb), ("low", level.low_kb), ("min", level.min_kb)


def _who(case: PageCase, path: str, below: Optional[str]) -> tuple[str, ...]:
    """Trigger and victim, at the lowest level shown that holds them."""
    event = case.event
    said = []
    trigger, victim = event.report.trigger, case.victim
    if victim is not None and _holds(path, below, look.victim_path(event)):
        said.append(f"killed: {who(victim.pid, victim.comm)}")
    if trigger.comm is not None and _holds(path, below, trigger.memcg):
        said.append(f"asked: {who(trigger.pid, trigger.comm)}")
    return tuple(said)


def _holds(path: str, below: Optional[str], of: Optional[str]) -> bool:
    if of is None:
        return False
    inside = names.levels_between(path, of) is not None
    return inside and (below is None or names.levels_between(below, of) is None)


def _picture(level: MemcgLevel, below: Optional[MemcgLevel]) -> Markup:
    """The whole width is the limit; without one, what is in it, and the bar is open at its end."""
    usage = level.usage_kb or 0
    bounds = [kb for _, kb in _marks(level) if kb and level.limit_kb is None and kb < usage * 4]
    whole = max(level.limit_kb or 0, usage, *bounds, 1)
    inner = min(below.usage_kb or 0, usage) if below is not None else 0
    look = "full" if below is None else "used"
    segments = [Segment(0, inner / whole, "inner", f"{human(inner)} of it in the level below"),
                Segment(inner / whole, (usage - inner) / whole, look, f"{human(usage - inner)} beside that")]
    marks = [Mark(kb / whole, name, f"{name} {human(kb)}") for name, kb in _marks(level) if kb and kb <= whole]
    if level.limit_kb is not None:
        marks.append(Mark(level.limit_kb / whole, "max", f"max {human(level.limit_kb)}"))
    limit = f"of a limit of {human(level.limit_kb)}" if level.limit_kb is not None else "without a limit"
    said = f"{level.path}: {human(usage)} {limit}"
    if inner:
        said += f", {human(inner)} of it in the level below"
    return bar(segments, marks, said, height=18)
