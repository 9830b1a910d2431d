"""The candidates in the order of their badness, and whether that is the kernel's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.model import OomEvent

from . import badness, look
from .badness import Formula, Weighed
from .finding import Ranked
from .totalpages import UNBOUNDED, Totalpages, totalpages


@dataclass(frozen=True)
class Assumption:
    """What is taken for the two things that a log does not tell, totalpages and the superuser's bonus.

    ``fits``: does the printed score follow from it? None: no score is printed. ``fitted``: totalpages were chosen so.
    """

    total: Optional[int]
    bonus: str
    fits: Optional[bool] = None
    exact: bool = False  # totalpages are known without the score
    fitted: bool = False
    total_range: Optional[tuple[int, int]] = None  # all totalpages that give the printed score

    def points(self, weighed: Weighed, rule: Formula) -> int:
        adj, value, floor = weighed.task.oom_score_adj, weighed.pages, rule.floor
        bonus = self.bonus if weighed.task.uid == 0 else "none"
        if adj or bonus != "none":
            value = badness.points(value, adj or 0, self.total or 0, bonus)
        return value if floor is None or value >= floor else floor


@dataclass(frozen=True)
class Ranking:
    """The tasks by points under the likeliest reading, and how they stand to the kernel's choice."""

    rule: Formula
    reading: Assumption
    candidates: tuple[Weighed, ...]  # best first, without the exempt
    exempt: tuple[Weighed, ...]
    chosen: Optional[Weighed]
    above: tuple[Weighed, ...] = ()  # more points than the chosen one whatever is unknown
    unsure: tuple[Weighed, ...] = ()  # perhaps more points

    def points(self, weighed: Weighed) -> int:
        return self.reading.points(weighed, self.rule)

    def known(self, weighed: Weighed) -> bool:
        """Are its points known? oom_score_adj counts in parts of totalpages."""
        return self.reading.total is not None or not weighed.task.oom_score_adj

    def score(self, weighed: Weighed) -> Optional[int]:
        """Per mille of totalpages, where those are known or the printed score tells."""
        if not self.reading.total or not (self.reading.exact or self.reading.fits):
            return None
        return badness.score(self.points(weighed), self.reading.total)


@look.once
def rank(event: OomEvent) -> Optional[Ranking]:
    """The ranking, None if the source does not show enough for any."""
    rule = badness.formula(event)
    weighed = badness.weigh(event)
    if rule is None or not weighed:
        return None
    chosen = _chosen(event, weighed)
    reading = _reading(event, rule, chosen)
    if chosen is not None and _is_a_guess(event, chosen, reading):
        chosen, reading = None, Assumption(reading.total, reading.bonus, exact=reading.exact)
    if reading.fits and reading.total_range is not None:  # the printed score bounds totalpages
        weighed = badness.weigh(event, total=Totalpages(*reading.total_range))
        chosen = _chosen(event, weighed) if chosen is not None else None
    able = [w for w in weighed if w.exempt is None]
    able.sort(key=lambda w: (-reading.points(w, rule), w is not chosen))
    if chosen is None:
        return Ranking(rule, reading, tuple(able), _exempt(weighed), None)
    others = [w for w in able if w is not chosen]
    low, high = chosen.low[0], chosen.high[0]
    rivals = [w for w in others if low < w.low[1] or high < w.high[1]]  # not surely_at_least, of many
    above = tuple(w for w in rivals if w.surely_above(chosen))
    unsure = tuple(w for w in rivals if not w.surely_above(chosen))
    return Ranking(rule, reading, tuple(able), _exempt(weighed), chosen, above, unsure)


def _exempt(weighed: tuple[Weighed, ...]) -> tuple[Weighed, ...]:
    return tuple(sorted((w for w in weighed if w.exempt is not None), key=lambda w: -w.pages))


def _chosen(event: OomEvent, weighed: tuple[Weighed, ...]) -> Optional[Weighed]:
    found = look.chosen(event)
    if found is None:
        return None
    same = [w for w in weighed if w.task.pid == found.pid] or [w for w in weighed if w.task.tgid == found.pid]
    return same[0] if same else _of_thread(event, weighed)


