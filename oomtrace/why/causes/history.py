"""Step 3: how usage had gone before, by the second and by the minute."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import usage
from ..account import Kind, account
from ..case import Case
from ..finding import LIKELY, Reason
from ..registry import cause


class History(Reason):
    STEADY_THEN_ROSE = "steady_then_rose"
    STRAIGHT_LINE_OF_MINUTES = "straight_line_of_minutes"
    STRAIGHT_LINE_OF_SECONDS = "straight_line_of_seconds"
    AT_LIMIT = "at_limit"
    MOVED = "moved"
    WAITED = "waited"
    A_LEAK = "a_leak"


_WORTH_SAYING = 5.0  # per cent of 10 s
_KEPT = (Kind.ANON, Kind.ANON_OR_SHMEM, Kind.SHMEM, Kind.KERNEL, Kind.SLAB, Kind.SLAB_UNRECLAIMABLE)


@cause("history", step=3, place=10, reasons=History)
def history(event: OomEvent, case: Case) -> None:
    """The shape of the last minute, or of the last hour where that was a straight line."""
    found = usage.of_full(event)
    shape = usage.shape(found) if found is not None else None
    if isinstance(shape, usage.Steady):
        case.says(History.STEADY_THEN_ROSE, steady_ns=shape.steady_ns, level_kb=shape.level_kb,
                  rise_kb=shape.rise_kb, rise_ns=shape.rise_ns)
    elif isinstance(shape, usage.Line):
        reason = History.STRAIGHT_LINE_OF_MINUTES if shape.minutes else History.STRAIGHT_LINE_OF_SECONDS
        case.says(reason, each_kb=shape.each_kb, rise_kb=shape.rise_kb, span_ns=shape.span_ns)
        if shape.minutes and _stays(event):
            case.means(History.A_LEAK, LIKELY)
    elif isinstance(shape, usage.AtLimit):
        case.says(History.AT_LIMIT, span_ns=shape.span_ns)
    elif isinstance(shape, usage.Moved):
        case.says(History.MOVED, least_kb=shape.least_kb, most_kb=shape.most_kb, span_ns=shape.span_ns)
    _waited(event, case)


def _waited(event: OomEvent, case: Case) -> None:
    """How much tasks waited for memory while it was near its limit, by the worst of the glances (PSI)."""
    glances = event.witness.glances if event.witness is not None else ()
    seen = [(glance.pressure.some_avg10, glance.pressure.full_avg10 or 0.0) for glance in glances
            if glance.pressure is not None and glance.pressure.some_avg10 is not None]
    some, full = max(seen, default=(0.0, 0.0))
    if case.said and some >= _WORTH_SAYING:
        case.says(History.WAITED, some_percent=some, full_percent=full if full >= _WORTH_SAYING else None)


def _stays(event: OomEvent) -> bool:
    """Whether most of it is memory that goes only when somebody frees it: page cache may grow in a straight line."""
    found = account(event)
    return found is not None and found.biggest is not None and found.biggest.kind in _KEPT
