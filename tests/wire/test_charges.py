"""Who charged before, what reclaim tried, and charges that failed."""

from __future__ import annotations

from oomtrace.model import Failure, Frame, Reclaim
from oomtrace.wire import charges
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.records import RecordKind
from tests.wire.made import oom_records, record

BEGIN_NS = 1000
EFFORT = record(RecordKind.EFFORT, 1, since_ns=900, scanned_pages=5, reclaimed_pages=2, attempts=3, suppressed=4,
                frames=[0x10, 0, 0x20])


def test_growth_is_told_most_first_and_once_a_process() -> None:
    records = oom_records(
        record(RecordKind.MEMCG, memcg=0x20, parent=0),
        record(RecordKind.CHARGED, tgid=1, comm=b"a", pages=5, since_ns=400, memcg=0x20),
        record(RecordKind.CHARGED, tgid=2, comm=b"b", pages=9, since_ns=1400, memcg=0x30),
        record(RecordKind.CHARGED, tgid=1, comm=b"a", pages=7, since_ns=400, memcg=0x20),
    )
    found = charges.growth(records, BEGIN_NS, Memcgs(records))
    assert [(each.comm, each.charged_pages, each.memcg, each.window_ns) for each in found] == [
        ("b", 9, None, 0), ("a", 7, "/", 600)]


def test_reclaim() -> None:
    assert charges.reclaim(oom_records(EFFORT), BEGIN_NS) == Reclaim(3, 5, 2, 100)
    assert charges.reclaim(oom_records(), BEGIN_NS) is None


def test_a_charge_that_failed() -> None:
    failed = record(RecordKind.FAILED, 0)
    assert charges.failure(oom_records(failed, EFFORT)) == Failure(4)
    assert charges.failure(oom_records(failed)) == Failure(0)
    assert charges.failure(oom_records(EFFORT)) is None, "of an OOM, reclaim is no failure"


def test_where_it_was_made() -> None:
    found = charges.failed_stack(oom_records(EFFORT, names={0x10: "f+0x1/0x2"}))
    assert found is not None and found.entries == (
        Frame("f", 1, 2, address=0x10), Frame(None, address=0x20))
    assert charges.failed_stack(oom_records()) is None
