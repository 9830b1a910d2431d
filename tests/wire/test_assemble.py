"""When an OOM is over, and in which order they come."""

from __future__ import annotations

from typing import Any, List

from oomtrace.wire.assemble import NO_SEQ, QUIET_NS, RELEASE_NS, Assembler
from oomtrace.wire.layout import Record
from tests.wire.made import LAYOUT, record

FIRST, SECOND, MEMCG, MM = 100, 200, 0xAAAA, 0xBBBB


def _record(oom_id: int, kind: str, seq: int, **fields: Any) -> Record:
    made = record(kind, seq, **fields) if kind.lower() in LAYOUT.structs else _shared(kind, seq, **fields)
    body = made.body
    body.header.oom_id = oom_id
    return LAYOUT.decode(bytes(body))


def _shared(kind: str, seq: int, **fields: Any) -> Record:
    struct = {"REC_CHOSEN": "rec_report", "REC_KILLED": "rec_task"}[kind]
    body = LAYOUT.structs[struct]()
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
