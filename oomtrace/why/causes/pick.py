"""Step 5: why this victim. The badness of every candidate recomputed and compared with what the kernel did."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import badness, look
from ..badness import Weighed
from ..case import Case
from ..finding import LIKELY, UNKNOWN, Process, Reason
from ..ranking import Ranking, rank
from ..registry import cause
from ..totalpages import totalpages

_LONG_MAX = (1 << 63) - 1


class Pick(Reason):
    ALLOCATING_TASK = "allocating_task"  # vm.oom_kill_allocating_task
    TASK_ORIGIN = "task_origin"  # oom_task_origin(): swapoff, KSM
    PICKED = "picked"
    PERHAPS_OF_GROUP = "perhaps_of_group"  # the kill line alone, which a group kill prints for each
    CANNOT_TELL = "cannot_tell"
    NO_TABLE = "no_table"
    OLD_TABLE = "old_table"  # before 3.5: neither swap nor page tables
    VERSION_UNKNOWN = "version_unknown"
    NO_ROW = "no_row"
    COLUMNS_MISSING = "columns_missing"
    LIMIT_UNKNOWN = "limit_unknown"
    POINTS = "points"
    ONLY_CANDIDATE = "only_candidate"
    TIE = "tie"
    MOST_POINTS = "most_points"
    MOST_WHATEVER_LIMIT = "most_whatever_limit"
    MOST_FROM = "most_from"  # totalpages on
    NOT_MOST_POINTS = "not_most_points"
    CONTRADICTS_TABLE = "contradicts_table"
    DISAGREES = "disagrees"
    SCORE_DOES_NOT_FOLLOW = "score_does_not_follow"
    DEPENDS_ON_TOTALPAGES = "depends_on_totalpages"
    DEPENDS_ON_CAPABILITY = "depends_on_capability"
    NOTHING_TO_COMPARE = "nothing_to_compare"
    POINTS_DIFFER = "points_differ"
    AGREES = "agrees"


@cause("pick", step=5, place=1, reasons=Pick)
def pick(event: OomEvent, case: Case) -> None:
    """Was it the task with the most points?"""
    chosen = look.chosen(event)
    if chosen is None:
        return
    verdict = event.report.verdict
    case.knows(verdict__score=verdict.score if verdict else None, chosen_points=event.trace.chosen_points)
    if allocating(event):
        case.says(Pick.ALLOCATING_TASK, chosen=chosen, kill__message=_message(event))
        return
    if event.trace.chosen_points is not None and event.trace.chosen_points >= _LONG_MAX:
        case.says(Pick.TASK_ORIGIN, chosen=chosen)
        return
    ranking = rank(event)
    obstacle = unweighable(event, ranking, chosen.pid)
    if obstacle is not None and perhaps_of_group(event):
        case.says(Pick.PERHAPS_OF_GROUP, UNKNOWN, killed=chosen)
        return
    if obstacle is not None or ranking is None or ranking.chosen is None:
        case.says(Pick.PICKED, chosen=chosen, verdict__score=verdict.score if verdict else None)
        case.means(obstacle or Pick.CANNOT_TELL, UNKNOWN)
        if obstacle is Pick.LIMIT_UNKNOWN and ranking is not None:
            _bound(event, ranking, chosen, case)
        return
    _points(event, ranking, ranking.chosen, chosen, case)
    _judgement(event, ranking, ranking.chosen, case)
    _knows(ranking, ranking.chosen, case)


def _message(event: OomEvent) -> Optional[str]:
    if event.report.verdict is not None:
        return event.report.verdict.message
    return event.report.kills[0].message if event.report.kills else None


def allocating(event: OomEvent) -> bool:
    """vm.oom_kill_allocating_task puts itself into the message (mm/oom_kill.c, out_of_memory)."""
    return "oom_kill_allocating_task" in (_message(event) or "")


def perhaps_of_group(event: OomEvent) -> bool:
    """Is a memcg's kill line all there is? memory.oom.group kills a whole cgroup, with such a line for each
    (oom_kill_memcg_member), and picks but one of them."""
    report = event.report
    alone = report.summary is None and report.verdict is None and report.trigger.comm is None
    alone = alone and event.trace.unprinted_reason is None  # otherwise the rate limit is why there is no more
    return alone and look.scope(event) == "memcg" and any(kill.message for kill in report.kills)


def unweighable(event: OomEvent, ranking: Optional[Ranking], pid: Optional[int]) -> Optional[Pick]:
    """Why badness cannot be recomputed, None if it can."""
    if not (event.trace.candidates or event.report.tasks):
        return Pick.NO_TABLE
    version = look.version(event)
    if version is not None and version < (3, 5):
        return Pick.OLD_TABLE
    if badness.formula(event) is None:
        return Pick.VERSION_UNKNOWN
    chosen = ranking.chosen if ranking is not None else None
    row = look.row_of(event, pid) if pid is not None else None
    if row is None and (ranking is None or chosen is None or not ranking.reading.fits):
        return Pick.NO_ROW
    row = row or (chosen.task if chosen is not None else None)
    if row is None:
        return Pick.NO_ROW
    if ranking is not None and chosen is not None and not all(map(ranking.known, (chosen, *ranking.unsure))):
        return Pick.LIMIT_UNKNOWN
    lacking = badness.pages_of(row, look.page_kb(event)) is None or row.oom_score_adj is None
    return Pick.COLUMNS_MISSING if lacking else None


def _bound(event: OomEvent, ranking: Ranking, chosen: Process, case: Case) -> None:
    """The size of all memory from which on the choice follows, and whether the tasks hold as much."""
    least = _first_from(ranking)
    if least is None:
        return
    held = sum(weighed.task.rss_pages or 0 for weighed in (*ranking.candidates, *ranking.exempt))
    case.remarks(Pick.MOST_FROM, UNKNOWN, chosen=chosen, first_from_pages=least,
                 first_from_kb=least * look.page_kb(event), tasks_rss_pages=held if held >= least else None)


def _first_from(ranking: Ranking) -> Optional[int]:
    """The least totalpages with which the chosen one is first; None if there are none or a bonus may count.

    oom_badness() adds adj × (totalpages / 1000), so that a higher oom_score_adj wins from some size on.
    """
    chosen, least = ranking.chosen, 0
    if chosen is None or chosen.exempt is not None or len(ranking.rule.root) > 1:
        return None
    for other in ranking.candidates:
        more = other.pages - chosen.pages
        ahead = (chosen.task.oom_score_adj or 0) - (other.task.oom_score_adj or 0)
        if more <= 0 <= ahead:
            continue
        if ahead <= 0:
            return None
        least = max(least, -(-more // ahead))
    return 1000 * least or None


def _points(event: OomEvent, ranking: Ranking, weighed: Weighed, chosen: Process, case: Case) -> None:
    """Its points and score beside the printed one, and where that puts it."""
    verdict, reading = event.report.verdict, ranking.reading
    fitted = reading.total_range if verdict is not None and reading.fitted else None
    points = ranking.points(weighed)
    case.says(Pick.POINTS, chosen=chosen, points=points, score=ranking.score(weighed),
              verdict__score=verdict.score if verdict is not None else None,
              totalpages_low=fitted[0] if fitted else None, totalpages_high=fitted[1] if fitted else None)
    others = [w for w in ranking.candidates if w is not weighed]
    if not others:  # then there is no table of candidates, which would show it
        case.says(Pick.ONLY_CANDIDATE, chosen_adj=weighed.task.oom_score_adj or None)
        return
    best = next((w for w in others if ranking.known(w)), None)
    candidates = len(ranking.candidates)
    if best is None:  # what oom_score_adj adds to each of the others is not known, but it is too little
        case.says(Pick.MOST_WHATEVER_LIMIT, candidates=candidates)
        return
    place = ranking.candidates.index(weighed) + 1 if weighed in ranking.candidates else None
    rival = Process(best.task.pid, best.task.comm, points=ranking.points(best))
    if ranking.points(best) == points:
        case.says(Pick.TIE, candidates=candidates, rival=rival)
    elif place == 1:
        case.says(Pick.MOST_POINTS, candidates=candidates, rival=rival)
    else:
        case.says(Pick.NOT_MOST_POINTS, place=place, candidates=candidates, rival=rival)


def _judgement(event: OomEvent, ranking: Ranking, chosen: Weighed, case: Case) -> None:
    """Whether the ranking is the kernel's, and how sure that is."""
    if chosen.exempt is not None:
        case.means(Pick.CONTRADICTS_TABLE, UNKNOWN, exempt=chosen.exempt)
    elif ranking.above:
        above = tuple(look.who(w.task) for w in ranking.above)
        case.means(Pick.DISAGREES, UNKNOWN, above=above[:3], more_above=len(above) - 3 if len(above) > 3 else None)
    elif ranking.reading.fits is False:
        case.means(Pick.SCORE_DOES_NOT_FOLLOW, LIKELY)
    elif ranking.unsure:
        doubt = Pick.DEPENDS_ON_TOTALPAGES if _by_totalpages(event, ranking, chosen) else Pick.DEPENDS_ON_CAPABILITY
        case.means(doubt, LIKELY, first=int(ranking.candidates[0] is chosen))
    elif event.origin.missing and look.scope(event) == "global" and len(ranking.candidates + ranking.exempt) == 1:
        case.means(Pick.NOTHING_TO_COMPARE, LIKELY)
    else:
        _beside_the_kernel(event, ranking, chosen, case)


