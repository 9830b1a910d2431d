"""Our reports beside the kernel's own: what is waited for, and what is kept of the log."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from oomtrace import text
from oomtrace.model import Failure, OomEvent, Wait
from oomtrace.session import verify
from tests.events import changed

PRINTED = (Path(__file__).resolve().parent.parent / "fixtures" / "data" / "6.1-memcg-v2.kmsg").read_bytes()
NOISE = b"6,1,2,-;eth0: link becomes ready\n"


class Kernel:
    """Writes /dev/kmsg, which gives one record a read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._records: list[bytes] = []
        self._printed = 0
        self.read_bytes = 0
        read = text.read
        monkeypatch.setattr(verify, "KMSG", os.devnull)
        monkeypatch.setattr(os, "read", self._next)

        def counted(chunks: list[bytes]) -> "object":
            self.read_bytes += sum(map(len, chunks))
            return read(chunks)

        monkeypatch.setattr(text, "read", counted)

    def _next(self, _fd: int, _bytes: int) -> bytes:
        if not self._records:
            raise BlockingIOError
        return self._records.pop(0)

    def print(self, printed: bytes) -> None:
        """Each record has a number and a time of its own, as the kernel gives them."""
        for line in printed.split(b"\n"):
            self._printed += 1
            numbered = b"\\1,%d,%d," % (self._printed, 1000 * self._printed)
            self._records += [re.sub(rb"^(\d+),\d+,\d+,", numbered, line) + b"\n"] if line else []


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def _printed(number: int) -> bytes:
    """The report of a kill of its own, for its own task."""
    return PRINTED.replace(b"PID: 158", b"PID: %d" % number).replace(b"process 158", b"process %d" % number)


def _event(number: int) -> OomEvent:
    (event,) = text.read([_printed(number)])
    return event


def test_each_report_serves_its_event_in_whatever_order(kernel: Kernel) -> None:
    events = [_event(1000 + number) for number in range(4)]
    log = verify.KernelLog()
    for number in range(4):
        kernel.print(_printed(1000 + number) + NOISE)
    for at in (2, 0, 3, 1):
        assert log.check(events[at]).exact
    log.close()


def test_a_report_that_is_still_being_printed_is_waited_for(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _printed(1000).splitlines(keepends=True)
    log = verify.KernelLog()
    kernel.print(b"".join(lines[:20]))
    monkeypatch.setattr(time, "sleep", lambda _seconds: kernel.print(b"".join(lines[20:])))
    assert log.check(_event(1000)).exact
    log.close()


@pytest.mark.parametrize("what", [{"wait": Wait(over=False)}, {"failure": Failure(0)}])
def test_what_the_kernel_does_not_report_is_not_waited_for(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, what: "dict[str, object]"
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: pytest.fail("waits"))
    log = verify.KernelLog()
    assert not log.check(changed(_event(1000), **what)).kernel_lines
    log.close()


def test_nothing_is_read_again_while_nothing_comes(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    event = _event(1000)
    monkeypatch.setattr(verify, "_PATIENCE_S", 0.0)
    log = verify.KernelLog()
    kernel.print(_printed(1001))
    kernel.read_bytes = 0
    for _ in range(10):
        assert not log.check(event).kernel_lines
    assert kernel.read_bytes <= len(PRINTED) + 100
    log.close()


def test_what_has_been_printed_neither_grows_nor_is_read_again(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = _event(1000)
    monkeypatch.setattr(verify, "_PATIENCE_S", 0.0)
    log = verify.KernelLog()
    read = []
    for number in range(100):
        kernel.print(_printed(2000 + number) + 10 * NOISE)
        kernel.read_bytes = 0
        assert not log.check(event).kernel_lines
        read.append(kernel.read_bytes)
    assert max(read) < 3 * len(PRINTED)
    for _ in range(20):
        kernel.print(200 * NOISE)
        kernel.read_bytes = 0
        log.check(changed(event, printed=False))
    assert kernel.read_bytes < 600 * len(NOISE)
    assert log.check(_event(2099)).exact, "and is found all the same"
    log.close()
