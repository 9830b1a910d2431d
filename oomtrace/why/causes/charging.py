"""Step 1 as well: who asked for the memory, how, and doing what."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.model import Growth, OomEvent, Task

from .. import look, witnessed
from ..account import account
from ..callsite import CallSite, Site, call_site
from ..case import Case
from ..finding import LIKELY, UNKNOWN, Reason
from ..registry import cause
from .full import declared_by_bpf


class Charging(Reason):
    NOT_SHOWN = "not_shown"
    DECLARED = "declared"  # by a BPF program that it ran: it wanted no memory
    ASKED = "asked"
    FLAGS = "flags"
    NO_TRACE = "no_trace"
    TRACE_DOES_NOT_TELL = "trace_does_not_tell"
    FAULT_OF_UNKNOWN_KIND = "fault_of_unknown_kind"
    CHARGED_MOST = "charged_most"
    OTHER_CHARGED_MOST = "other_charged_most"
    OTHER_HOLDS_MOST_FROM_BEFORE = "other_holds_most_from_before"
    OTHER_HOLDS_MOST = "other_holds_most"


@cause("charging", step=1, place=2, reasons=Charging, always=True)
def charging(event: OomEvent, case: Case) -> None:
    """The task that asked last, which need not be the one that filled the memory."""
    trigger = event.report.trigger
    if trigger.comm is None and trigger.pid is None and event.report.stack is None:
        case.says(Charging.NOT_SHOWN, UNKNOWN)
        return
    if declared_by_bpf(event):
        case.says(Charging.DECLARED, trigger=look.trigger(event))
        case.knows(trigger__comm=trigger.comm, trigger__pid=trigger.pid, trigger__memcg=trigger.memcg)
        return
    site, order = call_site(event), look.order(event)
    case.says(
        Charging.ASKED, trigger=look.trigger(event), site=site.site if site is not None else None,
        system_call=site.system_call if site is not None else None, order=order,
        asked_kb=look.page_kb(event) << order if order is not None and look.page_is_known(event) else None,
    )
    if trigger.order != -1 and (trigger.gfp_flags or trigger.gfp_mask is not None):
        case.says(Charging.FLAGS, gfp_flags=trigger.gfp_flags or None, gfp_mask=trigger.gfp_mask)
    case.knows(
        trigger__comm=trigger.comm, trigger__pid=trigger.pid, trigger__memcg=trigger.memcg,
        trigger__gfp_mask=trigger.gfp_mask, trigger__gfp_flags=trigger.gfp_flags or None, trigger__order=trigger.order,
        stack__function=site.function if site is not None else None,
    )
    _doing(event, site, case)
    if site is None or site.site not in (Site.LIMIT_LOWERED, Site.SYSRQ):  # who wants no memory was not the last to
        _filler_differs(event, case)


def _doing(event: OomEvent, site: Optional[CallSite], case: Case) -> None:
    """What the call trace leaves open."""
    if site is None:
        case.remarks(Charging.NO_TRACE if event.report.stack is None else Charging.TRACE_DOES_NOT_TELL, UNKNOWN)
    elif site.site == Site.FAULT and site.system_call is None:
        case.remarks(Charging.FAULT_OF_UNKNOWN_KIND, UNKNOWN)


def _filler_differs(event: OomEvent, case: Case) -> None:
    """Who charged last is not who charged most: by growth if a trace has watched it, otherwise by what is held."""
    trigger, holder = event.report.trigger, _holder(event)
    size, top = look.page_kb(event), _grown_most(event)
    held = look.who(holder, size) if holder is not None else None
    if top is not None:
        charged, window_ns = replace(look.who(top), kb=top.charged_pages * size), _window_ns(event, top)
        if top.pid not in (trigger.pid, trigger.tgid):
            case.remarks(Charging.OTHER_CHARGED_MOST, LIKELY, charged=charged, window_ns=window_ns)
        else:
            case.remarks(Charging.CHARGED_MOST, LIKELY, charged=charged, window_ns=window_ns)
            if held is not None:
                case.remarks(Charging.OTHER_HOLDS_MOST_FROM_BEFORE, LIKELY, holder=held)
    elif held is not None:
        own = next(task for task in event.report.tasks or () if trigger.pid in (task.pid, task.tgid))
        case.remarks(Charging.OTHER_HOLDS_MOST, LIKELY, holder=held, own_kb=look.rss_kb(event, own))


def _window_ns(event: OomEvent, grown: Growth) -> Optional[int]:
    """How long it was counted: since the counting began, or since the process did."""
    one = witnessed.identity(event, grown.pid, grown.comm)
    age_ns = witnessed.age_ns(event, one) if one is not None else None
    return min((ns for ns in (grown.window_ns, age_ns) if ns is not None), default=None)


def _grown_most(event: OomEvent) -> Optional[Growth]:
    """Who charged most. Of the whole machine only what is a good part of it counts: what processes in the root memcg
    take is not charged, so that others seem to have taken most."""
    top = max(event.trace.growth, key=lambda growth: growth.charged_pages, default=None)
    if top is None or look.scope(event) == "memcg":
        return top
    found = account(event)
    if found is None or found.total_kb is None:
        return None
    return top if top.charged_pages * look.page_kb(event) * 4 >= found.total_kb else None


def _holder(event: OomEvent) -> Optional[Task]:
    """The task that holds far more than the trigger, and a good part of what is full."""
    trigger, top, found = event.report.trigger, look.largest(event), account(event)
    if trigger.pid is None or top is None or found is None or not found.total_kb:
        return None
    if look.rss_kb(event, top) * 4 < found.total_kb:
        return None
    known = [task for task in event.report.tasks or () if trigger.pid in (task.pid, task.tgid)]
    own = (known[0].rss_pages or 0) + (known[0].swapents_pages or 0) if known else 0
    return top if known and own * 2 <= (top.rss_pages or 0) else None
