"""Records → a process that was slowed down for having charged above memory.high."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Memcg, MemcgLevel, Report, Throttle, Trace, Trigger
from oomtrace.wire.layout import text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind, RecThrottled
from oomtrace.wire.to_report import machine


def report(records: OomRecords, memcgs: Memcgs) -> Report:
    """Who it was, and the memcg that was above its memory.high; the kernel reports nothing of it."""
    last = records.last(RecordKind.THROTTLED, RecThrottled)
    if last is None:
        return Report(machine=machine(records))
    above = _above_high(memcgs.levels_from(last.memcg))
    return Report(
        machine=machine(records),
        trigger=Trigger(
            comm=text_of(last.comm), pid=last.tgid, tgid=last.tgid, uid=last.uid, memcg=memcgs.path_of(last.memcg)
        ),
        memcg=Memcg(path=above.path) if above is not None else None,
    )


def trace(records: OomRecords, memcgs: Memcgs, oom_id: int, lost: int) -> Trace:
    """How long it slept."""
    last = records.last(RecordKind.THROTTLED, RecThrottled)
    return Trace(
        oom_id=oom_id,
        begin_ns=oom_id,
        throttle=Throttle(last.slept_ns, last.header.time_ns - oom_id, last.sleeps) if last is not None else None,
        levels=memcgs.levels_from(last.memcg) if last is not None else (),
        records_lost=lost,
    )


def _above_high(levels: tuple[MemcgLevel, ...]) -> Optional[MemcgLevel]:
    """The level that exceeds its memory.high most, in proportion; else the innermost that has one."""
    limited = [level for level in levels if level.high_kb is not None]
    return max(limited, key=lambda level: (level.usage_kb or 0) / max(level.high_kb or 0, 1), default=None)
