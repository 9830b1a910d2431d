"""Step 2 where nobody is killed: a process that sleeps for having charged above memory.high."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import look
from ..case import Case
from ..finding import Reason
from ..registry import cause


class Throttled(Reason):
    SLEPT = "slept"
    ABOVE_HIGH = "above_high"
    SLOW_ON_PURPOSE = "slow_on_purpose"


@cause("throttled", step=2, place=12, reasons=Throttled, always=True)
def throttled(event: OomEvent, case: Case) -> None:
    """How long a process was slowed down for exceeding memory.high, and by how much its cgroup did."""
    found = event.trace.throttle
    if found is None:
        return
    case.says(Throttled.SLEPT, trigger=look.trigger(event), slept_ns=found.slept_ns, sleeps=found.sleeps,
              span_ns=found.span_ns)
    path = look.full_path(event)
    level = next((level for level in event.trace.levels if level.path == path), None)
    if level is not None:
        case.says(Throttled.ABOVE_HIGH, memcg__path=path, usage_kb=level.usage_kb, high_kb=level.high_kb)
    case.remarks(Throttled.SLOW_ON_PURPOSE)