def _of_thread(event: OomEvent, weighed: tuple[Weighed, ...]) -> Optional[Weighed]:
    """Up to 4.8 a thread may be chosen, which has no row of its own; its process is killed."""
    verdict, victim = event.report.verdict, event.report.victim
    if verdict is None or victim is None or verdict.comm != victim.comm:
        return None
    return next((w for w in weighed if w.task.pid == event.report.kills[0].pid), None)


def _is_a_guess(event: OomEvent, chosen: Weighed, reading: Assumption) -> bool:
    """Is it the killed process that stands for a chosen one without a row, and no score shows that they are the same?
    It may be a child that died for its parent. A score of 0 fits any."""
    verdict = event.report.verdict
    if verdict is None or verdict.pid in (chosen.task.pid, chosen.task.tgid):
        return False
    return not (reading.fits and verdict.score)


def _reading(event: OomEvent, rule: Formula, chosen: Optional[Weighed]) -> Assumption:
    """The reading under which the printed score comes out; the simplest one if none is printed."""
    total = totalpages(event)
    usual = rule.root[0]
    start = total.low if total is not None else None
    exact = total is not None and total.exact is not None
    if event.report.verdict is None or chosen is None or total is None:
        return Assumption(start, usual, exact=exact)
    printed = event.report.verdict.score
    options = badness.bonuses(chosen.task, rule)
    for bonus in options:
        reading = Assumption(total.low, bonus, exact=exact)
        if badness.score(reading.points(chosen, rule), total.low) == printed:
            fitting = _fitting(chosen, printed, bonus, total)
            return Assumption(total.low, bonus, True, exact, total_range=fitting or (total.low, total.low))
    for bonus in options:
        fitting = _fitting(chosen, printed, bonus, total)
        if fitting is not None:
            return Assumption(sum(fitting) // 2, bonus, True, exact, fitted=True, total_range=fitting)
    return Assumption(total.low, usual, False, exact)


def _fitting(chosen: Weighed, printed: int, bonus: str, total: Totalpages) -> Optional[tuple[int, int]]:
    """All totalpages within the bounds that give the printed score (to 1000 pages where adj is not 0).

    With u = totalpages / 1000 the score is (pages + adj × u) / u, so pages / u is what adj leaves of it.
    """
    adj = chosen.task.oom_score_adj or 0
    pages = chosen.pages
    if bonus == "30 off adj":
        adj -= 30
    else:
        pages -= badness.BONUSES[bonus](pages, 0)
    rest = printed - adj
    if rest < 0:
        return None
    least = pages * 1000 // (rest + 1) + 1
    most = pages * 1000 // rest if rest else total.high
    if adj:
        least, most = least - 1000, most + 1000
    least, most = max(least, total.low), min(most, total.high)
    return (least, most) if least <= most < UNBOUNDED else None  # a score of 0 fits anything


def ranked(event: OomEvent) -> tuple[Ranked, ...]:
    """The whole table as rows to show: by points, then those that could not be chosen."""
    ranking = rank(event)
    if ranking is None:
        return ()
    size = look.page_kb(event)
    killed = frozenset([kill.pid for kill in event.report.kills] + [one.pid for one in event.report.sharing])
    return tuple([_row(ranking, w, size, killed) for w in ranking.candidates + ranking.exempt])


def _row(ranking: Ranking, weighed: Weighed, size: int, killed: frozenset[int]) -> Ranked:
    """Past the frozen dataclass's own way to make one, which sets each field by a call: there are thousands."""
    task, reason = weighed.task, weighed.exempt
    rss, swap, pid = task.rss_pages or 0, task.swapents_pages or 0, task.pid
    row: Ranked = object.__new__(Ranked)
    row.__dict__.update(
        pid=pid,
        comm=task.comm,
        rss_kb=rss * size,
        swap_kb=swap * size,
        pgtables_kb=(weighed.pages - rss - swap) * size,
        oom_score_adj=task.oom_score_adj,
        points=ranking.points(weighed) if reason is None and ranking.known(weighed) else None,
        score_permille=ranking.score(weighed) if reason is None else None,
        exempt=reason,
        chosen=weighed is ranking.chosen,
        killed=pid in killed or task.tgid in killed,
    )
    return row
