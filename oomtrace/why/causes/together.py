"""Step 4: processes of one name, which are small alone and large together."""

from __future__ import annotations

from collections import Counter

from oomtrace.model import OomEvent

from .. import look
from ..account import account
from ..case import Case
from ..finding import Reason
from ..registry import cause
from ..units import percent

_MANY = 4


class Together(Reason):
    SAME_NAME = "same_name"
    SAME_NAME_AT_MOST = "same_name_at_most"  # shared pages are counted for each


@cause("together", step=4, place=2, reasons=Together)
def together(event: OomEvent, case: Case) -> None:
    """A name whose processes hold a quarter of the whole, and three times what the largest of them does."""
    found, rows = account(event), event.report.tasks or ()
    if found is None or not found.total_kb or not rows:
        return
    held: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for task in rows:
        own = task.rss_anon_pages if task.rss_anon_pages is not None else task.rss_pages
        held[task.comm] += (own or 0) * look.page_kb(event)
        number[task.comm] += 1
    comm, kb = held.most_common(1)[0]
    largest = max(look.rss_kb(event, task) for task in rows if task.comm == comm)
    if number[comm] < _MANY or kb * 4 < found.total_kb or kb < 3 * largest:
        return
    counted = all(task.rss_anon_pages is not None for task in rows)  # else shared pages count for each
    case.says(Together.SAME_NAME if counted else Together.SAME_NAME_AT_MOST, comm=comm, processes=number[comm],
              same_name_kb=kb, same_name_percent=percent(kb, found.total_kb))
