"""Step 0: reports that the rate limit swallowed before this one (mm/oom_kill.c: 10 in 5 s)."""

from __future__ import annotations

from oomtrace.model import OomEvent

from ..case import Case
from ..finding import Reason
from ..registry import cause


class Suppressed(Reason):
    REPORTS = "reports"


@cause("suppressed", step=0, place=2, reasons=Suppressed)
def suppressed(event: OomEvent, case: Case) -> None:
    """There were more OOMs than reports."""
    if event.report.callbacks_suppressed:
        case.says(Suppressed.REPORTS, callbacks_suppressed=event.report.callbacks_suppressed)
