"""The signals that end a trace."""

from __future__ import annotations

import os
import select
import signal

import pytest

from oomtrace.session.stop import StopSignals


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
