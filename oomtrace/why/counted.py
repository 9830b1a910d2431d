"""What totalpages tell of swap, for a memcg: the kernel adds the swap that it may use to its limit."""

from __future__ import annotations

from typing import Optional, Tuple

from oomtrace.model import OomEvent

from . import look
from .finding import CERTAIN, LIKELY, UNKNOWN, Finding, facts
from .ranking import rank
from .units import human

_TITLE = "totalpages"
_SLACK = 50  # a 50th (2 %) of the limit: what a task may have grown between the choice and its row


def totalpages_range(event: OomEvent) -> Optional[Tuple[int, int, int]]:
    """The limit in pages, and the least and most totalpages: live, or all that give the printed score."""
    memcg = event.report.memcg
    limit_kb = look.limit_kb(memcg.memory) if memcg is not None else None
    if look.scope(event) != "memcg" or not limit_kb:
        return None
    limit = limit_kb // look.page_kb(event)
    if event.trace.totalpages is not None:
        return limit, event.trace.totalpages, event.trace.totalpages
    ranking = rank(event)
    if ranking is None or not ranking.reading.fits or ranking.reading.total_range is None:
        return None
    low, high = ranking.reading.total_range
    return limit, limit if ranking.reading.total == limit else low, high


def no_swap_counted(event: OomEvent) -> Optional[str]:
    """How sure it is that the kernel counted no swap, None if it is not."""
    found = totalpages_range(event)
    if found is None:
        return None
    limit, low, high = found
    if event.trace.totalpages is not None:
        return CERTAIN if low == limit else None
    return LIKELY if low == limit and (high - limit) * _SLACK <= limit else None


def swap_counted(event: OomEvent) -> Optional[Finding]:
    """The same as a finding."""
    found = totalpages_range(event)
    if found is None:
        return None
    limit, low, high = found
    size = look.page_kb(event)
    evidence = facts(memory__limit_pages=limit, totalpages_low=low, totalpages_high=high)
    sure = no_swap_counted(event)
    if sure is not None:
        fits = "are" if sure == CERTAIN else "fit the printed score as"
        room = f" (no more than {human((high - limit) * size)} beside)" if high > limit else ""
        return Finding("totalpages", 5, _TITLE, f"totalpages {fits} the memory limit alone, {limit} pages{room}.",
                       evidence, "No swap was counted: none is on, or swappiness is 0, or its limit allows none.", sure)
    if event.trace.totalpages is not None:
        return Finding("totalpages", 5, _TITLE, f"totalpages are {low}, the memory limit of {limit} pages and "
                       f"{human((low - limit) * size)} of swap.", evidence)
    if low == limit:
        return None  # the score is too coarse to tell
    if (high - limit) * _SLACK <= limit:
        return Finding("totalpages", 5, _TITLE, f"The printed score fits totalpages of {low} to {high}, under 2 % more "
                       f"than the memory limit of {limit} pages.", evidence,
                       "That may be swap, or the task has changed between the choice and its row.", UNKNOWN)
    more = f"{human((low - limit) * size)} to {human((high - limit) * size)}"
    return Finding("totalpages", 5, _TITLE, f"The printed score fits totalpages of {low} to {high}, the memory limit "
                   f"of {limit} pages and {more}.", evidence, "So much swap was counted.", LIKELY)
