"""The candidates in the order of their badness, and whether that is the kernel's order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
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
    points_of: tuple[int, ...]  # the candidates
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
        total = self.scored_against
        return badness.score(self.points(weighed), total) if total else None

    @property
    def scored_against(self) -> Optional[int]:
        """Totalpages, where they are known or the printed score tells."""
        return self.reading.total if self.reading.exact or self.reading.fits else None


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
    if chosen is not None:
        able.sort(key=lambda w: w is not chosen)  # before those that have as many points
    found = [reading.points(w, rule) for w in able]
    order = sorted(range(len(able)), key=found.__getitem__, reverse=True)
    able, points = [able[at] for at in order], tuple([found[at] for at in order])
    if chosen is None:
        return Ranking(rule, reading, tuple(able), points, _exempt(weighed), None)
    low, high = chosen.low[0], chosen.high[0]
    # Not surely_at_least, of many.
    rivals = [w for w in able if (low < w.low[1] or high < w.high[1]) and w is not chosen]
    above = tuple(w for w in rivals if w.surely_above(chosen))
    unsure = tuple(w for w in rivals if not w.surely_above(chosen))
    return Ranking(rule, reading, tuple(able), points, _exempt(weighed), chosen, above, unsure)


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
    size, total = look.page_kb(event), ranking.scored_against
    killed = frozenset([kill.pid for kill in event.report.kills] + [one.pid for one in event.report.sharing])
    known, chosen = ranking.reading.total is not None, ranking.chosen
    new, rows = object.__new__, []
    for weighed, points in zip_longest(ranking.candidates + ranking.exempt, ranking.points_of):
        task, pages, _, _, _, reason = weighed
        pid, adj, rss, swap = task.pid, task.oom_score_adj, task.rss_pages or 0, task.swapents_pages or 0
        row = new(Ranked)  # past the frozen dataclass's own way, which sets each field by a call: there are thousands
        row.__dict__.update(zip(_SHOWN, (
            pid, task.comm, rss * size, swap * size, (pages - rss - swap) * size, adj,
            points if known or not adj else None,  # adj counts in parts of totalpages
            points * 1000 // total if total and points is not None else None,
            reason, weighed is chosen, pid in killed or task.tgid in killed,
        )))
        rows.append(row)
    return tuple(rows)


_SHOWN = ("pid", "comm", "rss_kb", "swap_kb", "pgtables_kb", "oom_score_adj", "points", "score_permille", "exempt",
          "chosen", "killed")
