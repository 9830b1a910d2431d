"""Step 5: which task would have been picked if every oom_score_adj were 0."""

from __future__ import annotations

from oomtrace.model import OomEvent, Part

from .. import badness, look
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Reason
from ..ranking import rank
from ..registry import cause
from .pick import Pick, allocating, unweighable


class Adj(Reason):
    SAME = "same"
    OTHER = "other"
    DECIDED = "decided"
    ONE_OF = "one_of"
    DEPENDS_ON_CAPABILITY = "depends_on_capability"


@cause("adj", step=5, place=3, reasons=Adj)
def without_adj(event: OomEvent, case: Case) -> None:
    """Did oom_score_adj decide?"""
    ranking = rank(event)
    if ranking is None or ranking.chosen is None or allocating(event):
        return
    if any(part in (Part.TASKS, Part.PART_OF_TASKS) for part in event.origin.missing):
        return  # who else there was is not known
    if unweighable(event, ranking, ranking.chosen.task.pid) not in (None, Pick.LIMIT_UNKNOWN):
        return
    if ranking.above or ranking.chosen.exempt is not None:
        return  # the table does not explain the pick as it is: what would explain it without adj is not known either
    adjusted = [w for w in (*ranking.candidates, *ranking.exempt) if w.task.oom_score_adj]
    if not adjusted:
        return
    case.knows(tasks_with_adj=len(adjusted), chosen__oom_score_adj=ranking.chosen.task.oom_score_adj)
    flat = badness.without_adj(event, (*ranking.candidates, *ranking.exempt))
    best = max(flat, key=lambda w: w.low[0])
    rivals = [w for w in flat if w is not best and not best.surely_at_least(w)]
    if rivals:
        case.says(Adj.ONE_OF, then=tuple(look.who(w.task) for w in (best, *rivals[:2])))
        case.means(Adj.DEPENDS_ON_CAPABILITY, UNKNOWN)
        return
    if best.task.pid == ranking.chosen.task.pid:
        case.says(Adj.SAME)
    else:
        case.says(Adj.OTHER, then=look.who(best.task))
        case.means(Adj.DECIDED, LIKELY if ranking.unsure else CERTAIN)
    case.knows(then__pid=best.task.pid, then__comm=best.task.comm, then__points=best.low[0])
