"""Step 0: what the kernel did not print."""

from __future__ import annotations

from oomtrace.model import OomEvent
from oomtrace.model import Unprinted as Why

from ..case import Case
from ..finding import Reason
from ..registry import cause


class Unprinted(Reason):
    NO_TABLE = "no_table"  # vm.oom_dump_tasks is 0
    RATE_LIMIT = "rate_limit"
    VICTIM_EXITING = "victim_exiting"
    NOTHING = "nothing"


_REASONS = {Why.RATE_LIMIT: Unprinted.RATE_LIMIT, Why.EXITING: Unprinted.VICTIM_EXITING}


@cause("unprinted", step=0, place=1, reasons=Unprinted)
def unprinted(event: OomEvent, case: Case) -> None:
    """The kernel was silent on this kill, or had no table for it."""
    if event.trace.tasks_printed is False:
        case.says(Unprinted.NO_TABLE)
    elif event.trace.printed is False:
        why = event.trace.unprinted_reason
        case.says(_REASONS[why] if why is not None else Unprinted.NOTHING)
