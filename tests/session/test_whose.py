"""Which stacks are made into frames, and of which processes: with a make-believe room code."""

from __future__ import annotations

import json
import os
import time
from struct import pack
from typing import Any, Optional

import pytest

from oomtrace import code
from oomtrace.facts import Facts
from oomtrace.model import Charge, Code, NoStack
from oomtrace.plain import from_plain
from oomtrace.session import whose
from oomtrace.wire.assemble import Oom
from oomtrace.wire.near import Near, NearCause
from oomtrace.wire.records import RecordKind
from tests.wire.made import LAYOUT, record

BEGAN, FULL, OTHER, SP = 10_000, 77, 88, 0x7FFD00000F00
NAMES = {6: "do_anonymous_page+0x1/0x2"}


class Asked:
    """What has been resolved."""

    def __init__(self) -> None:
        self.raw: list[code.RawCode] = []

    def resolve(self, raw: code.RawCode, files: Optional[code.Files] = None, **_: Any) -> Code:
        self.raw.append(raw)
        return Code(window_ns=raw.window_ns)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    monkeypatch.setattr(code, "resolve_apart", found.resolve)
    return found


def stack(role: str, pid: int, seq: Optional[int] = None, tgid: int = 7, **fields: Any) -> Any:
    known = {"registers_bytes": 168, "sp": SP, "comm": b"hog", **fields}
    return record(RecordKind.USER_STACK, seq, role=LAYOUT.constants[f"STACK_{role.upper()}"], pid=pid, tgid=tgid,
                  **known)


def piece(pid: int, seq: Optional[int] = None) -> Any:
    return record(RecordKind.USER_PIECE, seq, address=SP, pid=pid, length=8, memory=bytes(range(8)))


def sample(time_ns: int, memcgs: "list[int]", pages: int = 64, **fields: Any) -> bytes:
    known = {"comm": b"hog", "registers_bytes": 168, **fields}
    return record(RecordKind.SAMPLE, None, time_ns=time_ns, tgid=7, pid=9, pages=pages, memcgs=memcgs, kernel=[6],
                  sp=SP, length=4, memory=b"abcd", **known).raw


def python(time_ns: int, running: "list[dict[str, int]]") -> bytes:
    whole = record(RecordKind.PYTHON, None, time_ns=time_ns, pid=9, count=len(running))
    head = whole.raw[: whole.least_bytes]
    return head + b"".join(
        pack("<QQB3xB3x", one["code"], one["instruction"], one.get("owner", 0), one.get("entry", 0)) for one in running
    )


def oom(*records: Any, memcg: int = FULL) -> Oom:
    return Oom(BEGAN, records=list(records), memcg=memcg)


def of(one: whose.Whose, what: Oom) -> Optional[Code]:
    return one.of(what, LAYOUT, Facts(page_kb=4, machine="x86_64"), NAMES.get)[0]


def keep(one: whose.Whose, found: "list[bytes]") -> None:
    one.keep(lambda: found)


def test_an_oom_without_stacks_has_no_code(asked: Asked) -> None:
    assert of(whose.Whose(), oom()) is None and not asked.raw


def test_who_asked_and_who_died(asked: Asked) -> None:
    records = [stack("trigger", 9, 0), piece(9, 1), stack("victim", 7), piece(7), stack("victim", 8)]
    assert of(whose.Whose(), oom(*records)) is not None
    (raw,) = asked.raw
    assert raw.asker is not None and raw.victim is not None and raw.victim_charged is not None
    assert (raw.asker.pid, raw.victim.pid, raw.victim_charged.pid) == (9, 7, 8)
    assert raw.asker.stack.stack == bytes(range(8)) and raw.victim_charged.stack.none is NoStack.NOT_READABLE


def test_a_kernel_thread_that_asks_has_no_stack(asked: Asked) -> None:
    of(whose.Whose(), oom(stack("trigger", 9, 0, registers_bytes=0)))
    (raw,) = asked.raw
    assert raw.asker is not None and raw.asker.stack.none is NoStack.KERNEL_THREAD


def test_samples_of_the_full_memcg_before_the_oom(asked: Asked) -> None:
    one = whose.Whose()
    keep(one, [sample(BEGAN + 1, [FULL]), sample(BEGAN - 2, [FULL], 128), sample(BEGAN - 3, [OTHER]),
              sample(BEGAN - 9, [99, FULL])])
    of(one, oom(stack("trigger", 9, 0)))
    (raw,) = asked.raw
    assert [(each.charged_bytes, each.before_ns) for each in raw.samples] == [(64 << 12, 9), (128 << 12, 2)]
    assert raw.window_ns == 9 and raw.sample_bytes == 96 << 12
    assert {each.kind for each in raw.samples} == {Charge.ANON}


