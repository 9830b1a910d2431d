"""Step 0: the report itself."""

from __future__ import annotations

from ..causes.missing import Missing
from ..causes.suppressed import Suppressed
from ..causes.unprinted import Unprinted

TITLES = {"unprinted": "not printed", "suppressed": "before this", "missing": "incomplete"}

PHRASES = {
    Unprinted.NO_TABLE: "The kernel printed no task table, because vm.oom_dump_tasks is 0.",
    Unprinted.RATE_LIMIT: "The kernel printed no report of this kill: its rate limit allows 10 reports in 5 seconds.",
    Unprinted.VICTIM_EXITING: "The kernel printed no report of this kill: the victim was already exiting.",
    Unprinted.NOTHING: "The kernel printed no report of this kill.",
    Suppressed.REPORTS: "The kernel's rate limit left out {callbacks_suppressed:plural report} before this one, so "
                        "there were more OOMs than reports.",
    Missing.FROM_LOG: "Not in the log: {missing}.",
    Missing.FROM_TRACE: "Not in the trace: {missing}.",
    Missing.RECORDS_LOST: "The trace lost {records_lost:plural record}.",
    Missing.CUT: "They were cut off or filtered out, or the console's log level hid them.",
}
