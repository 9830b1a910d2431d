"""The pick: what each candidate weighed, in pages, and what oom_score_adj adds to that or takes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from markupsafe import Markup

from oomtrace.why import Ranked
from oomtrace.why.phrasebook import template
from oomtrace.why.units import human

from .case import PageCase, who
from .svg import Segment, bar

_SHOWN = 8
_EXEMPT = 4


@dataclass(frozen=True)
class CandidateBar:
    """One bar and the words beside it."""

    place: str
    name: str
    points: str
    words: str
    chosen: bool
    exempt: Optional[str]
    picture: Markup


@dataclass(frozen=True)
class PickPicture:
    """The best candidates, the chosen one, and the largest of those that could not be chosen."""

    candidates: tuple[CandidateBar, ...]
    others: int
    exempt_others: int
    adjusted: bool
    bonus: bool  # the superuser's, on older kernels


def pick(case: PageCase) -> Optional[PickPicture]:
    """None if there is nobody to compare."""
    able = [row for row in case.found.ranking if row.exempt is None]
    exempt = [row for row in case.found.ranking if row.exempt is not None]
    if not able or len(able) + len(exempt) < 2:
        return None
    shown = [pair for pair in enumerate(able, 1) if pair[0] <= _SHOWN or pair[1].chosen]
    whole = max([_reach(case, row) for _, row in shown] + [_own_kb(row) for row in exempt[:_EXEMPT]] + [1])
    rows = [_candidate(case, str(place), row, whole) for place, row in shown]
    rows += [_candidate(case, "–", row, whole) for row in exempt[:_EXEMPT]]
    adjusted = any(row.oom_score_adj for _, row in shown)
    bonus = any(not row.oom_score_adj and (_points_kb(case, row) or 0) < _own_kb(row) for _, row in shown)
    return PickPicture(tuple(rows), len(able) - len(shown), max(0, len(exempt) - _EXEMPT), adjusted, bonus)


def _own_kb(row: Ranked) -> int:
    return sum(kb or 0 for kb in (row.rss_kb, row.swap_kb, row.pgtables_kb))


def _points_kb(case: PageCase, row: Ranked) -> Optional[int]:
    return None if row.points is None else row.points * case.page_kb


def _reach(case: PageCase, row: Ranked) -> int:
    return max(_own_kb(row), _points_kb(case, row) or 0)


def _candidate(case: PageCase, place: str, row: Ranked, whole: int) -> CandidateBar:
    points = _points_kb(case, row)
    adj = row.oom_score_adj
    parts = [("rss", row.rss_kb), ("swap", row.swap_kb), ("tables", row.pgtables_kb)]
    words = " · ".join(f"{name} {human(kb)}" for name, kb in parts if kb)
    if adj:
        words += f" · adj {adj}"
    own = _own_kb(row)
    said = "" if points is None else f"{row.points:,} points".replace(",", "\u202f")
    if points is not None and adj and abs(points - own) > case.page_kb:
        words += f" ({'+' if points > own else '−'}{human(abs(points - own))})"
    reason = None if row.exempt is None else template.word(row.exempt)
    return CandidateBar(place, who(row.pid, row.comm), said, words, row.chosen, reason,
                     bar(_segments(row, own, points, whole), (), "", 16))


def _segments(row: Ranked, own: int, points: Optional[int], whole: int) -> list[Segment]:
    """rss, swap and page tables; hatched what adj adds, or what it takes away."""
    if row.exempt is not None:
        return [Segment(0, own / whole, "exempt")]
    first = "victim" if row.chosen else "c-anon"
    pieces = ((row.rss_kb, first, "rss"), (row.swap_kb, "c-swap", "swap"), (row.pgtables_kb, "c-tables", "page tables"))
    segments, start = [], 0
    for kb, colour, name in pieces:
        if kb:
            segments.append(Segment(start / whole, kb / whole, colour, f"{name} {human(kb)}"))
            start += kb
    if points is not None and points > own:
        said = f"oom_score_adj adds {human(points - own)}"
        segments.append(Segment(own / whole, (points - own) / whole, "adj", said))
    elif points is not None and points < own:
        left = max(points, 0)
        by = "oom_score_adj" if row.oom_score_adj else "the superuser's bonus"  # 3 %, up to 4.16 (d46078b28889)
        segments.append(Segment(left / whole, (own - left) / whole, "less", f"{by} takes {human(own - left)}"))
    return segments
