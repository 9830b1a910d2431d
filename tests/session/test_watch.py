"""When to look, and what an event shows of it. The kernel's bells are made by hand, and so is what a look sees."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from struct import pack
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from oomtrace.model import Container, Glance, Look, Memcg, Occasion, OomEvent, Report, Trace
from oomtrace.plain import to_plain
from oomtrace.session.below import Below
from oomtrace.session.looker import Answer, Looker
from oomtrace.session.receive import Traced
from oomtrace.session.stop import Ending
from oomtrace.session.trace import LiveTrace
from oomtrace.session.watch import Watch
from oomtrace.wire import capture
from oomtrace.wire.near import Near, NearCause
from oomtrace.wire.seen import NOTHING, Seen, with_seen

MEMCG = 0xFFFF888012340000
HERE = Path(__file__)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Elsewhere:
    """A looker that sees when it is told to."""

    fd = -1

    def __init__(self) -> None:
        self.asked: list[tuple[int, Optional[str], str, bool]] = []
        self.again: list[bool] = []  # of those that are asked
        self.come: list[Answer] = []

    def ask(
        self, number: int, memcg: Optional[str], pids: Iterable[int], occasion: str, glance: bool, again: bool = False
    ) -> bool:
        self.asked.append((number, memcg, occasion, glance))
        self.again.append(again)
        return True

    def answers(self) -> list[Answer]:
        found, self.come = self.come, []
        return found

    def answer(
        self, at: int = -1, time_ns: int = 0, cpu_ns: int = 1_000_000, containers: tuple[Container, ...] = ()
    ) -> None:
        number, memcg, occasion, glance = self.asked[at]
        look = None if glance else to_plain(
            Look(Occasion(occasion), time_ns, memcg, cpu_ns=cpu_ns, containers=containers))
        self.come.append(Answer(number, look, to_plain(Glance(time_ns, memcg)), cpu_ns=cpu_ns))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def looker() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def watch(looker: Elsewhere, clock: Clock) -> Watch:
    watch = Watch(looker, clock, cpu=lambda: 0.0)  # type: ignore[arg-type]
    looker.come.append(Answer(None, None, None, slower=1.0))
    watch.take()
    return watch


def bell(path: Optional[str] = "/box", cause: NearCause = NearCause.NEARS, memcg: int = MEMCG) -> Near:
    return Near(0, memcg if path else 0, path, 90, 100, 7, cause)


def boot_now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def traced(path: str = "/box", begin_ns: Optional[int] = None) -> Traced:
    begin_ns = time.monotonic_ns() if begin_ns is None else begin_ns
    event = OomEvent("memcg", Report(memcg=Memcg(path)), Trace(begin_ns=begin_ns))
    return Traced(event, lambda seen=NOTHING: repr(len(seen.looks)).encode())


def occasions(event: OomEvent) -> list[str]:
    return [str(look.occasion) for look in event.witness.looks] if event.witness else []


def test_one_look_as_it_nears_its_limit_and_one_as_the_oom_begins(watch: Watch, looker: Elsewhere) -> None:
    watch.near(bell())
    looker.answer(time_ns=boot_now() - 10**9)
    watch.take()
    event = traced()
    watch.begins(MEMCG, 7)
    assert list(watch.hold(event)) == []  # the second is on its way
    looker.answer(time_ns=boot_now())
    watch.take()
    (done,) = watch.ripe()
    assert occasions(done.event) == ["near limit", "oom"]
    assert done.capture() == b"2"
    assert done.event.witness is not None and len(done.event.witness.glances) == 2


def test_an_oom_that_begins_again_and_again_lets_none_forget_the_look_before(
    watch: Watch, looker: Elsewhere, clock: Clock,
) -> None:
    """The OOM killer goes round until the victim's memory is free, and each time there may be a look."""
    watch.near(bell())
    looker.answer(time_ns=boot_now() - 10**9)
    event = traced()
    for _ in range(5):
        clock.now += 0.3
        watch.begins(MEMCG, 7)
        looker.answer(time_ns=boot_now())
        watch.take()
    assert len(looker.asked) == 6
    (done,) = watch.hold(event)
    assert occasions(done.event) == ["near limit", "oom"]


