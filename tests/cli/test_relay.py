"""Standard output that is stuck, full or gone."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import pytest

from oomtrace.cli import relay
from oomtrace.cli.relay import Relay, relayed


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    # The other end stays open: a relay's thread may still write to it, and must not find another test's pipe there.
    with contextlib.suppress(OSError):
        os.close(ends[0])


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "CLOSING_S", 60.0)  # the thread may be late for a CPU
    monkeypatch.setattr(relay, "MOST_BYTES", 1 << 20)


def _put(to: Relay, data: bytes) -> None:
    to.write(data)
    to.flush()


def test_pieces_arrive_in_order(pipe: tuple[int, int]) -> None:
    said: list[str] = []
    to = Relay(pipe[1], False, said.append)
    to.write(b"one ")
    _put(to, b"two\n")
    _put(to, b"three\n")
    to.close()
    assert os.read(pipe[0], 100) == b"one two\nthree\n" and not said


def test_nobody_reads(pipe: tuple[int, int]) -> None:
    said: list[str] = []
    to = Relay(pipe[1], False, said.append)
    begin = time.monotonic()
    for _ in range(100):
        _put(to, bytes(100_000))
    assert time.monotonic() - begin < 10, "one is waited for, not a hundred"
    assert to._waiting_bytes <= relay.MOST_BYTES and to.dropped == 90
    assert said == ["oomtrace: standard output is not read: reports are dropped until it is"]
    os.set_blocking(pipe[0], False)
    while to._waiting:  # for a moment also of what has been read already
        with contextlib.suppress(BlockingIOError):
            os.read(pipe[0], 1 << 20)
    os.set_blocking(pipe[0], True)
    _put(to, b"again")
    got = b""
    while not got.endswith(b"again"):
        got += os.read(pipe[0], 1 << 20)
    to.close()
    assert said[1:] == ["oomtrace: 90 reports not written"]


def test_what_is_left_at_the_end_is_counted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "CLOSING_S", 0.2)
    said: list[str] = []
    to = Relay(pipe[1], False, said.append)
    _put(to, bytes(100_000))
    _put(to, b"more")
    to.close()
    assert said == ["oomtrace: 2 reports not written"]


def test_reader_that_left(pipe: tuple[int, int]) -> None:
    to = Relay(pipe[1], False, lambda _: None)
    os.close(pipe[0])
    _put(to, b"lost")
    assert to._drained(60)
    with pytest.raises(BrokenPipeError):
        _put(to, b"more")


def test_full_disk() -> None:
    said: list[str] = []
    with open("/dev/full", "wb", buffering=0) as full:
        to = Relay(full.fileno(), False, said.append)
        _put(to, b"one")
        _put(to, b"two")
        to.close()
    assert said == ["oomtrace: cannot write to standard output: No space left on device",
                    "oomtrace: 2 reports not written"]


def test_a_stream_of_python_alone_stays() -> None:
    import io

    stream = io.StringIO()
    assert relayed(stream, lambda _: None) is stream


def test_who_hears_of_it_may_be_stuck_as_well(pipe: tuple[int, int]) -> None:
    """`oomtrace 2>&1 | less`: what is said must not hold up what the writing thread waits for."""
    free: list[bool] = []

    def writes() -> None:  # in a thread of its own: the one that holds this lock may take it again
        free.append(to._changed.acquire(timeout=20))
        if free[-1]:
            to._changed.release()

    def warn(_: str) -> None:
        writing = threading.Thread(target=writes)
        writing.start()
        writing.join()

    to = Relay(pipe[1], False, warn)
    for _ in range(100):
        _put(to, bytes(100_000))
    assert free == [True]


def test_an_end_that_does_not_wait(pipe: tuple[int, int]) -> None:
    """O_NONBLOCK is of the open file: a shell or a parent may have set it."""
    os.set_blocking(pipe[1], False)
    said: list[str] = []
    to = Relay(pipe[1], False, said.append)
    _put(to, bytes(500_000))
    got = 0
    while got < 500_000:
        got += len(os.read(pipe[0], 1 << 20))
    assert to._drained(60) and not said and not to.dropped