def _by_totalpages(event: OomEvent, ranking: Ranking, chosen: Weighed) -> bool:
    """Is it totalpages that the order depends on, and not root's bonus?"""
    total = totalpages(event)
    differ = len({w.task.oom_score_adj for w in (*ranking.unsure, chosen)}) > 1
    return differ and (total is None or total.exact is None)


def _beside_the_kernel(event: OomEvent, ranking: Ranking, chosen: Weighed, case: Case) -> None:
    """The points that a live trace saw, against ours. Up to 5.8 the kernel's are never less than 1 (9066e5cfb73c), up
    to 5.2 per mille."""
    version = look.version(event)
    kernel = {each.task.pid: each.points for each in event.trace.candidates if each.points is not None}
    if event.trace.chosen_points is not None:
        kernel[chosen.task.pid] = event.trace.chosen_points
    if version is None or version < (5, 3):
        kernel = {}
    pairs = [Process(w.task.pid, w.task.comm, points=ranking.points(w), kernel_points=kernel[w.task.pid])
             for w in ranking.candidates if w.task.pid in kernel]
    wrong = tuple(one for one in pairs if one.points != one.kernel_points)
    if wrong:
        case.means(Pick.POINTS_DIFFER, LIKELY, differing=wrong[:3],
                   more_differing=len(wrong) - 3 if len(wrong) > 3 else None)
    else:
        case.means(Pick.AGREES, same_points=len(pairs) or None,
                   only_one=(ranking.candidates == (chosen,) and not pairs) or None)


def _knows(ranking: Ranking, chosen: Weighed, case: Case) -> None:
    task, reading = chosen.task, ranking.reading
    case.knows(
        task__rss_pages=task.rss_pages, task__swapents_pages=task.swapents_pages, task__nr_ptes=task.nr_ptes,
        task__nr_pmds=task.nr_pmds, task__pgtables_bytes=task.pgtables_bytes, task__oom_score_adj=task.oom_score_adj,
        task__uid=task.uid, root_bonus=reading.bonus if task.uid == 0 and len(ranking.rule.root) > 1 else None,
        totalpages=reading.total, score=ranking.score(chosen), candidates=len(ranking.candidates),
        ranked_above=len(ranking.above), ranked_perhaps_above=len(ranking.unsure),
    )
