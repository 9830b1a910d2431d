"""From records to events, and what is made of them for whom: with the records of a capture in place of the kernel's."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, Optional

import pytest

from oomtrace import text, why
from oomtrace.arch import X86_64
from oomtrace.facts import Facts
from oomtrace.model import OomEvent
from oomtrace.session.receive import Names, Receiver, Traced
from oomtrace.wire import capture
from oomtrace.wire.records import RecordKind
from tests.events import changed
from tests.wire import made as made_records

CORE, MODULE, PROGRAM, DATA = 0xFFFFFFFF81000010, 0xFFFFFFFFC0001010, 0xFFFFFFFFC0002010, 0xFFFFFFFFC0003010
PATH = Path(__file__).resolve().parent.parent / "fixtures" / "data" / "6.12-memcg-v2.oom"


NEW_YEAR_NS = 1_767_225_600_000_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that booted at the beginning of 2026."""
    monkeypatch.setattr("oomtrace.session.receive.boot_unix_ns", lambda: NEW_YEAR_NS)


class Table:
    """The capture's own names, as a resolver."""

    def __init__(self, symbols: "dict[int, str]") -> None:
        self._symbols = symbols

    def is_text(self, address: int) -> bool:
        return address in self._symbols

    def name(self, address: int) -> Optional[str]:
        return self._symbols.get(address)


class Kernel:
    """Has a table that changes, and counts how often it is read."""

    def __init__(self, symbols: "dict[int, str]") -> None:
        self.symbols, self.loaded = symbols, 0

    def load(self) -> Any:
        self.loaded += 1
        return Table(dict(self.symbols))

    def names(self) -> Names:
        return Names(Table(dict(self.symbols)), self.load, X86_64.bpf_text)  # type: ignore[arg-type]


@pytest.fixture
def traced() -> Traced:
    found = capture.load(io.BytesIO(PATH.read_bytes()))
    receiver = Receiver(found.facts, Kernel(dict(found.symbols)).names(), releases=True, layout=found.layout)
    for record in found.records:
        receiver.add(record, 0)
    assert receiver.pending
    (event,) = receiver.flush()
    return event


