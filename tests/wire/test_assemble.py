"""When an OOM is over, and in which order they come."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from oomtrace.wire import capture
from oomtrace.wire.assemble import AGE_NS, QUIET_NS, REAPER_NS, RELEASE_NS, Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecordKind
from tests.wire.made import record

FIRST, SECOND, MEMCG, MM, PID = 100, 200, 0xAAAA, 0xBBBB, 7
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "data"


def _kill(assembler: Assembler, oom_id: int, now_ns: int, memcg: int = MEMCG, mm: int = MM) -> None:
    for made in (
        record(RecordKind.BEGIN, 0, oom_id, memcg=memcg),
        record(RecordKind.CHOSEN, 1, oom_id, memcg=memcg),
        record(RecordKind.KILLED, 2, oom_id, row={"mm": mm, "pid": PID}),
        record(RecordKind.DONE, 3, oom_id),
    ):
        assembler.add(made, now_ns)


def _release(assembler: Assembler, oom_id: int, now_ns: int, mm: int = MM) -> None:
    assembler.add(record(RecordKind.RELEASED, None, oom_id, mm=mm), now_ns)


def _ready(assembler: Assembler, now_ns: int) -> list[int]:
    return [oom.oom_id for oom in assembler.ready(now_ns)]


def test_held_until_the_victims_memory_is_free() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    assert _ready(assembler, QUIET_NS) == []
    _release(assembler, FIRST, QUIET_NS)
    assert _ready(assembler, QUIET_NS) == [FIRST]


def test_not_held_for_ever() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    assert _ready(assembler, REAPER_NS - 1) == []
    assert _ready(assembler, REAPER_NS) == [FIRST]


def test_held_until_the_oom_reaper_has_told_what_it_took() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    late_ns = RELEASE_NS + 2_430_000_000
    assert _ready(assembler, late_ns) == []
    assembler.add(record(RecordKind.REAPED, None, FIRST, pid=PID, reaped=1), late_ns)
    assert _ready(assembler, late_ns + RELEASE_NS - 1) == [], "its memory is still not all free"
    (oom,) = assembler.ready(late_ns + RELEASE_NS)
    assert oom.records[-1].kind is RecordKind.REAPED


def test_the_next_choice_in_a_memcg_proves_that_the_oom_reaper_is_done() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    _kill(assembler, SECOND, 0, mm=MM + 1)
    assert _ready(assembler, RELEASE_NS - 1) == []
    assert _ready(assembler, RELEASE_NS) == [FIRST], "so the second one does not wait for the first one's oom_reaper"


def test_not_held_where_nothing_tells_of_the_release() -> None:
    assembler = Assembler(releases=False)
    _kill(assembler, FIRST, 0)
    assert _ready(assembler, 0) == [FIRST]


def test_told_once_when_the_kill_is_over() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    assert [oom.oom_id for oom in assembler.killed()] == [FIRST]
    assert assembler.killed() == [] and assembler.pending
    _release(assembler, FIRST, 0)
    assert _ready(assembler, 0) == [FIRST]


def test_not_told_while_more_is_to_come() -> None:
    assembler = Assembler()
    for made in (
        record(RecordKind.BEGIN, 0, FIRST, memcg=MEMCG),
        record(RecordKind.CHOSEN, 1, FIRST, memcg=MEMCG),
        record(RecordKind.KILLED, 3, FIRST, row={"mm": MM}),  # without the third, which is lost or still on its way
        record(RecordKind.DONE, 4, FIRST),
        record(RecordKind.BEGIN, 0, SECOND, memcg=MEMCG),  # an earlier victim asks for memory once more
        record(RecordKind.DONE, 1, SECOND),
    ):
        assembler.add(made, 0)
    assert assembler.killed() == []


def test_in_a_memcg_they_come_in_order() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    _kill(assembler, SECOND, 0, mm=MM + 1)
    _release(assembler, SECOND, 0, mm=MM + 1)
    assert _ready(assembler, 0) == []
    _release(assembler, FIRST, 0)
    (first, second) = assembler.ready(0)
    assert (first.oom_id, second.oom_id) == (FIRST, SECOND)
    assert first.followed_ns == SECOND and second.followed_ns is None


def test_another_memcg_does_not_wait() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    _kill(assembler, SECOND, 0, memcg=MEMCG + 1, mm=MM + 1)
    _release(assembler, SECOND, 0, mm=MM + 1)
    assert _ready(assembler, 0) == [SECOND]


def test_a_release_is_no_gap() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    _release(assembler, FIRST, 0)
    (oom,) = assembler.ready(0)
    assert oom.lost == 0 and oom.records[-1].kind == RecordKind.RELEASED


def _halted_at(kind: RecordKind) -> "tuple[capture.Capture, list[TraceRecord], list[TraceRecord]]":
    """A capture's records up to the last of a kind, and those after it."""
    found = capture.load(io.BytesIO((FIXTURES / "6.1-memcg-v2.oom").read_bytes()))
    records = [found.layout.decode(data) for data in found.records]
    at = max(number for number, each in enumerate(records) if each.kind is kind) + 1
    return found, records[:at], records[at:]


