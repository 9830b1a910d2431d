"""Step 6: how much the kill can give back at most."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import look
from ..account import account
from ..case import Case
from ..finding import Reason
from ..registry import cause
from ..shortage import short
from ..units import percent
from ..zones import usable, verdicts

_LITTLE = 20  # a 20th (5 %) of what was full


class Frees(Reason):
    LESS_WHAT_IS_SHARED = "less_what_is_shared"
    LITTLE = "little"


@cause("frees", step=6, place=0, reasons=Frees)
def frees(event: OomEvent, case: Case) -> None:
    """Shared memory stays as long as others have it, or its file is there. A victim that held little cannot help."""
    kills = {kill.pid: kill for kill in event.report.kills}.values()
    sizes = [look.held_kb(kill) for kill in kills]
    held = sum(kb or 0 for kb in sizes)
    if not sizes or None in sizes or look.was_exiting(event) or look.scope(event) == "sysrq":
        return
    shared = sum(kill.shmem_rss_kb or 0 for kill in kills)
    if held and shared * 4 >= held:
        case.says(Frees.LESS_WHAT_IS_SHARED, held_kb=held, shared_kb=shared, frees_kb=held - shared)
    found = account(event)
    whole, shortage = found.total_kb if found is not None else None, short(event)
    if shortage is not None and shortage.elsewhere:
        whole = shortage.managed_kb  # of the zones that were short
    elif verdicts(event) and not usable(event):
        return  # nothing that anybody holds would do
    tables = sum(kill.pgtables_kb or 0 for kill in kills)
    swapped = _swapped_kb(event)
    if whole and (held - shared + tables) * _LITTLE < whole and swapped * _LITTLE < whole:
        case.says(Frees.LITTLE, frees_kb=held - shared, frees_percent=percent(held - shared, whole),
                  frees_of_kb=whole)


def _swapped_kb(event: OomEvent) -> int:
    rows = (look.row_of(event, kill.pid) for kill in event.report.kills)
    return sum((row.swapents_pages or 0) * look.page_kb(event) for row in rows if row is not None)