def test_a_look_that_hangs_holds_an_event_up_for_a_moment_and_later_ones_not_at_all(
    watch: Watch, looker: Elsewhere, clock: Clock
) -> None:
    for _ in range(2):
        watch.near(bell())
        watch.begins(MEMCG, 7)
        assert list(watch.hold(traced())) == []
        assert list(watch.ripe()) == []
        assert watch.wait_ms is not None and 0 < watch.wait_ms < 300
        clock.now += 0.26
        assert len(list(watch.ripe())) == 1
    watch.begins(MEMCG, 7)
    watch.begins(MEMCG, 8)  # the victim of the same
    assert looker.asked[-1][1:3] == ("/box", "oom") and len(looker.asked) == 5
    assert len(list(watch.hold(traced()))) == 1
    looker.answer()  # it goes on: it is waited for again
    watch.take()
    clock.now += 1
    watch.begins(MEMCG, 7)
    assert list(watch.hold(traced())) == []


def test_none_passes_one_that_waits(watch: Watch, looker: Elsewhere, clock: Clock) -> None:
    watch.near(bell())
    first, second = traced(), traced("/other")
    assert list(watch.hold(first)) == [] and list(watch.hold(second)) == [] and watch.held == 2
    assert list(watch.ripe()) == []
    looker.answer(time_ns=boot_now() - 10**9)
    watch.take()
    assert [done.event.report.memcg for done in watch.ripe()] == [first.event.report.memcg, second.event.report.memcg]


def test_in_a_storm_none_waits_for_the_end_of_it(watch: Watch, looker: Elsewhere) -> None:
    """On a slow machine more OOMs came than were dealt with: one that waited for its look held up all."""
    trace: Any = LiveTrace.__new__(LiveTrace)
    trace._watch, trace._whose, trace._told, trace._panic, trace.received = watch, None, set(), None, 0
    trace._ending = Ending(SimpleNamespace(asked=False, again=False), lambda: 0)  # type: ignore[arg-type]
    trace._tracer = SimpleNamespace(
        wait=lambda timeout_ms: [], named=list, modules_changed=lambda: False, filling=False, set_aside=lambda: None)
    storm = [traced(), *(traced("/other") for _ in range(9))]
    dealt_with: list[Traced] = []

    def ready(now_ns: int) -> Iterator[Traced]:
        for one in storm:
            dealt_with.append(one)
            if len(dealt_with) == 3:
                looker.answer(time_ns=boot_now())  # as the third is made, the look at the first comes back
            yield one

    watch.near(bell())
    receiver = SimpleNamespace(ready=ready, killed=list, pending=False)
    events = trace._read(receiver, lambda event: None, 0)
    assert next(events).event.report.memcg == Memcg("/box") and len(dealt_with) == 3
    assert len(list(events)) == 9


def test_a_slow_machine_has_more_time(watch: Watch, looker: Elsewhere, clock: Clock) -> None:
    looker.come.append(Answer(None, None, None, slower=10.0))
    watch.take()
    watch.near(bell())
    assert list(watch.hold(traced())) == []
    clock.now += 2
    assert list(watch.ripe()) == []
    clock.now += 1
    assert len(list(watch.ripe())) == 1


def test_until_it_is_ready_to_look_there_is_more_time(looker: Elsewhere, clock: Clock) -> None:
    watch = Watch(looker, clock)  # type: ignore[arg-type]
    watch.near(bell())
    assert list(watch.hold(traced())) == []
    clock.now += 1.5
    assert list(watch.ripe()) == []


def test_ten_looks_a_second(watch: Watch, looker: Elsewhere, clock: Clock) -> None:
    for number in range(50):
        watch.near(bell(f"/box{number}", memcg=MEMCG + 4096 * number))
    assert (len(looker.asked), watch.skipped) == (10, 40)
    clock.now += 0.5
    for number in range(50, 100):
        watch.near(bell(f"/box{number}", memcg=MEMCG + 4096 * number))
    assert len(looker.asked) == 15


