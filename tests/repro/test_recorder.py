"""The trace in its own process: what it loses is known in time. With a make-believe trace."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from oomtrace.repro import recorder as recorder_module
from oomtrace.repro.recorder import Recorder
from oomtrace.session import trace
from oomtrace.session.options import TraceOptions

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace's process may have to wait for a CPU."""
    for name in ("STOP_SECONDS", "ANSWER_SECONDS", "SAMPLE_SECONDS"):
        monkeypatch.setattr(recorder_module, name, 60.0)


class FakeTrace:
    """Loses a record each time it is asked, and one more at its end. Events are words."""

    probes = 1
    busy = False

    def __init__(self) -> None:
        self._lost = 0
        self._ended: list[int] = []
        self.stacks = ""
        self.sampled = 0

    @property
    def lost(self) -> int:
        self._lost += 1
        return self._lost

    @classmethod
    def start(cls, _say: object, _warn: object, options: TraceOptions) -> FakeTrace:
        made = cls()
        made.stacks = options.stacks
        signal.signal(signal.SIGTERM, lambda number, _: made._ended.append(number))
        return made

    def events(self) -> Iterator[Any]:
        yield "first"
        while not self._ended:
            time.sleep(0.01)
        yield "last"

    def sample(self, cgroup_id: int) -> None:
        self.sampled = cgroup_id

    def code(self) -> Any:
        return self.stacks, self.sampled

    def close(self) -> None:
        pass


def test_losses_are_told_when_asked_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "LiveTrace", FakeTrace)
    recorder = Recorder(print, print)
    recorder.start()
    try:
        for number in (1, 2):
            recorder.ask()
            assert recorder.lost == number
    finally:
        recorder.stop()
    assert (recorder.events, recorder.lost) == (["first", "last"], 3)


class SlowTrace(FakeTrace):
    """Has an OOM in hand for a while, and nothing to say meanwhile."""

    busy = True

    def events(self) -> Iterator[Any]:
        time.sleep(0.5)
        yield "late"
        self.busy = False
        yield from super().events()


def test_what_the_trace_has_in_hand_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "LiveTrace", SlowTrace)
    recorder = Recorder(print, print)
    recorder.start()
    recorder.finish(0.05, 60)
    assert recorder.events[:1] == ["late"] and not recorder.busy
    recorder.stop()


class MuchTrace(FakeTrace):
    """Has much in hand at its end, and then hangs if it is to."""

    hangs = False

    def events(self) -> Iterator[Any]:
        yield from super().events()
        for number in range(30):
            time.sleep(0.01)
            yield number
        while self.hangs:
            time.sleep(1)


@pytest.mark.parametrize("hangs", [False, True])
def test_all_that_is_in_hand_at_the_end_is_taken(monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    """However long it takes: each wait for more is a whole one. No real time is waited for here in vain."""
    everything = ["first", "last", *range(30)]
    warned: list[str] = []
    waits: list[float] = []

    def wait(reading: list[int], writing: list[int], failing: list[int], seconds: float) -> Any:
        waits.append(seconds)
        if hangs and recorder.events == everything:
            return [], [], []
        return select.select(reading, writing, failing, 60)

    monkeypatch.setattr(recorder_module, "select", SimpleNamespace(select=wait))
    monkeypatch.setattr(MuchTrace, "hangs", hangs)
    monkeypatch.setattr(trace, "LiveTrace", MuchTrace)
    recorder = Recorder(print, warned.append)
    recorder.start()
    recorder.stop()
    assert recorder.events == everything
    assert set(waits) == {recorder_module.STOP_SECONDS}
    assert [text.partition(" as ")[0] for text in warned] == ["oomtrace: the trace said nothing for 60 s"] * hangs


def test_asked_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "LiveTrace", FakeTrace)
    recorder = Recorder(print, print)
    recorder.start()
    os.kill(recorder._pid, signal.SIGKILL)
    recorder.ask()
    recorder.stop()
    assert recorder.lost == 0


@pytest.mark.parametrize("stacks, told", [(True, ("chosen", 4711)), (False, None)])
def test_whose_charges_are_sampled(monkeypatch: pytest.MonkeyPatch, stacks: bool, told: Any) -> None:
    monkeypatch.setattr(trace, "LiveTrace", FakeTrace)
    recorder = Recorder(print, print, TraceOptions(stacks="chosen" if stacks else "off"))
    recorder.start()
    recorder.sample(4711)
    recorder.ask()
    recorder.stop()
    assert recorder.code == told
