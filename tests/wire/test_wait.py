"""cgroup v1 with OOM killing disabled: a wait and its end, from records made by hand."""

from __future__ import annotations

import ctypes
from typing import Any

from oomtrace import output, why
from oomtrace.programs.source import file
from oomtrace.wire.assemble import Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import Layout

LAYOUT = Layout(file("records.h"))


def _record(kind: str, struct: str, seq: int, **members: Any) -> bytes:
    body = LAYOUT.structs[struct]()
    body.header.kind, body.header.seq, body.header.oom_id = LAYOUT.constants[kind], seq, 7
    body.header.time_ns = 9_500_000_000
    for name, value in members.items():
        member = getattr(body, name)
        if isinstance(member, ctypes.Array):
            member[: len(value)] = list(value)
        else:
            setattr(body, name, value)
    return bytes(body)


def _event(kind: str, since_ns: int) -> Any:
    assembler = Assembler()
    waiting = {"memcg": 0x20, "trigger_memcg": 0x20, "pid": 5, "tgid": 5, "comm": b"waiter", "gfp_mask": 0xCC0}
    records = [
        _record(kind, "rec_begin", 0, waiting_since_ns=since_ns, **waiting),
        _record("REC_MEMCG", "rec_memcg", 1, memcg=0x20, parent=0x10, name=b"x", oom_group=-1),
        _record("REC_MEMCG", "rec_memcg", 2, memcg=0x10, parent=0, name=b"", oom_group=-1),
    ]
    for data in records:
        assembler.add(LAYOUT.decode(data), 0)
    (oom,) = assembler.flush()
    return Decoder(LAYOUT, {}, lambda _address: None).event(oom)


def test_wait_begins() -> None:
    event = _event("REC_WAIT", 0)
    assert event.trace.wait is not None and not event.trace.wait.over
    assert not event.report.kills and event.trace.printed is None
    said = why.explain(event).headline
    assert said == "waiter (5) is waiting: /x is at its limit, and OOM killing is disabled there."


def test_wait_ends() -> None:
    event = _event("REC_WAITED", 7_000_000_000)
    assert event.trace.wait is not None and event.trace.wait.over and event.trace.wait.time_ns == 2_500_000_000
    assert "it had slept for 2.5 s" in why.explain(event).headline


def test_kernel_format_prints_nothing_for_it(capsysbinary: Any) -> None:
    import io

    stream = io.StringIO()
    writer = output.writer("kernel", stream)
    writer.event(_event("REC_WAIT", 0))
    assert stream.getvalue() == ""
