"""When an OOM is over, and in which order they come."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, List

import pytest

from oomtrace.wire import capture
from oomtrace.wire.assemble import AGE_NS, NO_SEQ, QUIET_NS, RELEASE_NS, Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import Record
from tests.wire.made import LAYOUT, record

FIRST, SECOND, MEMCG, MM = 100, 200, 0xAAAA, 0xBBBB
SHARED = {"REC_CHOSEN": "rec_report", "REC_NO_VICTIM": "rec_report", "REC_KILLED": "rec_task",
          "REC_SIGNALLED": "rec_task", "REC_WAIT": "rec_begin"}
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "data"


def _record(oom_id: int, kind: str, seq: int, **fields: Any) -> Record:
    made = record(kind, seq, **fields) if kind.lower() in LAYOUT.structs else _shared(kind, seq, **fields)
    body = made.body
    body.header.oom_id = oom_id
    return LAYOUT.decode(bytes(body))


def _shared(kind: str, seq: int, **fields: Any) -> Record:
    body = LAYOUT.structs[SHARED[kind]]()
    body.header.kind, body.header.seq = LAYOUT.constants[kind], seq
    for name, value in fields.items():
        setattr(body.row if name == "mm" else body, name, value)
    return LAYOUT.decode(bytes(body))


def _kill(assembler: Assembler, oom_id: int, now_ns: int, memcg: int = MEMCG, mm: int = MM) -> None:
    for made in (
        _record(oom_id, "REC_BEGIN", 0, memcg=memcg),
        _record(oom_id, "REC_CHOSEN", 1, memcg=memcg),
        _record(oom_id, "REC_KILLED", 2, mm=mm),
        _record(oom_id, "REC_DONE", 3),
    ):
        assembler.add(made, now_ns)


def _release(assembler: Assembler, oom_id: int, now_ns: int, mm: int = MM) -> None:
    assembler.add(_record(oom_id, "REC_RELEASED", NO_SEQ, mm=mm), now_ns)


def _ready(assembler: Assembler, now_ns: int) -> List[int]:
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
    assert _ready(assembler, RELEASE_NS - 1) == []
    assert _ready(assembler, RELEASE_NS) == [FIRST]


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
        _record(FIRST, "REC_BEGIN", 0, memcg=MEMCG),
        _record(FIRST, "REC_CHOSEN", 1, memcg=MEMCG),
        _record(FIRST, "REC_KILLED", 3, mm=MM),  # without the third, which is lost or still on its way
        _record(FIRST, "REC_DONE", 4),
        _record(SECOND, "REC_BEGIN", 0, memcg=MEMCG),  # an earlier victim asks for memory once more
        _record(SECOND, "REC_DONE", 1),
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
    assert oom.lost == 0 and oom.records[-1].kind == "REC_RELEASED"


def _halted_at(kind: str) -> "tuple[capture.Capture, List[Record], List[Record]]":
    """A capture's records up to the last of a kind, and those after it."""
    found = capture.load(io.BytesIO((FIXTURES / "6.1-memcg-v2.oom").read_bytes()))
    records = [found.layout.decode(data) for data in found.records]
    at = max(number for number, each in enumerate(records) if each.kind == kind) + 1
    return found, records[:at], records[at:]


@pytest.mark.parametrize("kind", ["REC_BEGIN", "REC_CANDIDATE", "REC_CHOSEN", "REC_STATS", "REC_TASK"])
def test_a_task_that_is_held_up_goes_on_with_the_same_oom(kind: str) -> None:
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
    found, before, _ = _halted_at("REC_STATS")
    assembler = Assembler()
    for each in before:
        assembler.add(each, 0)
    assert assembler.ready(RELEASE_NS - 1) == []
    (oom,) = assembler.ready(RELEASE_NS)
    event = Decoder(found.layout, found.facts, found.symbols.get).event(oom)
    assert event.origin.missing == ("Killed process line",)


def test_the_next_call_proves_that_it_is_over() -> None:
    assembler = Assembler()
    assembler.add(_record(FIRST, "REC_BEGIN", 0, memcg=MEMCG), 0)
    assembler.add(_record(FIRST, "REC_CHOSEN", 1, memcg=MEMCG), 0)
    assembler.add(_record(SECOND - 1, "REC_WAIT", 0, memcg=MEMCG), 0)
    assert _ready(assembler, QUIET_NS) == [SECOND - 1], "a task that waits does not hold oom_lock"
    assembler.add(_record(SECOND, "REC_BEGIN", 0, memcg=MEMCG + 1), 0)
    assert _ready(assembler, QUIET_NS - 1) == []
    assert _ready(assembler, QUIET_NS) == [FIRST]


def test_once_decided_it_does_not_wait_for_long() -> None:
    assembler = Assembler()
    assembler.add(_record(FIRST, "REC_BEGIN", 0, memcg=MEMCG), 0)
    assembler.add(_record(FIRST, "REC_NO_VICTIM", 1), 0)
    assert _ready(assembler, QUIET_NS) == [FIRST]


def test_what_decided_nothing_is_forgotten() -> None:
    assembler = Assembler()
    assembler.add(_record(FIRST, "REC_BEGIN", 0, memcg=MEMCG), 0)
    assert _ready(assembler, RELEASE_NS) == [] and not assembler.pending
    _release(assembler, SECOND, 0)
    assert _ready(assembler, QUIET_NS) == [] and not assembler.pending


def test_records_that_keep_coming_do_not_keep_it_open() -> None:
    assembler = Assembler()
    _kill(assembler, FIRST, 0)
    step_ns = QUIET_NS // 2
    for number in range(AGE_NS // step_ns):
        assembler.add(_record(FIRST, "REC_SIGNALLED", 4 + number), number * step_ns)
        assert _ready(assembler, number * step_ns) == []
    assert _ready(assembler, AGE_NS) == [FIRST]