def test_the_decision_does_not_lose_what_the_beginning_has_read(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    one, now = whose.Whose(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    keep(one, [sample(BEGAN - 2, [FULL])])
    with monkeypatch.context() as patch:
        patch.setattr(whose.Allowance, "used_up", property(lambda _: True))
        keep(one, [])
    of(one, oom(stack("trigger", 9, 0)))
    assert len(asked.raw[-1].samples) == 1
    with monkeypatch.context() as patch:
        patch.setattr(whose.Allowance, "used_up", property(lambda _: True))
        patch.setattr(time, "monotonic", lambda: now + 5)
        keep(one, [])  # of another OOM
    assert one._samples == []


def test_all_samples_where_the_machine_is_full(asked: Asked) -> None:
    one = whose.Whose()
    keep(one, [sample(BEGAN - 2, [FULL]), sample(BEGAN - 3, [OTHER])])
    of(one, oom(stack("trigger", 9, 0), memcg=0))
    assert len(asked.raw[0].samples) == 2


def test_what_khugepaged_charges_somebody_had_charged_before(asked: Asked) -> None:
    """A program may have its name."""
    one = whose.Whose()
    keep(one, [sample(BEGAN - 3, [FULL], 512, comm=b"khugepaged", registers_bytes=0),
               sample(BEGAN - 2, [FULL], comm=b"khugepaged")])
    of(one, oom())
    (found,) = asked.raw[0].samples
    assert found.charged_bytes == 64 << 12


def test_what_an_interrupt_charged_has_no_stack(asked: Asked) -> None:
    one = whose.Whose()
    keep(one, [sample(BEGAN - 2, [FULL], interrupt=1)])
    of(one, oom())
    (found,) = asked.raw[0].samples
    assert found.stack.none is NoStack.NOT_TAKEN and not found.stack.stack and found.charged_bytes == 64 << 12


def test_processes_are_looked_at_while_they_are_alive(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    one, me = whose.Whose(), os.getpid()
    one.look([me, 1 << 22])  # no process has such a number
    monkeypatch.setattr(code, "look", lambda *_: None)  # as of now it is gone
    one.look([me])
    of(one, oom(stack("trigger", me, 0, tgid=me)))
    (process,) = asked.raw[0].processes
    assert process.tgid == me and process.maps


def test_what_python_ran_has_names_that_bpf_has_read(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[tuple[int, bytes]] = []
    layout = pack("<QQ24I", 1, ~3 & (1 << 64) - 1, *[0] * 10, 69, 68, 3, *[0] * 11)
    known = code.Process(7, python_layout=layout, python={"0x10": code.PythonCode("known", "a.py", 1, 0x20)})
    monkeypatch.setattr(code, "look", lambda *_: known)
    data = pack("<QIIII64s96s256s", 0x40, 3, 0, 4, 0, b"met", b"a.py", b"")
    one = whose.Whose(False, lambda *told: watched.append(told),
                      lambda tgid, at: data if (tgid, at) == (7, 0x30) else None)
    one.look([7])
    running = [{"code": 0x31, "instruction": 0x44}, {"code": 0x10, "instruction": 0x24, "entry": 1},
               {"code": 5, "instruction": 6, "owner": 3}]
    one.keep(lambda: [sample(BEGAN - 2, [FULL]), python(BEGAN - 2, running), sample(BEGAN - 3, [FULL])])
    of(one, oom())
    (raw,) = asked.raw
    assert watched == [(7, layout)]
    assert [each.stack.interpreter for each in raw.samples] == [None, ((0x30, 0x44), (0x10, 0x24), (0, 0), (0, 0))]
    assert {at: each.name for at, each in raw.processes[0].python.items()} == {"0x10": "known", "0x30": "met"}


def test_in_a_storm_it_takes_a_part_of_the_time_alone(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(whose.time, "monotonic", lambda: now[0])

    def slow(raw: code.RawCode, files: Optional[code.Files] = None, **_: Any) -> Code:
        now[0] += 0.5
        return Code()

    monkeypatch.setattr(code, "resolve_apart", slow)
    monkeypatch.setattr(whose, "slowness", lambda: 1.0)
    one = whose.Whose()
    found = [of(one, oom(stack("trigger", 9, 0))) for _ in range(10)]
    assert [each is not None for each in found] == [True] * 5 + [False] * 5
    now[0] += 60
    assert of(one, oom(stack("trigger", 9, 0))) is not None


def test_in_a_storm_not_all_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = [0.0], []
    monkeypatch.setattr(whose.time, "monotonic", lambda: now[0])

    def slow(tgid: int, *_: Any) -> None:
        looked.append(tgid)
        now[0] += 0.3

    monkeypatch.setattr(code, "look", slow)
    monkeypatch.setattr(whose, "slowness", lambda: 1.0)
    one = whose.Whose()
    one.look(range(10))
    assert looked == [0, 1, 2, 3]
    keep(one, [b"in vain"])
    now[0] += 60
    one.look([99])
    assert looked[-1] == 99


def test_a_command_that_met_no_oom(asked: Asked) -> None:
    facts = Facts(page_kb=4, machine="x86_64")
    assert whose.Whose().all([], LAYOUT, facts, NAMES.get, BEGAN) is None
    assert whose.Whose().all([sample(5, [OTHER])], LAYOUT, facts, NAMES.get, BEGAN) is not None
    (raw,) = asked.raw
    assert len(raw.samples) == 1 and raw.asker is None


@pytest.mark.parametrize("keeps", [False, True])
def test_copies_are_kept_only_if_that_is_asked_for(asked: Asked, keeps: bool) -> None:
    records = [stack("trigger", 9, 0), piece(9, 1)]
    _, raw = whose.Whose(keeps).of(oom(*records), LAYOUT, Facts(machine="x86_64"), NAMES.get)
    assert (raw is not None) is keeps
    if keeps:
        assert from_plain(code.RawCode, json.loads(json.dumps(raw))) == asked.raw[0]


def test_who_stays_near_a_limit_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    them = whose.Whose()
    monkeypatch.setattr(them, "look", lambda tgids: looked.extend(tgids))

    def near(cause: NearCause, tgid: int) -> None:
        them.near(Near(0, 1, "/box", 90, 100, tgid, cause))

    near(NearCause.FIRST_CHARGED, 7)
    near(NearCause.NEARS, 8)
    them._processes[8] = code.look(os.getpid(), code.Files())  # type: ignore[assignment]
    near(NearCause.STAYS_NEAR, 8)
    near(NearCause.STAYS_NEAR, 9)
    assert looked == [8, 9]