def a_hundred_stay_near(watch: Watch, looker: Elsewhere, clock: Clock) -> int:
    """For nine minutes; returns the CPU time that the process that looks has taken in them."""
    cpu_ns = 0
    for minute in range(10):
        for number in range(100):
            clock.now += 0.6
            cause = NearCause.STAYS_NEAR if minute else NearCause.NEARS
            watch.near(bell(f"/box{number}", cause, memcg=MEMCG + 4096 * number))
            if looker.asked[-1][1] == f"/box{number}":
                took_ns = 400_000 if looker.asked[-1][3] else 6_000_000
                looker.answer(cpu_ns=took_ns)
                cpu_ns += took_ns if minute else 0
            watch.take()
    assert len(looker.asked) + watch.skipped == 1000
    return cpu_ns


def test_a_hundred_that_stay_near_take_four_ten_thousandths_of_a_cpu(looker: Elsewhere, clock: Clock) -> None:
    watch = Watch(looker, clock, cpu=lambda: 0.0)  # type: ignore[arg-type]
    cpu_ns = a_hundred_stay_near(watch, looker, clock)
    assert 0.9 < cpu_ns / 1e9 / (0.0004 * 9 * 60) < 1.2
    assert looker.again == [False] * 100 + [True] * (len(looker.asked) - 100)
    assert len(looker.asked) > 600


def test_what_the_trace_itself_takes_for_them_counts(looker: Elsewhere, clock: Clock) -> None:
    ticks = count(0, 0.001)
    watch = Watch(looker, clock, cpu=ticks.__next__)  # type: ignore[arg-type]
    assert a_hundred_stay_near(watch, looker, clock) / 1e9 < 0.0004 * 9 * 60 / 2
    assert 150 < len(looker.asked) < 400


def test_one_that_stays_near_is_looked_at_again_each_minute(watch: Watch, looker: Elsewhere, clock: Clock) -> None:
    watch.near(bell())
    for _ in range(5):
        looker.answer(cpu_ns=6_000_000)
        watch.take()
        clock.now += 60
        watch.near(bell(cause=NearCause.STAYS_NEAR))
    assert [glance for _, _, _, glance in looker.asked] == [False] * 6
    assert looker.again == [False] + [True] * 5


def test_an_oom_where_nothing_had_been_near_is_looked_at_when_its_path_is_known(
    watch: Watch, looker: Elsewhere
) -> None:
    watch.begins(MEMCG, 7)
    assert not looker.asked
    watch.name(lambda memcg: None)
    assert not looker.asked
    watch.name(lambda memcg: "/late" if memcg == MEMCG else None)
    assert looker.asked[0][1:3] == ("/late", "oom")
    watch.name(lambda memcg: "/late")
    assert len(looker.asked) == 1


def test_usage_below_the_full_memcg_is_read_as_the_oom_begins(looker: Elsewhere, clock: Clock) -> None:
    kept = pack("=QQIIII", 7, 0, 0, 0, 1, 0) + pack("=II", (time.monotonic_ns() >> 30), 300) + bytes(127 * 8)
    watch = Watch(looker, clock, Below({MEMCG + 4096: kept}.get, {"/box/in": 5}.get, 4, lambda: 0.0))  # type: ignore[arg-type]
    watch.near(bell("/box/in", NearCause.FIRST_CHARGED, memcg=MEMCG + 4096))
    watch.near(bell())
    looker.answer()
    watch.begins(MEMCG, 7)
    looker.answer()
    watch.take()
    (done,) = watch.hold(traced(begin_ns=time.monotonic_ns()))
    (found,) = done.event.trace.history
    assert (found.memcg, [moment.usage_kb for moment in found.seconds]) == ("/box/in", [1200])


def test_another_memcg_s_look_is_not_shown(watch: Watch, looker: Elsewhere) -> None:
    watch.near(bell("/other"))
    looker.answer(time_ns=boot_now() - 10**9)
    watch.take()
    (done,) = watch.hold(traced("/box"))
    assert done.event.witness is None


def test_the_whole_machine(watch: Watch, looker: Elsewhere) -> None:
    watch.near(bell(None))
    assert looker.asked[0][1:3] == (None, "reclaim")
    looker.answer(time_ns=boot_now() - 10**9)
    watch.take()
    (done,) = watch.hold(Traced(OomEvent("global", Report(), Trace(begin_ns=time.monotonic_ns())), lambda **_: b""))
    assert occasions(done.event) == ["reclaim"]


BOX = Container("77", "podman", "orders-etl", cgroup="/pod/box")


