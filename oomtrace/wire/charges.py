"""Records → what was charged and reclaimed before: who grew, what reclaim tried, a charge that failed."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Failure, Growth, Reclaim, Stack
from oomtrace.wire import stack
from oomtrace.wire.layout import text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecCharged, RecEffort, RecordKind


def growth(records: OomRecords, oom_id: int, memcgs: Memcgs) -> tuple[Growth, ...]:
    """Who has charged how much in the seconds before, most first. Processes that have exited since are not in it."""
    found = {
        record.tgid: Growth(
            pid=record.tgid,
            comm=text_of(record.comm),
            charged_pages=record.pages,
            memcg=memcgs.path_of(record.memcg),
            window_ns=max(0, oom_id - record.since_ns),
            by_second_pages=tuple(record.slot_pages),
        )
        for record in records.all(RecordKind.CHARGED, RecCharged)
    }
    return tuple(sorted(found.values(), key=lambda grown: -grown.charged_pages))


def reclaim(records: OomRecords, oom_id: int) -> Optional[Reclaim]:
    """What the task that invoked the OOM killer had tried just before."""
    effort = records.first(RecordKind.EFFORT, RecEffort)
    if effort is None:
        return None
    return Reclaim(
        attempts=effort.attempts,
        scanned_pages=effort.scanned_pages,
        reclaimed_pages=effort.reclaimed_pages,
        time_ns=oom_id - effort.since_ns,
    )


def failure(records: OomRecords) -> Optional[Failure]:
    """A charge that failed, where this is one."""
    if records.failed is None:
        return None
    effort = records.first(RecordKind.EFFORT, RecEffort)
    return Failure(effort.suppressed if effort else 0)


def failed_stack(records: OomRecords) -> Optional[Stack]:
    """Where a charge that failed was made."""
    effort = records.last(RecordKind.EFFORT, RecEffort)
    frames = [stack.frame(address, records.name_of(address)) for address in effort.frames if address] if effort else []
    return Stack(entries=tuple(frames)) if frames else None
