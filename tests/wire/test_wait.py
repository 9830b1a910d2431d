"""cgroup v1 with OOM killing disabled: a wait and its end, from records made by hand."""

from __future__ import annotations

from typing import Any

from oomtrace import output, why
from oomtrace.facts import Facts
from oomtrace.model import OomEvent
from oomtrace.wire.assemble import Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.records import RecordKind
from tests.wire.made import LAYOUT, record


def _event(kind: RecordKind, since_ns: int) -> OomEvent:
    assembler = Assembler()
    waiting = {"memcg": 0x20, "trigger_memcg": 0x20, "pid": 5, "tgid": 5, "comm": b"waiter", "gfp_mask": 0xCC0}
    records = [
        record(kind, 0, 7, 9_500_000_000, waiting_since_ns=since_ns, **waiting),
        record(RecordKind.MEMCG, 1, 7, memcg=0x20, parent=0x10, name=b"x", oom_group=-1),
        record(RecordKind.MEMCG, 2, 7, memcg=0x10, parent=0, name=b"", oom_group=-1),
    ]
    for each in records:
        assembler.add(each, 0)
    (oom,) = assembler.flush()
    return Decoder(LAYOUT, Facts(), lambda _address: None).event(oom)


def test_wait_begins() -> None:
    event = _event(RecordKind.WAIT, 0)
    assert event.trace.wait is not None and not event.trace.wait.over
    assert not event.report.kills and event.trace.printed is None
    said = why.explain(event).headline
    assert said == "waiter (5) is waiting: /x is at its limit, and OOM killing is disabled there."


def test_wait_ends() -> None:
    event = _event(RecordKind.WAITED, 7_000_000_000)
    assert event.trace.wait is not None and event.trace.wait.over and event.trace.wait.time_ns == 2_500_000_000
    assert "It had slept for 2.500 s" in why.explain(event).headline


def test_kernel_format_prints_nothing_for_it(capsysbinary: Any) -> None:
    import io

    stream = io.StringIO()
    writer = output.writer("kernel", stream)
    writer.event(_event(RecordKind.WAIT, 0))
    assert stream.getvalue() == ""