@pytest.mark.parametrize("kind", [
    RecordKind.BEGIN, RecordKind.CANDIDATE, RecordKind.CHOSEN, RecordKind.STATS, RecordKind.TASK,
])
def test_a_task_that_is_held_up_goes_on_with_the_same_oom(kind: RecordKind) -> None:
    _, before, after = _halted_at(kind)
    assembler = Assembler()
    for each in before:
        assembler.add(each, 0)
    assert assembler.ready(QUIET_NS + 10_000_000) == []
    for each in after:
        assembler.add(each, QUIET_NS + 20_000_000)
    (oom,) = assembler.ready(QUIET_NS + 20_000_000)
    assert len(oom.records) == len(before) + len(after) and not oom.lost and not assembler.pending


def test_given_up_before_the_kill_it_says_so() -> None:
    found, before, _ = _halted_at(RecordKind.STATS)
    assembler = Assembler()
    for each in before:
        assembler.add(each, 0)
    assert assembler.ready(RELEASE_NS - 1) == []
    (oom,) = assembler.ready(RELEASE_NS)
    event = Decoder(found.layout, found.facts, found.symbols.get).event(oom)
    assert event.origin.missing == ("Killed process line",)


def test_the_next_call_proves_that_it_is_over() -> None:
    assembler = Assembler()
    assembler.add(record(RecordKind.BEGIN, 0, FIRST, memcg=MEMCG), 0)
    assembler.add(record(RecordKind.CHOSEN, 1, FIRST, memcg=MEMCG), 0)
    assembler.add(record(RecordKind.WAIT, 0, SECOND - 1, memcg=MEMCG), 0)
    assert _ready(assembler, QUIET_NS) == [SECOND - 1], "a task that waits does not hold oom_lock"
    assembler.add(record(RecordKind.BEGIN, 0, SECOND, memcg=MEMCG + 1), 0)
    assert _ready(assembler, QUIET_NS - 1) == []
    assert _ready(assembler, QUIET_NS) == [FIRST]


def test_once_decided_it_does_not_wait_for_long() -> None:
    assembler = Assembler()
    assembler.add(record(RecordKind.BEGIN, 0, FIRST, memcg=MEMCG), 0)
    assembler.add(record(RecordKind.NO_VICTIM, 1, FIRST), 0)
    assert _ready(assembler, QUIET_NS) == [FIRST]


def test_what_decided_nothing_is_forgotten() -> None:
    assembler = Assembler()
    assembler.add(record(RecordKind.BEGIN, 0, FIRST, memcg=MEMCG), 0)
    assert _ready(assembler, RELEASE_NS) == [] and not assembler.pending
    _release(assembler, SECOND, 0)
    assert _ready(assembler, QUIET_NS) == [] and not assembler.pending


def test_records_that_keep_coming_do_not_keep_it_open() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    step_ns = QUIET_NS // 2
    for number in range(AGE_NS // step_ns):
        assembler.add(record(RecordKind.SIGNALLED, 4 + number, FIRST), number * step_ns)
        assert _ready(assembler, number * step_ns) == []
    assert _ready(assembler, AGE_NS) == [FIRST]
