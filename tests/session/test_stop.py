"""The signals that end a trace, and a trace that ends while it is behind."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Callable, Optional

import pytest

from oomtrace.session.stop import Ending, StopSignals
from oomtrace.session.trace import LiveTrace


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_and_wakes_a_wait(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = StopSignals()
    try:
        assert not stop.asked and not select.select([stop.fd], [], [], 0)[0]
        os.kill(os.getpid(), number)
        assert select.select([stop.fd], [], [], 60)[0] and stop.asked
    finally:
        stop.close()
    assert signal.getsignal(number) is before


def test_afterwards_nothing_is_left() -> None:
    descriptors = set(os.listdir("/proc/self/fd"))
    stop = StopSignals()
    stop.ask()
    assert stop.asked
    stop.close()
    assert set(os.listdir("/proc/self/fd")) <= descriptors  # of other tests, some may have been collected
    assert signal.set_wakeup_fd(-1) == -1


class Storm:
    """OOMs that have come, and reports of them that take a while each: ``receiver`` and clock of a trace."""

    pending = False
    waiting = 0  # OOMs whose records nobody has taken yet

    def __init__(self, number: int, each_s: float) -> None:
        self.left, self.each_s, self.now_s = number, each_s, 100.0

    def ready(self, _now_ns: int = 0) -> Iterator[int]:
        while self.left:
            self.left -= 1
            self.now_s += self.each_s
            yield self.left

    flush = ready

    def add(self, _data: bytes, _now_ns: int) -> None:
        """A record, of which nothing is wanted."""

    def killed(self) -> Iterator[int]:
        return iter(())


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    stop = StopSignals()
    yield stop
    stop.close()


class Run:
    """A trace of a storm, and the signals that it gets, each after so many reports."""

    def __init__(
        self, stop: StopSignals, storm: Storm, after: tuple[int, ...], heard: bool = True,
        deadline: Optional[float] = None, wait: Callable[[int], list[bytes]] = lambda timeout_ms: [],
    ) -> None:
        self.told: list[int] = []
        self.made = 0
        trace: Any = LiveTrace.__new__(LiveTrace)
        trace._stop, trace._watch, trace._whose, trace._receiving = stop, None, None, storm
        trace._told, trace.received, trace._receiver = set(), 0, lambda: storm
        trace._ending = Ending(stop, trace._left, lambda: storm.now_s)
        trace._tracer = SimpleNamespace(
            wait=wait, named=list, modules_changed=lambda: False, filling=False, set_aside=lambda: None)
        for _ in trace.events(deadline, behind=self.told.append if heard else None):
            self.made += 1
            for _ in range(after.count(self.made)):
                os.kill(os.getpid(), signal.SIGTERM)
        self.left_out = trace.left_out


def test_much_that_is_left_is_told_once_and_made(signals: StopSignals) -> None:
    run = Run(signals, Storm(300, 0.007), after=(10,))
    assert len(run.told) == 1 and 200 < run.told[0] < 290
    assert (run.made, run.left_out) == (300, 0)


def test_a_signal_after_that_leaves_it_out(signals: StopSignals) -> None:
    storm = Storm(300, 0.007)
    run = Run(signals, storm, after=(10, 100))
    assert run.told and 100 <= run.made <= 101  # the one in hand is finished
    assert run.left_out == 300 - run.made


@pytest.mark.parametrize("after", [(10, 10), (10, 11, 12, 13)])
def test_signals_that_come_together_are_one(signals: StopSignals, after: tuple[int, ...]) -> None:
    """timeout(1) sends two; a person may press twice before there is anything to read."""
    run = Run(signals, Storm(300, 0.007), after)
    assert run.told and (run.made, run.left_out) == (300, 0)


@pytest.mark.parametrize("after", [(1,), (1, 50, 90)])
def test_where_little_is_left_signals_change_nothing(signals: StopSignals, after: tuple[int, ...]) -> None:
    run = Run(signals, Storm(100, 0.007), after)
    assert (run.told, run.made, run.left_out) == ([], 100, 0)


def test_where_nobody_is_told_signals_change_nothing(signals: StopSignals) -> None:
    run = Run(signals, Storm(300, 0.1), after=(10, 100, 200), heard=False)
    assert (run.told, run.made, run.left_out) == ([], 300, 0)


def test_after_its_time_one_signal_is_enough(signals: StopSignals) -> None:
    run = Run(signals, Storm(300, 0.1), after=(100,), deadline=0.0)
    assert run.told and 100 <= run.made <= 101 and run.left_out == 300 - run.made


def test_what_waits_in_the_buffers_is_counted(signals: StopSignals) -> None:
    """So much has come already that nothing more is taken until that is dealt with, which it never is."""
    storm = Storm(300, 0.1)
    taken = iter([[], [bytes(64 << 20)]])

    def wait(_timeout_ms: int) -> list[bytes]:
        if signals.again:
            storm.left += storm.waiting
            storm.waiting = 0
        return next(taken, [])

    storm.waiting = 5
    run = Run(signals, storm, after=(10, 100), wait=wait)
    assert run.left_out == 305 - run.made
