"""A process beside the trace that tells others of events, so that the trace never waits for them.

It is made before the trace starts, so that it has nothing of it: no probes that its death would leave attached, and no
protection from the OOM killer. It is handed an event at a time: a message (JSON) and a file in memory. A full queue
drops events and counts them. When the trace ends, what still waits has so many seconds in all.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

from oomtrace.escape import escaped

QUEUE = 64  # events that wait at most
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MESSAGE_BYTES = 64 << 10
_DONE = b"."
_PATIENCE_S = 2.0  # how long the process itself is waited for, beyond what its work may take
_PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 15, 36


class Beside:
    """The trace's end of it. ``work`` is what the process does: it takes events from the Inbox until there are none."""

    def __init__(self, name: str, seconds: float, work: Callable[[Inbox], None]) -> None:
        self._seconds = seconds
        self._waiting = self._dropped = 0
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs_closing, self._closing = os.pipe()  # the process sees its other end close, also when this one is killed
        self.pid = os.fork()
        if not self.pid:
            self._socket.close()
            os.close(self._closing)
            _live(Inbox(name, theirs, theirs_closing, seconds), work)
        theirs.close()
        os.close(theirs_closing)
        self._socket.setblocking(False)

    def hand(self, message: object, document: bytes) -> None:
        """Hand an event over. Raises OSError where the process is gone, or has too much to do already."""
        with suppress(BlockingIOError):
            while self._socket.recv(_MESSAGE_BYTES) == _DONE:
                self._waiting -= 1
        if self._waiting >= QUEUE:
            self._dropped += 1
            raise OSError(f"{QUEUE} events wait for it: this one is dropped")
        with _in_memory(document) as descriptor:
            socket.send_fds(self._socket, [json.dumps(message).encode()], [descriptor])
        self._waiting += 1

    def close(self) -> None:
        """Wait for what has been handed over. Raises OSError if something failed, or was dropped."""
        os.close(self._closing)
        self._socket.settimeout(self._seconds + _PATIENCE_S)
        done = failed = 0
        with suppress(OSError, ValueError):
            while data := self._socket.recv(_MESSAGE_BYTES):
                if data == _DONE:
                    self._waiting -= 1
                else:
                    done, failed, undone = json.loads(data)
                    self._dropped += undone
        self._socket.close()
        _end(self.pid)
        self._dropped += max(0, self._waiting)
        told = [f"{failed} of {done} failed"] if failed else []
        told += [f"{self._dropped} dropped"] if self._dropped else []
        if told:
            raise OSError(f"of the events {' and '.join(told)}")


class Inbox:
    """The process's end of it."""

    def __init__(self, name: str, events: socket.socket, closing: int, seconds: float) -> None:
        self.name = name
        self._events, self._closing, self._seconds = events, closing, seconds
        self._deadline: Optional[float] = None  # of all that is left, once the trace is over
        self._done = self._failed = self._undone = 0

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        """The messages, each with the descriptor of its document, until the trace is over and none is left."""
        while self._comes():
            data, descriptors, _, _ = socket.recv_fds(self._events, _MESSAGE_BYTES, 1)
            if not data or not descriptors:
                break
            try:
                if self.over:
                    self._undone += 1
                else:
                    self._done += 1
                    yield json.loads(data), descriptors[0]
            finally:
                os.close(descriptors[0])
            self._events.send(_DONE)
        with suppress(OSError):
            self._events.send(json.dumps([self._done, self._failed, self._undone]).encode())

    def _comes(self) -> bool:
        """Wait for an event; False if the trace is over and none is left."""
        if not self.closing:
            select.select([self._events.fileno(), self._closing], [], [])
        return _readable(self._events, 0)

    @property
    def closing(self) -> bool:
        """Whether the trace is over."""
        if self._deadline is None and _readable(self._closing, 0):
            self._deadline = time.monotonic() + self._seconds
        return self._deadline is not None

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return self.closing and self._deadline is not None and time.monotonic() >= self._deadline

    def pause(self, seconds: float) -> None:
        """Wait, less long if the trace ends meanwhile."""
        if not self.closing:
            _readable(self._closing, seconds)
        elif self._deadline is not None:
            time.sleep(max(0.0, min(seconds, self._deadline - time.monotonic())))

    def failed(self, problem: str) -> None:
        """An event could not be told of. The first time it is said, the others are counted."""
        self._failed += 1
        if self._failed == 1:
            self.warn(problem)

    def warn(self, problem: str) -> None:
        """A line on standard error."""
        with suppress(OSError):
            os.write(2, escaped(f"oomtrace: {self.name}: {problem}").encode("utf-8", "backslashreplace") + b"\n")


def _live(inbox: Inbox, work: Callable[[Inbox], None]) -> NoReturn:
    status = 1
    try:
        os.setsid()  # Ctrl-C at the terminal is for the trace
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_NAME, b"oomtrace-beside", 0, 0, 0)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a command leaves behind becomes ours, and can be killed
        _be_ordinary()
        work(inbox)
        status = 0
    except Exception as error:
        inbox.warn(f"ended: {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _be_ordinary() -> None:
    """A service may be exempt from the OOM killer, and first in line for a CPU: that is for the trace alone."""
    adj = Path("/proc/self/oom_score_adj")
    with suppress(OSError, ValueError):
        if int(adj.read_text()) < 0:
            adj.write_text("0")
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))


def children(pid: int) -> list[int]:
    """The children of a process (CONFIG_PROC_CHILDREN, which kernels have had since 3.5)."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _end(pid: int) -> None:
    """See to it that the process and all that it has started are gone."""
    for each in (*children(pid), pid):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _readable(what: "socket.socket | int", seconds: float) -> bool:
    return bool(select.select([what], [], [], seconds)[0])


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """The descriptor of a file in memory with this content, read from its beginning."""
    descriptor = os.memfd_create("event", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view):]
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
