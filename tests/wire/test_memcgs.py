"""The memcgs of an OOM: paths, counters, levels."""

from __future__ import annotations

from typing import Any

import pytest

from oomtrace.facts import Facts
from oomtrace.model import PageCounter
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.records import RecordKind
from tests.wire.made import LAYOUT, oom_records, record

ROOT, INNER, FULL = 0x10, 0x20, 0x30
NOT_TRACKED = LAYOUT.constants["NOT_TRACKED"]
NO_LIMIT = (1 << 63) // 4096 - 1
WAY_UP = (
    record(RecordKind.MEMCG, memcg=FULL, parent=INNER, name=b"full", on_dfl=1, memory={"usage": 9, "max": 10},
           high=NO_LIMIT, oom_group=1, swap={"usage": 1, "max": NO_LIMIT}),
    record(RecordKind.MEMCG, memcg=INNER, parent=ROOT, name=b"inner", memory={"max": NO_LIMIT}, oom_group=-1),
    record(RecordKind.MEMCG, memcg=ROOT, parent=0, name=b""),
)
BEGIN = record(RecordKind.BEGIN, memcg=FULL)


def _memcgs(*records: TraceRecord, **facts: Any) -> Memcgs:
    return Memcgs(oom_records(*records, facts=Facts(**facts)))


def test_paths() -> None:
    memcgs = _memcgs(*WAY_UP)
    assert [memcgs.path_of(memcg) for memcg in (FULL, INNER, ROOT, 0x40)] == ["/inner/full", "/inner", "/", None]
    assert _memcgs(*WAY_UP[:2]).path_of(FULL) is None, "the root is not known"


def test_a_circle_ends() -> None:
    circle = ((FULL, INNER), (INNER, FULL))
    memcgs = _memcgs(*(record(RecordKind.MEMCG, memcg=memcg, parent=parent) for memcg, parent in circle))
    assert memcgs.path_of(FULL) is None


def test_levels() -> None:
    full, inner, root = _memcgs(BEGIN, *WAY_UP).levels()
    assert full.path == "/inner/full"
    assert (full.usage_kb, full.limit_kb, full.high_kb, full.oom_group) == (36, 40, None, True)
    assert (full.swap_usage_kb, full.swap_limit_kb) == (4, None)
    assert (inner.limit_kb, inner.oom_group, inner.swap_usage_kb) == (None, None, None)
    assert root.path == "/" and _memcgs(*WAY_UP).levels() == ()


@pytest.mark.parametrize("from_events, failcnt", [(False, 3), (True, 70)])
def test_counters_of_cgroup_v2(from_events: bool, failcnt: int) -> None:
    counters = record(RecordKind.COUNTERS, memcg=FULL, on_dfl=1, memory={"usage": 9, "max": 10, "failcnt": 3},
                      swap={"usage": NOT_TRACKED}, memsw={"usage": 5}, events_max=70)
    found = _memcgs(BEGIN, *WAY_UP, counters, failcnt_from_events=from_events).full()
    assert found is not None and found.version == 2 and found.path == "/inner/full"
    assert found.memory == PageCounter(36, 40, failcnt)
    assert found.swap is None and found.memsw is None and found.kmem is None


def test_counters_of_cgroup_v1_in_pages_of_64_kib() -> None:
    kmem = {"usage": NOT_TRACKED}
    counters = record(RecordKind.COUNTERS, memcg=FULL, memory={"usage": 1}, memsw={"usage": 2}, kmem=kmem)
    found = _memcgs(BEGIN, counters, page_kb=64).full()
    assert found is not None and found.version == 1
    assert (found.memory, found.memsw, found.kmem) == (PageCounter(64, 0, 0), PageCounter(128, 0, 0), None)
    assert found.swap is None


def test_what_was_printed_wins() -> None:
    counters = record(RecordKind.COUNTERS, memcg=FULL, on_dfl=1, memory={"usage": 9})
    usage = [record(RecordKind.USAGE, line=line, usage_kb=line + 1) for line in (0, 1)]
    found = _memcgs(BEGIN, counters, *usage).full()
    assert found is not None and (found.memory, found.swap) == (PageCounter(1, 0, 0), PageCounter(2, 0, 0))
    usage.append(record(RecordKind.USAGE, line=2, usage_kb=3))
    found = _memcgs(BEGIN, record(RecordKind.COUNTERS, memcg=FULL, memsw={"usage": 9}), *usage).full()
    assert found is not None and (found.memsw, found.kmem) == (PageCounter(2, 0, 0), PageCounter(3, 0, 0))


def test_the_machines_protection() -> None:
    protection = record(RecordKind.PROTECTION, children_min_usage=1, children_low_usage=2)
    machine = _memcgs(record(RecordKind.BEGIN, memcg=0), protection).full()
    assert machine is not None and (machine.min_protection_kb, machine.low_protection_kb) == (4, 8)
    assert machine.path is None and _memcgs(record(RecordKind.BEGIN)).full() is None
