"""Step 4: processes of one name, which are small alone and large together."""

from __future__ import annotations

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
    held: dict[str, int] = {}
    for task in rows:
        own = task.rss_anon_pages
        held[task.comm] = held.get(task.comm, 0) + ((task.rss_pages or 0) if own is None else own)
    comm = max(held, key=held.__getitem__)
    kb = held[comm] * look.page_kb(event)
    counted = all(task.rss_anon_pages is not None for task in rows)
    if not counted:  # what all of them hold beyond what there is must be shared, so that it may be theirs
        kb_of_all = sum(task.rss_pages or 0 for task in rows) * look.page_kb(event)
        if (kb - max(0, kb_of_all - found.total_kb)) * 4 < found.total_kb:
            return
    if kb * 4 < found.total_kb:
        return
    named = [task for task in rows if task.comm == comm]
    largest = max(task.rss_pages or 0 for task in named) * look.page_kb(event)
    if len(named) < _MANY or kb < 3 * largest:
        return
    case.says(Together.SAME_NAME if counted else Together.SAME_NAME_AT_MOST, comm=comm, processes=len(named),
              same_name_kb=kb, same_name_percent=percent(kb, found.total_kb))
