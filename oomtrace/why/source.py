"""The report itself: what the kernel did not print, and what is missing."""

from __future__ import annotations

from typing import List, Optional

from oomtrace.model import OomEvent

from .finding import LIKELY, Finding, facts
from .units import plural


def unprinted(event: OomEvent) -> Optional[Finding]:
    """The kernel was silent on this kill."""
    if event.trace.tasks_printed is False:
        return Finding("unprinted", 0, "unprinted", "The kernel printed no task table: vm.oom_dump_tasks is 0.",
                       facts(tasks_printed=0))
    if event.trace.printed is not False:
        return None
    reason = event.trace.unprinted_reason
    return Finding("unprinted", 0, "unprinted",
                   "The kernel printed nothing for this kill" + (f": {reason}." if reason else "."),
                   facts(unprinted_reason=reason))


def suppressed(event: OomEvent) -> Optional[Finding]:
    """Reports that the rate limit swallowed before this one (mm/oom_kill.c: 10 in 5 s)."""
    number = event.report.callbacks_suppressed
    if not number:
        return None
    return Finding("suppressed", 0, "before this",
                   f"The kernel's rate limit suppressed {plural(number, 'report')} before this one.",
                   facts(callbacks_suppressed=number),
                   "There were more OOMs than reports.")


def failed(event: OomEvent) -> Optional[Finding]:
    """A charge that the kernel let fail (mm/memcontrol.c, try_charge)."""
    if event.trace.failure is None:
        return None
    flags = set((event.report.trigger.gfp_flags or "").split("|"))
    may_fail = sorted(flags & {"__GFP_NORETRY", "__GFP_RETRY_MAYFAIL"})
    why = f"{' and '.join(may_fail)} lets it fail" if may_fail else "an order above 3 may fail"
    number = event.trace.failure.suppressed
    more = f" {plural(number, 'more failure')} there since the last that was reported." if number else ""
    return Finding("failed", 2, "failed", f"The charge failed and nobody was killed for it: {why}.{more}",
                   facts(trigger__gfp_flags=event.report.trigger.gfp_flags, trigger__order=event.report.trigger.order,
                         failure__suppressed=number))


def missing(event: OomEvent) -> Optional[Finding]:
    """What should be there and is not."""
    parts: List[str] = list(event.origin.missing)
    if event.trace.records_lost:
        parts.append(plural(event.trace.records_lost, "record") + " of the trace")
    if not parts:
        return None
    evidence = facts(missing=", ".join(event.origin.missing) or None, records_lost=event.trace.records_lost)
    if event.origin.source != "log":
        return Finding("missing", 0, "incomplete", f"Not in the trace: {', '.join(parts)}.", evidence)
    return Finding("missing", 0, "incomplete", f"Not in the log: {', '.join(parts)}.", evidence,
                   "Cut off, filtered, or below the console's log level.", LIKELY)
