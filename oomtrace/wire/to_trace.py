"""Records → Trace: what only a trace knows of an OOM."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Trace, Unprinted, Wait
from oomtrace.wire import charges, history, kills
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind
from oomtrace.wire.tasks import Tasks

# The part of the report that a record's sampling time stands for.
_PARTS = {
    RecordKind.HEADER: "header",
    RecordKind.NO_VICTIM: "header",
    RecordKind.STACK: "stack",
    RecordKind.COUNTERS: "memcg",
    RecordKind.STATS: "stats",
    RecordKind.PROTECTION: "protection",
    RecordKind.MEMORY: "meminfo",
    RecordKind.TASK: "tasks",
    RecordKind.SUMMARY: "summary",
    RecordKind.KILLED: "kill",
    RecordKind.GROUP: "group",
}


def trace(records: OomRecords, memcgs: Memcgs, tasks: Tasks, oom_id: int, lost: int) -> Trace:
    """The trace. ``lost``: how many records are missing."""
    chosen, decision, header = records.chosen, records.decision, records.header
    is_oom = not (records.waiting or records.failed)
    return Trace(
        oom_id=oom_id,
        totalpages=decision.totalpages if decision else None,
        chosen_points=chosen.chosen_points if chosen else None,
        candidates=tasks.candidates(),
        printed=header is not None if is_oom else None,
        unprinted_reason=_unprinted_reason(records) if is_oom and not header else None,
        tasks_printed=tasks.tabled if header else None,
        begin_ns=oom_id,
        wait=_wait(records),
        failure=charges.failure(records),
        levels=memcgs.levels(),
        releases=kills.releases(records),
        growth=charges.growth(records, oom_id, memcgs),
        history=history.histories(records, oom_id, memcgs),
        reclaim=charges.reclaim(records, oom_id),
        charges=records.facts.charges,
        followed_ns=records.facts.followed_ns,
        times_ns=_times(records),
        records_lost=lost,
    )


def _unprinted_reason(records: OomRecords) -> Unprinted:
    return Unprinted.RATE_LIMIT if records.has(RecordKind.KILL) else Unprinted.EXITING


def _wait(records: OomRecords) -> Optional[Wait]:
    waiting = records.waiting
    if waiting is None:
        return None
    since_ns = waiting.waiting_since_ns
    return Wait(over=bool(since_ns), time_ns=waiting.header.time_ns - since_ns if since_ns else None)


def _times(records: OomRecords) -> dict[str, int]:
    times: dict[str, int] = {}
    for record in records.in_order:
        part = _PARTS.get(record.kind)
        if part:
            times.setdefault(part, record.time_ns)
    return times
