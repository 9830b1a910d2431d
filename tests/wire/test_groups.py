"""Records → the groups of an event: what each builder makes of few records."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest

from oomtrace.facts import Facts
from oomtrace.model import Allocation, MemInfo, Origin, Part, Report, Trace, Unprinted
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.records import RecordKind
from oomtrace.wire.tasks import Tasks
from oomtrace.wire.to_origin import origin
from oomtrace.wire.to_report import kind_of, node_list, report
from oomtrace.wire.to_trace import trace
from tests.wire.made import oom_records, record

CHOSEN, HEADER = record(RecordKind.CHOSEN, 1, totalpages=5, chosen_points=3), record(RecordKind.HEADER, 2, time_ns=7)
OF_MEMCG, GLOBAL = record(RecordKind.BEGIN, memcg=0x10), record(RecordKind.BEGIN, memcg=0)
KILL, KILLED = record(RecordKind.KILL, 8), record(RecordKind.KILLED, 9)


def _report(*records: TraceRecord) -> Report:
    of = oom_records(*records)
    memcgs = Memcgs(of)
    return report(of, memcgs, Tasks(of, memcgs))


def _trace(*records: TraceRecord, facts: Optional[Facts] = None) -> Trace:
    of = oom_records(*records, facts=facts)
    memcgs = Memcgs(of)
    return trace(of, memcgs, Tasks(of, memcgs), 1000, 2)


def _origin(*records: TraceRecord) -> Origin:
    of = oom_records(*records, facts=Facts(host="h", machine_id="m", boot_id="b"))
    return origin(of, Report(), "live")


@pytest.mark.parametrize("constraint, kind", [(0, "global"), (1, "cpuset"), (2, "mempolicy"), (9, "global")])
def test_the_constraint_tells_the_kind(constraint: int, kind: str) -> None:
    assert kind_of(oom_records(GLOBAL, record(RecordKind.CHOSEN, constraint=constraint))) == kind


def test_other_kinds() -> None:
    assert kind_of(oom_records(OF_MEMCG)) == "memcg"
    assert kind_of(oom_records(record(RecordKind.BEGIN, order=-1))) == "sysrq"
    assert kind_of(oom_records(GLOBAL)) == "global" and kind_of(oom_records(KILLED)) is None


@pytest.mark.parametrize("words, text", [([0], ""), ([0b1011], "0-1,3"), ([1 << 63, 1], "63-64"), ([0, 5], "64,66")])
def test_node_list(words: "list[int]", text: str) -> None:
    assert node_list(words) == text


def test_a_report_of_what_was_not_there_says_nothing() -> None:
    found = _report(record(RecordKind.BEGIN, memcg=0x10, gfp_mask=(1 << 32) - 1, order=-1, comm=b"t", pid=3))
    assert (found.trigger.comm, found.trigger.pid, found.trigger.gfp_mask, found.trigger.order) == ("t", 3, None, None)
    assert (found.stack, found.summary, found.tasks, found.kills, found.meminfo) == (None, None, None, (), None)


def test_a_summary_is_that_of_the_printed_victim_or_else_of_the_chosen() -> None:
    chosen = record(RecordKind.VICTIM, row={"pid": 5, "uid": 1, "comm": b"chosen"})
    printed = record(RecordKind.SUMMARY, pid=6, comm=b"printed", mems_allowed=[3])
    summary = _report(OF_MEMCG, CHOSEN, chosen).summary
    assert summary is not None and (summary.task, summary.pid, summary.cpuset) == ("chosen", 5, None)
    summary = _report(OF_MEMCG, CHOSEN, chosen, printed).summary
    assert summary is not None and (summary.task, summary.cpuset, summary.mems_allowed) == ("printed", "/", "0-1")


def test_callbacks_that_were_suppressed() -> None:
    assert _report(OF_MEMCG, record(RecordKind.SUPPRESSED, callbacks=12)).callbacks_suppressed == 12
    assert _report(OF_MEMCG).callbacks_suppressed is None


def test_a_trace_of_what_was_printed() -> None:
    found = _trace(OF_MEMCG, CHOSEN, HEADER, facts=Facts(charges="every", followed_ns=4))
    assert (found.printed, found.unprinted_reason, found.totalpages, found.chosen_points) == (True, None, 5, 3)
    assert (found.oom_id, found.records_lost, found.charges, found.followed_ns) == (1000, 2, "every", 4)
    assert found.times_ns == {"header": 7}


@pytest.mark.parametrize("records, reason", [((CHOSEN, KILL), Unprinted.RATE_LIMIT), ((CHOSEN,), Unprinted.EXITING)])
def test_why_nothing_was_printed(records: "tuple[TraceRecord, ...]", reason: Unprinted) -> None:
    found = _trace(OF_MEMCG, *records)
    assert (found.printed, found.unprinted_reason, found.tasks_printed) == (False, reason, None)


def test_a_wait_is_neither_printed_nor_not() -> None:
    found = _trace(record(RecordKind.WAITED, 0, 0, 900, waiting_since_ns=300))
    assert (found.printed, found.unprinted_reason) == (None, None)
    assert found.wait is not None and found.wait.over and found.wait.time_ns == 600


def test_whose_it_was() -> None:
    found = _origin(OF_MEMCG)
    assert (found.source, found.host, found.machine_id, found.boot_id) == ("live", "h", "m", "b")


@pytest.mark.parametrize("records, missing", [
    ((OF_MEMCG, CHOSEN, KILLED), {Part.CALL_TRACE, Part.MEMCG_USAGE, Part.MEMCG_STATS}),
    ((GLOBAL, CHOSEN, KILLED, record(RecordKind.STACK)), {Part.MEMINFO}),
    ((KILLED,), {Part.BEGINNING}),
    ((OF_MEMCG, HEADER), {Part.KILL}),
    ((OF_MEMCG, HEADER, record(RecordKind.NO_VICTIM)), set()),
    ((OF_MEMCG,), set()),
])
def test_what_is_missing(records: "tuple[TraceRecord, ...]", missing: "set[Part]") -> None:
    assert set(_origin(*records).missing) == missing


def test_places_in_the_source_that_could_not_be_had() -> None:
    """CONFIG_MEM_ALLOC_PROFILING: ten lines at the end of Mem-Info. None is in a memcg's report."""
    whole = MemInfo(allocations=10 * (Allocation("4 KiB", 1, "f", 2, "g"),))
    part, title = replace(whole, allocations=(whole.allocations or ())[:9]), replace(whole, allocations=())
    assert not _lacks_allocations(GLOBAL, whole) and not _lacks_allocations(GLOBAL, MemInfo(), allocations=False)
    assert _lacks_allocations(GLOBAL, part) and _lacks_allocations(GLOBAL, title, allocations=False)
    assert _lacks_allocations(GLOBAL, MemInfo()), "the kernel has printed nothing"
    assert not _lacks_allocations(GLOBAL, MemInfo(), HEADER), "it has, but not these: it could not have a lock"
    assert _lacks_allocations(GLOBAL, MemInfo(), HEADER, record(RecordKind.DONE, 12)), "records before it are lost"
    assert not _lacks_allocations(OF_MEMCG, MemInfo())


def _lacks_allocations(begin: TraceRecord, known: MemInfo, *more: TraceRecord, allocations: bool = True) -> bool:
    kinds = (RecordKind.STACK, RecordKind.MEMORY, RecordKind.KILLED)
    records = (CHOSEN, *(record(kind, 3 + at) for at, kind in enumerate(kinds)), *more)
    found = oom_records(begin, *records, facts=Facts(allocations=allocations))
    return Part.ALLOCATIONS in origin(found, Report(meminfo=known), "live").missing