def test_a_capture_holds_what_came(traced: Traced) -> None:
    (event,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    assert event == changed(traced.event, source="capture")


def received(path: Path, *hold_back: RecordKind) -> "tuple[Receiver, list[bytes]]":
    """What has all records of a capture but those of these kinds, and those."""
    found = capture.load(io.BytesIO(path.read_bytes()))
    receiver = Receiver(found.facts, Kernel(dict(found.symbols)).names(), releases=True, layout=found.layout)
    held = [record for record in found.records if found.layout.decode(record).kind in hold_back]
    for record in found.records:
        if record not in held:
            receiver.add(record, 0)
    return receiver, held


@pytest.mark.parametrize("path", sorted(PATH.parent.glob("*-memcg-*.oom")), ids=lambda path: path.stem)
def test_a_kill_is_told_before_the_memory_is_free(path: Path) -> None:
    receiver, late = received(path, RecordKind.RELEASED)
    assert late
    (early,) = receiver.killed()
    assert not list(receiver.killed()) and not list(receiver.ready(0))
    assert early.report.kills and not early.trace.releases
    for record in late:
        receiver.add(record, 1)
    (whole,) = receiver.ready(1)
    (at_once,) = received(path)[0].flush()
    assert whole.event == at_once.event and whole.event.trace.releases
    assert text.replay(early) == text.replay(whole.event)
    assert whole.capture() == at_once.capture()


def test_how_many_are_left() -> None:
    """Whether they are over or not; those of which an event is made are not."""
    receiver, _ = received(PATH, RecordKind.RELEASED)
    assert receiver.left == 1 and len(list(receiver.killed())) == 1 and receiver.left == 1
    made = receiver.flush()
    assert receiver.left == 1, "it is over, and no event yet"
    next(made)
    assert receiver.left == 0 and not list(made)


def test_a_trace_knows_when_it_was() -> None:
    receiver, _ = received(PATH)
    (traced,) = receiver.flush()
    event = traced.event
    assert event.origin.unix_ns == NEW_YEAR_NS + (event.trace.begin_ns or 0)
    (again,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    assert again.origin.unix_ns == event.origin.unix_ns


def test_what_comes_late_and_matters_is_decoded_again() -> None:
    receiver, _ = received(PATH, RecordKind.SUMMARY)
    receiver._assembler.killed = receiver._assembler.flush  # type: ignore[method-assign]  # as if nothing were missing
    (early,) = receiver.killed()
    assert early.report.summary is not None and early.report.summary.cpuset is None
    found = capture.load(io.BytesIO(PATH.read_bytes()))
    for record in found.records:
        receiver.add(record, 1)
    (whole,) = receiver.flush()
    assert whole.event.report.summary is not None and whole.event.report.summary.cpuset == "foo"


def test_it_goes_from_process_to_process(traced: Traced) -> None:
    again = pickle.loads(pickle.dumps(traced))
    assert again.event == traced.event and again.capture() == traced.capture()


def test_a_module_that_came_later_has_names() -> None:
    kernel = Kernel({CORE: "out_of_memory+0x10/0x20"})
    names = kernel.names()
    kernel.symbols[CORE + 1] = "f+0x10/0x20 [later]"  # wherever it is
    names.expire()
    names.expire()
    assert kernel.loaded == 0, "not before they are asked for"
    names.begin()
    assert names.of(CORE + 1) == "f+0x10/0x20 [later]"
    names.begin()
    assert kernel.loaded == 1


def test_a_program_that_nobody_told_of_has_a_name() -> None:
    kernel = Kernel({MODULE: "f+0x10/0x20 [old]"})
    names = kernel.names()
    names.begin()
    kernel.symbols[PROGRAM] = "bpf_prog_1+0x10/0x20"
    assert names.of(MODULE) and names.of(CORE) is None and kernel.loaded == 0
    assert names.of(PROGRAM) == "bpf_prog_1+0x10/0x20" and kernel.loaded == 1


def test_data_of_modules_is_asked_for_once() -> None:
    kernel = Kernel({})
    names = kernel.names()
    names.begin()
    assert names.of(DATA) is None and names.of(DATA + 8) is None and kernel.loaded == 1
    names.begin()
    assert names.of(DATA) is None and names.of(DATA + 8) is None and kernel.loaded == 1
    names.expire()
    names.begin()
    assert names.of(DATA) is None and kernel.loaded == 2


def test_old_names_are_kept_when_there_are_no_new_ones() -> None:
    def refuse() -> Any:
        raise OSError

    names = Names(Table({CORE: "f+0x1/0x2"}), refuse, X86_64.bpf_text)  # type: ignore[arg-type]
    names.expire()
    names.begin()
    assert names.of(CORE) == "f+0x1/0x2"


def test_an_event_has_names_of_a_module_that_came_before_it() -> None:
    found = capture.load(io.BytesIO(PATH.read_bytes()))
    kernel = Kernel({})
    receiver = Receiver(found.facts, kernel.names(), releases=True, layout=found.layout)
    kernel.symbols.update(found.symbols)
    receiver.expire_names()
    for record in found.records:
        receiver.add(record, 0)
    (event,) = receiver.flush()
    stack = event.event.report.stack
    assert stack is not None and any("oom_kill_process" in str(entry) for entry in stack.entries)


def test_what_a_killer_says_itself_is_in_the_event_and_in_its_capture() -> None:
    asked: list[OomEvent] = []

    def left(event: OomEvent) -> tuple[tuple[str, ...], Optional[int]]:
        asked.append(event)
        return ("Killed /foo due to memory pressure",), 3

    receiver = Receiver(Facts(), Kernel({}).names(), releases=True, layout=made_records.LAYOUT, left=left)
    for one in (
        made_records.record(RecordKind.SENDER, 0, 7, 7, tgid=300, comm=b"systemd-oomd"),
        made_records.record(RecordKind.SIGNAL, 1, 7, 8, signal=9, fatal=1, row={"tgid": 60, "comm": b"hog"}),
    ):
        receiver.add(one.raw, 0)
    (traced,) = receiver.flush()
    assert traced.event.killed is not None and traced.event.killed.said == ("Killed /foo due to memory pressure",)
    assert traced.event.killed.oomd_kills == 3
    assert [event.killed and event.killed.said for event in asked] == [()]
    (again,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    assert again.killed == traced.event.killed


def test_what_is_known_before_it_is_decided_who_dies() -> None:
    decided = (RecordKind.KILLED, RecordKind.NO_VICTIM, RecordKind.DONE, RecordKind.RELEASED)
    receiver, held = received(PATH, *decided)
    assert not list(receiver.panicking(0)) and not list(receiver.panicking(1)), "not for a memory cgroup alone"
    receiver, _ = received(PATH, *decided)
    for record in held:
        receiver.add(record, 0)
    assert not list(receiver.panicking(2)), "it is decided by now"
    receiver, _ = received(PATH, *decided)
    (traced,) = receiver.panicking(2)
    (event,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    assert event.report.tasks and event.report.memcg == traced.event.report.memcg
    assert not list(receiver.panicking(2)), "nothing new"
    assert receiver.pending, "it stays in hand"


def test_a_report_before_a_panic_has_no_victim_yet() -> None:
    """The kernel prints it before it has looked for one (check_panic_on_oom), and for a long time."""
    decided = (RecordKind.CHOSEN, RecordKind.HEADER, RecordKind.VICTIM, RecordKind.KILLED, RecordKind.DONE,
               RecordKind.RELEASED)
    found = capture.load(io.BytesIO(PATH.read_bytes()))
    receiver, held = received(PATH, *decided)
    (header,) = [record for record in held if found.layout.decode(record).kind is RecordKind.HEADER]
    receiver.add(bytes((RecordKind.NO_VICTIM,)) + header[1:], 0)  # the kind is what a record begins with
    (traced,) = receiver.panicking(2)
    (event,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    for report in (event.report, traced.event.report):
        assert report.panic == "Out of memory: compulsory panic_on_oom is enabled" and not report.no_killable
    assert not list(receiver.ready(60_000_000_000)), "more of it may come for as long as it prints"
    assert "the kernel panicked" in why.explain(event).headline
