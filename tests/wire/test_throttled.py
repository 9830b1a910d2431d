"""A process that is slowed down by memory.high: one event, at its end."""

from __future__ import annotations

from oomtrace import why
from oomtrace.facts import Facts
from oomtrace.why.causes.throttled import Throttled
from oomtrace.why.headline import Headline
from oomtrace.wire.assemble import AGE_NS, THROTTLE_NS, Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecordKind
from tests.wire.made import LAYOUT, record

BEGAN, S = 5_000_000_000, 1_000_000_000
MAX = 0x7FFFFFFFFFFFFFFF // 4096


def told(seq: int, slept_s: int, at_s: int) -> TraceRecord:
    return record(RecordKind.THROTTLED, seq, BEGAN, BEGAN + at_s * S, memcg=0x20, slept_ns=slept_s * S,
                  sleeps=3 * slept_s, tgid=70, comm=b"builder")


def memcg(seq: int, address: int, parent: int, name: bytes, high: int) -> TraceRecord:
    counter = {"usage": 2000, "max": MAX}
    return record(RecordKind.MEMCG, seq, BEGAN, memcg=address, parent=parent, name=name, memory=counter, high=high,
                  on_dfl=1)


RECORDS = (told(0, 1, 2), memcg(1, 0x20, 0x10, b"job", MAX), memcg(2, 0x10, 0x5, b"ci.slice", 1000),
           memcg(3, 0x5, 0, b"", MAX), told(4, 4, 6), told(5, 300, 400))


def test_one_event_at_the_end() -> None:
    assembler = Assembler()
    for number, one in enumerate(RECORDS):
        assembler.add(one, number * (THROTTLE_NS - 1))
        assert assembler.pending and assembler.leisurely
        assert not assembler.ready(number * (THROTTLE_NS - 1) + THROTTLE_NS - 1), "it goes on"
    assert len(RECORDS) * THROTTLE_NS < AGE_NS < 10 * AGE_NS
    (found,) = assembler.ready(10 * AGE_NS)
    assert found.lost == 0 and not assembler.pending
    event = Decoder(LAYOUT, Facts(), lambda address: None).event(found)
    assert not event.is_oom and event.kind == "memcg" and event.origin.missing == ()
    throttle = event.trace.throttle
    assert throttle is not None and (throttle.slept_ns, throttle.span_ns, throttle.sleeps) == (300 * S, 400 * S, 900)
    assert (event.report.trigger.comm, event.report.trigger.memcg) == ("builder", "/ci.slice/job")
    assert event.report.memcg is not None and event.report.memcg.path == "/ci.slice"


def test_what_is_said_of_it() -> None:
    assembler = Assembler()
    for one in RECORDS:
        assembler.add(one, 0)
    (found,) = assembler.flush()
    said = why.explain(Decoder(LAYOUT, Facts(), lambda address: None).event(found))
    assert said.headline_reason is Headline.THROTTLED
    assert said.headline.startswith("builder (70) was slowed down: it slept 300.000 s of 400.000 s, since ")
    assert [finding.id for finding in said.findings] == ["throttled"]
    assert set(said.findings[0].reasons) == set(Throttled)


def test_an_oom_in_hand_is_not_leisurely() -> None:
    assembler = Assembler()
    assembler.add(RECORDS[0], 0)
    assembler.add(record(RecordKind.BEGIN, 0, BEGAN + 1, memcg=0x20), 0)
    assert not assembler.leisurely
