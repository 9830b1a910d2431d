"""Why it happened: each cause a function of an OomEvent that gives a Finding, or None where it does not apply."""

from __future__ import annotations

from typing import Callable, Optional, Tuple

from oomtrace.model import OomEvent

from .after import achieved
from .charging import charging
from .counted import swap_counted
from .filled import NOT_ACCOUNTED, amounts, filled
from .finding import CERTAIN, LIKELY, UNKNOWN, Amount, Explanation, Fact, Finding, Ranked, Suggestion
from .following import suggestions
from .full import full
from .headline import headline
from .killed import killed
from .pattern import Group, Pattern, outline, pattern
from .pick import exempt, pick, without_adj
from .ranking import ranked
from .reclaim import reclaim
from .source import failed, missing, suppressed, unprinted
from .swap import swap
from .table import tasks

__all__ = [
    "CAUSES", "CERTAIN", "IDS", "LIKELY", "NOT_ACCOUNTED", "UNKNOWN", "Amount", "Explanation", "Fact", "Finding",
    "Group", "Pattern", "Ranked", "Suggestion", "explain", "outline", "pattern",
]

# In the order in which an engineer reads a report: which memcg is full, whose task was killed, what filled it and why
# reclaim failed, the task table, the pick.
CAUSES: Tuple[Callable[[OomEvent], Optional[Finding]], ...] = (
    unprinted, suppressed, missing,
    full, charging,
    killed, failed,
    filled, reclaim, swap,
    tasks,
    pick, swap_counted, without_adj, exempt,
    achieved,
)

# The ids of all findings, in that order.
IDS: Tuple[str, ...] = (
    "unprinted", "suppressed", "missing",
    "full", "charging",
    "killed", "failed",
    "filled", "reclaim", "swap",
    "tasks",
    "pick", "totalpages", "adj", "exempt",
    "achieved",
)

# Of these, those that have something to say where nobody is killed: a wait, a charge that fails.
_WITHOUT_KILL = (missing, full, charging, failed, reclaim)


def explain(event: OomEvent) -> Explanation:
    """All findings about one OOM."""
    found = (cause(event) for cause in (CAUSES if event.is_oom else _WITHOUT_KILL))
    return Explanation(
        headline=headline(event),
        findings=tuple(finding for finding in found if finding is not None),
        levels=event.trace.levels,
        amounts=amounts(event),
        ranking=ranked(event),
        suggestions=suggestions(event),
    )
