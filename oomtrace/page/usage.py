"""Usage before the OOM: a column for each second of the last minute, and for each minute of the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.model import MemcgLevel, UsageHistory, UsageMoment
from oomtrace.why import usage
from oomtrace.why.units import age, human

from .case import PageCase
from .svg import per_cent, text

_HEIGHT = 72
_LEAST = 3  # columns: less is no picture


@dataclass(frozen=True)
class Usage:
    """A picture of one stretch of time. ``most``: how much its height stands for."""

    picture: Markup
    span: str
    each: str
    most: str


def pictures(case: PageCase) -> tuple[Usage, ...]:
    """By the second, and by the minute if that is longer than the seconds."""
    history = usage.of_full(case.event)
    if history is None:
        return ()
    limit_kb = _limit_kb(case.event.trace.levels, history)
    found = [_picture(history.seconds, history.second_ns, limit_kb, "second")]
    if len(history.minutes) >= _LEAST:
        found.append(_picture(history.minutes, history.minute_ns, limit_kb, "minute"))
    return tuple(one for one in found if one is not None)


def _limit_kb(levels: Sequence[MemcgLevel], history: UsageHistory) -> Optional[int]:
    return next((level.limit_kb for level in levels if level.path == history.memcg), None)


def _picture(
    moments: Sequence[UsageMoment], each_ns: int, limit_kb: Optional[int], unit: str
) -> Optional[Usage]:
    points = usage.filled_in(moments, each_ns)
    if len(points) < _LEAST:
        return None
    most = max([kb for _, kb in points] + [limit_kb or 0])
    if not most:
        return None
    width = 1 / len(points)
    shapes = [
        f'<rect class="usage" x="{per_cent(at * width)}" width="{per_cent(width * 0.86)}" '
        f'y="{_HEIGHT - _HEIGHT * kb / most:.1f}" height="{_HEIGHT * kb / most:.1f}">'
        f"<title>{text(f'{age(before)} before: {human(kb)}')}</title></rect>"
        for at, (before, kb) in enumerate(points)
    ]
    if limit_kb:
        y = f"{_HEIGHT - _HEIGHT * limit_kb / most:.1f}"
        shapes.append(f'<line class="limit" x1="0" x2="100%" y1="{y}" y2="{y}"><title>limit</title></line>')
    sizes = [kb for _, kb in points]
    label = (f"usage by the {unit}: {human(sizes[0])} at first, {human(min(sizes))} at least, "
             f"{human(sizes[-1])} at the OOM")
    picture = f'<svg class="curve" height="{_HEIGHT}" role="img" aria-label="{text(label)}">{"".join(shapes)}</svg>'
    return Usage(Markup(picture), age(points[0][0]), unit, human(most))
