"""Signals that end processes: which records are one deed, when it is told of, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from oomtrace.facts import Facts
from oomtrace.model import Sent
from oomtrace.wire.assemble import AGE_NS, QUIET_NS, RELEASE_NS, Assembler, Oom
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import RecordKind
from tests.wire.made import LAYOUT, record

ID = 1_000_000_000
KILL, TERM = 9, 15
NO_LIMIT = (1 << 64) - 1
MAX = 0x7FFFFFFFFFFFFFFF // 4096
HAS_MM = LAYOUT.constants["TASK_HAS_MM"]


def sender(**fields: Any) -> TraceRecord:
    known: dict[str, Any] = {
        "tgid": 50, "pid": 50, "uid": 0, "comm": b"earlyoom", "args": b"/usr/bin/earlyoom\0-r\0003600\0",
        "args_bytes": 26, "memcg": 0x30, "ram_pages": 1 << 18, "free_pages": 100, "file_pages": 200,
        "total_swap_pages": -1, "free_swap_pages": -1, "pressure": {"some": [2048 * 12, 2048, 0], "full": [1024, 0, 0]},
        "parent_tgid": 1, "parent_comm": b"systemd",
    }
    return record(RecordKind.SENDER, 0, ID, **{**known, **fields})


def signal(seq: int = 1, pid: int = 60, **fields: Any) -> TraceRecord:
    row = {"pid": pid, "tgid": pid, "mm": 0x100 + pid, "memcg": 0x20, "anon_pages": 256, "flags": HAS_MM}
    known: dict[str, Any] = {
        "row": {**row, "comm": b"hog"}, "signal": KILL, "fatal": 1, "syscall": -1, "rlimit_cpu_s": NO_LIMIT,
        "pressure": {"some": [NO_LIMIT] * 3, "full": [NO_LIMIT] * 3},
    }
    return record(RecordKind.SIGNAL, seq, ID, ID + seq, **{**known, **fields})


def memcg(seq: int, address: int, parent: int, name: bytes, usage: int = 0, limit: int = MAX) -> TraceRecord:
    counter = {"usage": usage, "max": limit}
    return record(
        RecordKind.MEMCG, seq, ID, memcg=address, parent=parent, name=name, memory=counter, high=MAX, on_dfl=1
    )


def released(pid: int) -> TraceRecord:
    return record(RecordKind.RELEASED, None, ID, ID + 5_000_000, mm=0x100 + pid, tgid=pid, anon_pages=256)


def event_of(*records: TraceRecord) -> Any:
    return Decoder(LAYOUT, Facts(), lambda address: None).event(Oom(ID, records=list(records)))


def assembled(*records: TraceRecord) -> Assembler:
    assembler = Assembler()
    for one in records:
        assembler.add(one, 0)
    return assembler


def test_who_killed_whom_and_how_full_it_was() -> None:
    event = event_of(
        sender(), signal(), memcg(2, 0x20, 0x10, b"job", usage=950, limit=1000), memcg(3, 0x10, 0, b"", usage=2000),
        memcg(4, 0x30, 0x10, b"earlyoom.service"), released(60),
    )
    assert event.kind == "killed" and not event.is_oom and event.origin.missing == ()
    killed = event.killed
    assert (killed.how, killed.sender.pid, killed.sender.comm) == (Sent.PROCESS, 50, "earlyoom")
    assert killed.sender.command_line == "/usr/bin/earlyoom -r 3600"
    assert killed.sender.memcg == "/earlyoom.service" and killed.sender.parent_comm == "systemd"
    (victim,) = killed.victims
    assert (victim.pid, victim.comm, victim.signal, victim.anon_rss_kb) == (60, "hog", KILL, 1024)
    assert victim.memcg == "/job" and victim.asked_ns is None and victim.syscall is None
    assert [(level.path, level.usage_kb, level.limit_kb) for level in event.trace.levels] == [
        ("/job", 3800, 4000), ("/", 8000, None)
    ]
    assert killed.machine.pressure.some_avg10 == 12.0 and killed.machine.pressure.full_avg10 == 0.5
    assert killed.machine.swap_total_kb is None, "there is none in this kernel"
    assert killed.pressure is None, "the kernel does not measure it"
    assert [release.pid for release in event.trace.releases] == [60]


PRIV, NOINFO = LAYOUT.constants["FROM_KERNEL"], LAYOUT.constants["FROM_NOINFO"]
FAULT = LAYOUT.constants["FROM_FAULT"]
KTHREAD = LAYOUT.constants["SENDER_KTHREAD"]
EXITING, CGROUP_KILL = LAYOUT.constants["SENDER_EXITING"], LAYOUT.constants["SENDER_CGROUP_KILL"]


@pytest.mark.parametrize(
    ("how", "by", "what"),
    [
        (Sent.CGROUP_KILL, {"flags": CGROUP_KILL}, {"sent_from": NOINFO}),
        (Sent.PROCESS, {"flags": CGROUP_KILL}, {"signal": TERM}),
        (Sent.PARENT_DEATH, {"flags": EXITING}, {"sent_from": NOINFO}),
        (Sent.PID_NAMESPACE, {"flags": EXITING}, {"sent_from": PRIV}),
        (Sent.RLIMIT_CPU, {"tgid": 60}, {"sent_from": PRIV, "rlimit_cpu_s": 5}),
        (Sent.RLIMIT_CPU, {"tgid": 60}, {"sent_from": PRIV, "signal": 24}),
        (Sent.RLIMIT_FSIZE, {"tgid": 60}, {"sent_from": NOINFO, "signal": 25}),
        (Sent.SECCOMP, {"tgid": 60}, {"sent_from": FAULT, "signal": 31, "code": 1, "syscall": 59}),
        (Sent.MEMORY_ERROR, {"tgid": 60}, {"sent_from": FAULT, "signal": 7, "code": 4}),
        (Sent.FAULT, {"tgid": 60}, {"sent_from": FAULT, "signal": 7, "code": 2}),
        (Sent.FAULT, {"tgid": 60}, {"sent_from": FAULT, "signal": 11, "code": 1}),
        (Sent.KERNEL, {"tgid": 60}, {"sent_from": PRIV}),
        (Sent.PROCESS, {}, {"sent_from": NOINFO}),  # kill(2) of 7.3
        (Sent.PROCESS, {"tgid": 60}, {"sent_from": NOINFO}),
        (Sent.KERNEL, {"tgid": 60}, {"sent_from": NOINFO, "signal": 13}),
        (Sent.KERNEL, {"flags": KTHREAD}, {"sent_from": NOINFO}),
        (Sent.KERNEL, {"tgid": 2, "comm": b"kworker/0:1"}, {"sent_from": PRIV}),
    ],
)
def test_why_the_kernel_sent_it(how: Sent, by: dict[str, Any], what: dict[str, Any]) -> None:
    event = event_of(sender(**by), signal(**what))
    assert event.killed.how is how
    assert event.killed.victims[0].syscall == what.get("syscall")


def test_sigterm_before_it() -> None:
    (victim,) = event_of(sender(), signal(asked_ns=ID - 9_000, asked_by=7, asked_by_comm=b"podman")).killed.victims
    assert (victim.asked_ns, victim.asked_by_pid, victim.asked_by_comm) == (9_001, 7, "podman")


def test_many_at_once_are_one_event_when_all_are_gone() -> None:
    assembler = assembled(sender(), signal(1, 60), signal(2, 61), released(60))
    assert assembler.pending and not assembler.ready(QUIET_NS), "one still has its memory"
    assembler.add(released(61), 0)
    (found,) = assembler.ready(QUIET_NS)
    assert found.lost == 0 and not assembler.pending


def test_one_that_does_not_go_is_not_waited_for_for_ever() -> None:
    assert assembled(sender(), signal()).ready(RELEASE_NS)


def test_who_is_asked_to_end_and_does_not_is_no_event() -> None:
    assembler = assembled(sender(), signal(signal=TERM, fatal=0))
    assert not assembler.pending, "nothing may come of it, and nobody looks for it every 10 ms"
    assert not assembler.ready(AGE_NS - 1)
    assert not assembler.ready(AGE_NS) and not assembler.flush()


def test_who_is_asked_to_end_and_does_is_one() -> None:
    assembler = assembled(sender(), signal(1, 60, signal=TERM, fatal=0), signal(2, 61, signal=TERM, fatal=0))
    assembler.add(released(60), AGE_NS // 2)
    assert assembler.pending and not assembler.ready(AGE_NS // 2 + QUIET_NS), "the other may follow"
    (found,) = assembler.ready(AGE_NS // 2 + RELEASE_NS)
    assert [victim.fatal for victim in event_of(*found.records).killed.victims] == [False, False]


def test_an_end_that_is_read_before_the_signal() -> None:
    """Each CPU has a buffer of its own, and they are read one after the other."""
    assembler = assembled(released(60), sender(), signal(signal=TERM, fatal=0))
    (found,) = assembler.ready(RELEASE_NS)
    assert [victim.fatal for victim in event_of(*found.records).killed.victims] == [False]
