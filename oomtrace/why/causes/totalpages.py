"""What totalpages tell of swap, for a memcg: the kernel adds the swap that it may use to its limit."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Memcg, OomEvent

from .. import look
from ..case import Case
from ..finding import CERTAIN, LIKELY, UNKNOWN, Reason
from ..ranking import rank
from ..registry import cause

_SLACK = 50  # a 50th (2 %) of the limit: what a task may have grown between the choice and its row


class Counted(Reason):
    LIMIT_ALONE = "limit_alone"
    LIMIT_ALONE_FITS = "limit_alone_fits"  # the printed score
    NO_SWAP = "no_swap"
    WITH_SWAP = "with_swap"
    LITTLE_MORE_FITS = "little_more_fits"
    WITH_SWAP_FITS = "with_swap_fits"


class SwapLimit(Reason):
    """What the memcg's limits let it have of swap, where that is not some."""

    NONE = "none"
    UNKNOWN = "unknown"


def totalpages_range(event: OomEvent) -> Optional[tuple[int, int, int]]:
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


@cause("totalpages", step=5, place=2, reasons=Counted)
def swap_counted(event: OomEvent, case: Case) -> None:
    """What size the kernel scored the tasks against, and whether swap was added to it."""
    found = totalpages_range(event)
    if found is None:
        return
    limit, low, high = found
    size, sure = look.page_kb(event), no_swap_counted(event)
    if sure is not None:
        more_kb = (high - limit) * size or None
        case.says(Counted.LIMIT_ALONE if sure == CERTAIN else Counted.LIMIT_ALONE_FITS, limit_pages=limit,
                  more_kb=more_kb)
        case.means(Counted.NO_SWAP, sure, swap_limit=_limit(event.report.memcg))
    elif event.trace.totalpages is not None:
        case.says(Counted.WITH_SWAP, totalpages=low, limit_pages=limit, swap_kb=(low - limit) * size)
    elif low == limit:
        return  # the score is too coarse to tell
    elif (high - limit) * _SLACK <= limit:
        case.says(Counted.LITTLE_MORE_FITS, UNKNOWN, totalpages_low=low, totalpages_high=high, limit_pages=limit)
    elif _in_swap_kb(event) > (high - limit) * size:
        return  # more is there than that would allow: the task grew or shrank between the choice and its row
    else:
        case.says(Counted.WITH_SWAP_FITS, LIKELY, totalpages_low=low, totalpages_high=high, limit_pages=limit,
                  swap_low_kb=(low - limit) * size, swap_high_kb=(high - limit) * size)
    case.knows(memory__limit_pages=limit, totalpages_low=low, totalpages_high=high)


def _limit(memcg: Optional[Memcg]) -> Optional[SwapLimit]:
    """None if the limits leave room for swap: of cgroup v1, that for memory and swap together."""
    counter = (memcg.memsw or memcg.swap) if memcg is not None else None
    limit_kb = look.limit_kb(counter)
    if memcg is None or counter is None or limit_kb is None:
        return None if look.unlimited(counter) else SwapLimit.UNKNOWN
    beside_kb = look.limit_kb(memcg.memory) or 0 if counter is memcg.memsw else 0
    return None if limit_kb > beside_kb else SwapLimit.NONE


def _in_swap_kb(event: OomEvent) -> int:
    return sum(task.swapents_pages or 0 for task in event.report.tasks or ()) * look.page_kb(event)
