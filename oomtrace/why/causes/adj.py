"""Step 5: which task would have been picked if every oom_score_adj were 0."""

from __future__ import annotations

from oomtrace.model import OomEvent, Part

from .. import badness, look
from ..case import Case
from ..finding import UNKNOWN, Reason
from ..ranking import rank
from ..registry import cause
from .pick import allocating


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
    chosen = look.chosen(event)
    if chosen is None or chosen.pid is None or look.row_of(event, chosen.pid) is None and not ranking.reading.fits:
        return
    adjusted = [w for w in (*ranking.candidates, *ranking.exempt) if w.task.oom_score_adj]
    if not adjusted:
        return
    case.knows(tasks_with_adj=len(adjusted), chosen__oom_score_adj=ranking.chosen.task.oom_score_adj)
    flat = [w for w in badness.weigh(event, adj=0) if w.exempt is None]
    best = max(flat, key=lambda w: w.low[0])
    rivals = [w for w in flat if w is not best and not best.surely_at_least(w)]
    if rivals:
        case.says(Adj.ONE_OF, then=tuple(look.who(w.task) for w in (best, *rivals[:2])))
        case.means(Adj.DEPENDS_ON_CAPABILITY, UNKNOWN)
        return
    first = ranking.candidates[0] if ranking.candidates else ranking.chosen
    if best.task.pid == ranking.chosen.task.pid:
        case.says(Adj.SAME)
    elif best.task.pid == first.task.pid and not ranking.unsure:
        return  # it has the most points with adj as well: that the kernel passed it over is not adj's doing
    else:
        case.says(Adj.OTHER, then=look.who(best.task))
        case.means(Adj.DECIDED)
    case.knows(then__pid=best.task.pid, then__comm=best.task.comm, then__points=best.low[0])
