"""Step 5: who could not be chosen, and why."""

from __future__ import annotations

from dataclasses import replace

from oomtrace.model import OomEvent

from .. import look
from ..case import Case
from ..finding import Fact, Reason
from ..ranking import rank
from ..registry import cause


class NotChosen(Reason):
    TASKS = "tasks"


@cause("exempt", step=5, place=4, reasons=NotChosen)
def exempt(event: OomEvent, case: Case) -> None:
    """The tasks that the kernel passes over whatever they hold."""
    ranking = rank(event)
    if ranking is None or not ranking.exempt:
        return
    size, tasks = look.page_kb(event), ranking.exempt
    case.says(
        NotChosen.TASKS, exempt_tasks=len(tasks), exempt_rss_kb=sum(look.rss_kb(event, w.task) for w in tasks),
        exempt=tuple(replace(look.who(w.task, size), exempt=w.exempt) for w in tasks[:2]),
        more_exempt=len(tasks) - 2 if len(tasks) > 2 else None,
    )
    reasons = [w.exempt.value for w in tasks if w.exempt is not None]
    case.shows(*(Fact(f"exempt.{reason}", reasons.count(reason)) for reason in sorted(set(reasons))))
