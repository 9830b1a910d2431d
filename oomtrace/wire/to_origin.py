"""Records → Origin: whose machine it was, and what should be there and is not."""

from __future__ import annotations

from collections.abc import Iterator

from oomtrace.model import Origin, Part, Report
from oomtrace.wire import meminfo, statistics
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind


def origin(records: OomRecords, report: Report, source: str, oom_id: int = 0) -> Origin:
    """The origin of an event with that report. ``source``: "live" or "capture"; ``oom_id``: when it began, by the clock
    of its records."""
    facts = records.facts
    return Origin(
        source=source,
        missing=tuple(_missing(records, report)),
        host=facts.host,
        machine_id=facts.machine_id,
        boot_id=facts.boot_id,
        unix_ns=facts.boot_unix_ns + oom_id if facts.boot_unix_ns is not None else None,
    )


_TOP_USERS = 10  # mm/show_mem.c, __show_mem: tags[10]


def _lacks_allocations(records: OomRecords, report: Report) -> bool:
    """Whether not all places in the source that hold most memory are known. They can only be had where the kernel
    prints them: and it does not while modules are loaded, or (6.18+) while another CPU prints them, as mm/show_mem.c
    tries locks and does not wait for one."""
    known = report.meminfo.allocations if report.meminfo is not None else None
    if known is None:
        return records.facts.allocations and (records.header is None or records.incomplete)
    return len(known) < _TOP_USERS


def _missing(records: OomRecords, report: Report) -> Iterator[Part]:
    begin, decided = records.begin, records.has(RecordKind.CHOSEN)
    if begin is None and not records.has(RecordKind.SIGNAL, RecordKind.THROTTLED):
        yield Part.BEGINNING
    if decided and not records.has(RecordKind.STACK):
        yield Part.CALL_TRACE
    if decided and begin is not None and begin.memcg:
        if not records.has(RecordKind.COUNTERS):
            yield Part.MEMCG_USAGE
        if not statistics.complete(records):
            yield Part.MEMCG_STATS
    elif decided and not records.has(RecordKind.MEMORY, RecordKind.PRINT):
        yield Part.MEMINFO
    elif decided and _lacks_allocations(records, report):
        yield Part.ALLOCATIONS
    over = records.has(RecordKind.KILLED, RecordKind.NO_VICTIM, RecordKind.DONE) or report.exiting is not None
    if not over and records.has(RecordKind.CHOSEN, RecordKind.HEADER):
        yield Part.KILL
    # The slab caches of a report that the kernel did not print, but where it would have listed them: how much of one
    # is in use is not in any counter.
    if report.meminfo is not None and records.header is None and meminfo.slab_outweighs(report.meminfo):
        yield Part.SLAB