def test_a_container_is_named_by_its_first_charge_when_no_look_comes_in_time(
    watch: Watch, looker: Elsewhere, clock: Clock
) -> None:
    watch.near(bell("/pod/box", NearCause.FIRST_CHARGED))
    assert looker.asked[0][1:] == ("/pod/box", "first charge", False)
    looker.answer(time_ns=5, containers=(BOX,))
    watch.take()
    watch.begins(MEMCG, 7)
    assert list(watch.hold(traced("/pod/box"))) == []
    clock.now += 1
    (done,) = watch.ripe()
    assert occasions(done.event) == ["first charge"]
    assert done.event.witness is not None and done.event.witness.looks[0].containers == (BOX,)


def test_a_look_that_names_the_container_is_enough(watch: Watch, looker: Elsewhere) -> None:
    watch.near(bell("/pod/box", NearCause.FIRST_CHARGED))
    looker.answer(containers=(BOX,))
    watch.near(bell("/pod/box"))
    looker.answer(containers=(BOX,))
    watch.take()
    (done,) = watch.hold(traced("/pod/box"))
    assert occasions(done.event) == ["near limit"]


def test_first_charges_take_no_look_from_those_that_are_near(watch: Watch, looker: Elsewhere) -> None:
    for number in range(64):
        watch.near(bell(f"/box{number}", NearCause.FIRST_CHARGED, memcg=MEMCG + 4096 * number))
    watch.near(bell("/full"))
    assert len(looker.asked) == 65 and watch.skipped == 0
    assert watch.looks[Occasion.NEAR_LIMIT] == 1


def test_a_capture_keeps_what_was_seen() -> None:
    data = (HERE.parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom").read_bytes()
    found = capture.load(io.BytesIO(data))
    look = to_plain(Look(Occasion.OOM, 5, "/box"))
    seen = Seen([look], [to_plain(Glance(6, "/box", 40))])
    made = capture.dump(found.layout.text, found.facts, found.records, found.symbols, 0, seen=seen)
    (event,) = capture.events(capture.load(io.BytesIO(made)))
    assert event.witness is not None
    assert event.witness.looks == (Look(Occasion.OOM, 5, "/box"),)
    assert event.witness.glances == (Glance(6, "/box", 40),)
    assert not event.origin.missing


@pytest.mark.parametrize("payload", [b"[]", b"{", b'{"occasion": "tea", "time_ns": 1}'])
def test_a_look_that_makes_no_sense_is_told(payload: bytes) -> None:
    data = (HERE.parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom").read_bytes()
    broken = capture.load(io.BytesIO(data + capture.packed(b"LOOK", payload)))
    (event,) = capture.events(broken)
    assert "capture" in str(event.origin.missing)


def test_the_process_that_looks(tmp_path: Path) -> None:
    looker = Looker(cmdline=True)
    try:
        looker.warm()
        (ready,) = _waited(looker)
        assert ready.slower is not None and ready.slower >= 1
        assert looker.ask(1, None, [os.getpid()], Occasion.RECLAIM.value, False)
        (answer,) = _waited(looker)
        assert answer.number == 1 and answer.look is not None and answer.glance is not None
        event, senseless = with_seen(OomEvent(), Seen([answer.look], [answer.glance]))
        assert not senseless and event.witness is not None
        (me, *_) = event.witness.looks[0].tasks
        assert me.pid == os.getpid() and me.cmdline is not None
        assert event.witness.glances[0].stat_kb["MemTotal"] > 0
        assert looker.ask(2, "/no/such/memcg", [], "near limit", True)
        (answer,) = _waited(looker)
        assert answer.look is None and answer.glance is not None and answer.glance["usage_kb"] is None
    finally:
        looker.close()


def _waited(looker: Looker) -> list[Answer]:
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        found = looker.answers()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("no answer")


def test_a_process_that_hangs_is_asked_no_more_and_ends_with_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oomtrace.session.looking.Looking.serve", lambda self: time.sleep(600))
    looker = Looker(cmdline=False)
    asked = 0
    while looker.ask(1, "/box" * 50, [], "oom", False) and asked < 10_000:
        asked += 1
    assert 0 < asked < 10_000
    begin = time.monotonic()
    looker.close()
    assert time.monotonic() - begin < 60
