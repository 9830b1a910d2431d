"""Step 0: what should be there and is not."""

from __future__ import annotations

from oomtrace.model import OomEvent, Part

from .. import look
from ..account import account
from ..case import Case
from ..finding import LIKELY, Reason
from ..registry import cause
from .earlier import rate_limited


class Missing(Reason):
    FROM_LOG = "from_log"
    FROM_TRACE = "from_trace"
    RECORDS_LOST = "records_lost"
    CUT = "cut"


def _cut(event: OomEvent) -> tuple[Part, ...]:
    """Parts of which only some lines are there: counters, and the rows of a table that had at least the victim's."""
    found, cut = account(event), []
    if found is not None and not found.complete:
        cut.append(Part.PART_OF_MEMCG_STATS if look.scope(event) == "memcg" else Part.PART_OF_MEMINFO)
    if event.report.tasks == () and event.report.kills:
        cut.append(Part.TASKS)
    return tuple(cut)


@cause("missing", step=0, place=3, reasons=Missing, always=True)
def missing(event: OomEvent, case: Case) -> None:
    """Parts of the report that the source has not, and records that a trace has lost."""
    parts = tuple(dict.fromkeys(part.value for part in (*event.origin.missing, *_cut(event))))
    if parts and rate_limited(event, case.before):
        return  # what is missing the kernel has not printed
    if parts and event.origin.source == "log":
        case.says(Missing.FROM_LOG, missing=parts)
        case.remarks(Missing.CUT, LIKELY)
    elif parts:
        case.says(Missing.FROM_TRACE, missing=parts)
    if event.trace.records_lost:
        case.says(Missing.RECORDS_LOST, records_lost=event.trace.records_lost)
