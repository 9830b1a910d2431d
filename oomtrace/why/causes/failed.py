"""Step 2 where nobody is killed: a charge that the kernel let fail (mm/memcontrol.c, try_charge)."""

from __future__ import annotations

from oomtrace.model import OomEvent

from ..case import Case
from ..finding import Reason
from ..registry import cause


class Failed(Reason):
    MAY_FAIL = "may_fail"  # its gfp flags say so
    COSTLY_ORDER = "costly_order"  # PAGE_ALLOC_COSTLY_ORDER
    MORE = "more"


@cause("failed", step=2, place=2, reasons=Failed, always=True)
def failed(event: OomEvent, case: Case) -> None:
    """A charge that failed without a kill: why it may fail, and how many more did."""
    if event.trace.failure is None:
        return
    trigger = event.report.trigger
    flags = set((trigger.gfp_flags or "").split("|")) & {"__GFP_NORETRY", "__GFP_RETRY_MAYFAIL"}
    if flags:
        case.says(Failed.MAY_FAIL, flags=tuple(sorted(flags)))
    else:
        case.says(Failed.COSTLY_ORDER, trigger__order=trigger.order)
    if event.trace.failure.suppressed:
        case.says(Failed.MORE, failure__suppressed=event.trace.failure.suppressed)
    case.knows(trigger__gfp_flags=trigger.gfp_flags, trigger__order=trigger.order,
               failure__suppressed=event.trace.failure.suppressed)
