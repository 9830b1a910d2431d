"""Who was chosen: what oom_score_adj did."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import account
from ..causes.adj import Adj
from ..finding import Reason, Statement, facts
from ..ranking import rank
from ..registry import Cases, advice


class Choice(Reason):
    ADJ = "adj"
    EXEMPT = "exempt"


@advice("adj", 90)
def adj(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """oom_score_adj decided."""
    case = cases.get("adj")
    if case is None or not case.has(Adj.DECIDED):
        return None
    return Statement(Choice.ADJ, facts(then=case.value("then")))


@advice("exempt", 100)
def exempt(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Who holds much and cannot be chosen."""
    ranking, found = rank(event), account(event)
    if ranking is None or found is None or not found.total_kb or not ranking.exempt:
        return None
    top = ranking.exempt[0]
    held = look.rss_kb(event, top.task)
    if held * 4 < found.total_kb:
        return None
    return Statement(Choice.EXEMPT, facts(task=look.who(top.task), held_kb=held, exempt=top.exempt))
