"""Step 0: what should be there and is not."""

from __future__ import annotations

from oomtrace.model import OomEvent

from ..case import Case
from ..finding import LIKELY, Reason
from ..registry import cause


class Missing(Reason):
    FROM_LOG = "from_log"
    FROM_TRACE = "from_trace"
    RECORDS_LOST = "records_lost"
    CUT = "cut"


@cause("missing", step=0, place=3, reasons=Missing, always=True)
def missing(event: OomEvent, case: Case) -> None:
    """Parts of the report that the source has not, and records that a trace has lost."""
    parts = tuple(part.value for part in event.origin.missing)
    if parts and event.origin.source == "log":
        case.says(Missing.FROM_LOG, missing=parts)
        case.remarks(Missing.CUT, LIKELY)
    elif parts:
        case.says(Missing.FROM_TRACE, missing=parts)
    if event.trace.records_lost:
        case.says(Missing.RECORDS_LOST, records_lost=event.trace.records_lost)
