"""The live trace in a process of its own, its events handed over by a pipe.

The process that makes cgroups and forks what is to be killed stays small that way, and free of bcc: whatever it forks
shows up in the kernel's task table with its size.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pickle
import select
import signal
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional

from oomtrace.errors import OomtraceError
from oomtrace.session.options import TraceOptions

if TYPE_CHECKING:  # importing it for real would bring in what the trace needs
    from oomtrace.model import Code
    from oomtrace.session.receive import Traced
    from oomtrace.session.trace import LiveTrace

_DEFAULTS = TraceOptions()
_PR_SET_PDEATHSIG = 1
_LENGTH = struct.Struct("<Q")
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20
STOP_SECONDS = 20.0
ANSWER_SECONDS = 30.0  # it answers at once, unless the machine has no time for it
SAMPLE_SECONDS = 35.0

_LOST, _SAMPLE = b"?", b"s"  # what is asked of the trace: what it has lost; to sample the cgroup that follows

Say = Callable[[str], None]
_sending = threading.Lock()  # a message is whole


class Recorder:
    """A trace that is running elsewhere.

    ``events`` are those that have come. As of the last ``ask``, ``lost`` are the records that found no room, and
    ``busy`` says whether an event is to come soon; after ``stop``, ``lost`` are all of them, and ``code`` says whose
    code charged memory, if that was sampled.
    """

    def __init__(self, say: Say, warn: Say, options: TraceOptions = _DEFAULTS) -> None:
        """``options.stacks``: "off", or "chosen" by ``sample``."""
        self._options = options
        self._sampling = False
        self.code: "Optional[Code]" = None
        self._tell = {"say": say, "warn": warn}
        self.events: "list[Traced]" = []
        self.lost = 0
        self.busy = False
        self.probes = 0
        self.descriptor = -1
        self._pid = 0
        self._asking = -1
        self._answers = 0
        self._buffer = bytearray()

    def start(self) -> None:
        """Fork the trace, and wait until its probes are in place. Raises the OomtraceError that it met."""
        self.descriptor, write = os.pipe()
        asked, self._asking = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            os.close(self.descriptor)
            os.close(self._asking)
            _trace(parent, asked, write, self._options)
        os.close(asked)
        os.close(write)
        while not self.probes:
            if not self.receive():
                raise OomtraceError("the trace ended before it was ready")

    def receive(self) -> bool:
        """Take what has come, waiting for something if nothing has; False at its end."""
        data = os.read(self.descriptor, _PIPE_BYTES)
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if len(self._buffer) < _LENGTH.size + length:
                break
            self._take(*pickle.loads(bytes(self._buffer[_LENGTH.size:_LENGTH.size + length])))
            del self._buffer[:_LENGTH.size + length]
        return bool(data)

    def _take(self, kind: str, what: Any) -> None:
        if kind == "event":
            self.events.append(what)
        elif kind == "error":
            raise what
        elif kind == "probes":
            self.probes = what
        elif kind == "code":
            self.code = what
        elif kind == "sampling":
            self._sampling = True
        elif kind == "lost":
            self.lost, self.busy = what
            self._answers += 1
        else:
            self._tell[kind](what)

    def settle(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Receive until there is enough, or for so long."""
        deadline = time.monotonic() + seconds
        while not enough():
            left = deadline - time.monotonic()
            if left <= 0 or (select.select([self.descriptor], [], [], left)[0] and not self.receive()):
                break

    def drain(self, quiet_seconds: float, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Receive until there is enough, or nothing has come for some time: after a storm the trace is behind."""
        deadline, count = time.monotonic() + seconds, -1
        while count != len(self.events) and time.monotonic() < deadline and not enough():
            count = len(self.events)
            self.settle(quiet_seconds, enough)

    def ask(self) -> None:
        """Learn what is lost by now, as no event need follow that would tell of it; and whether one is to come."""
        before = self._answers
        with suppress(BrokenPipeError):  # it has ended, and has told
            os.write(self._asking, _LOST)
        self.settle(ANSWER_SECONDS, lambda: self._answers != before)

    def finish(self, quiet_seconds: float, seconds: float) -> None:
        """Receive until the trace has nothing in hand: it may be slow to tell of an OOM on a busy machine."""
        deadline = time.monotonic() + seconds
        self.drain(quiet_seconds, seconds)
        self.ask()
        while self.busy and time.monotonic() < deadline:
            self.busy = False  # it stays so if it does not answer
            self.drain(quiet_seconds, seconds)
            self.ask()

    def sample(self, cgroup_id: int) -> None:
        """Sample the charges to a cgroup and to all below it from now on, if any are to be."""
        if self._options.stacks == "off":
            return
        with suppress(BrokenPipeError):
            os.write(self._asking, _SAMPLE + _LENGTH.pack(cgroup_id))
        self.settle(SAMPLE_SECONDS, lambda: self._sampling)

    def stop(self) -> None:
        """End the trace and take what it still had in hand, for as long as more of it comes: there may be much."""
        if not self._pid:
            return
        os.kill(self._pid, signal.SIGTERM)
        while select.select([self.descriptor], [], [], STOP_SECONDS)[0]:
            if not self.receive():
                break
        else:
            self._tell["warn"](f"oomtrace: the trace said nothing for {STOP_SECONDS:g} s as it was to end: "
                               "what it had in hand is missing")
        os.close(self.descriptor)
        os.close(self._asking)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = 0


def _trace(parent: int, asked: int, write: int, options: TraceOptions) -> None:
    """The life of the trace's process."""
    status = 1
    try:
        os.setsid()  # Ctrl-C is for the command
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() == parent:
            _record(asked, write, options)
            status = 0
    except OomtraceError as error:
        _send(write, "error", error)
    except BaseException as error:
        _send(write, "error", OomtraceError(f"the trace failed: {type(error).__name__}: {error}"))
    finally:
        os._exit(status)


def _record(asked: int, write: int, options: TraceOptions) -> None:
    # Imported here: bcc and what comes with it must not be part of the process that forks.
    from oomtrace.session.trace import LiveTrace

    fcntl.fcntl(write, _F_SETPIPE_SZ, _PIPE_BYTES)
    trace = LiveTrace.start(
        lambda text: _send(write, "say", text), lambda text: _send(write, "warn", text), options
    )
    try:
        _send(write, "probes", trace.probes)
        threading.Thread(target=_answer, args=(asked, write, trace), daemon=True).start()
        for traced in trace.events():
            _send(write, "event", traced)
        if options.stacks != "off":
            _send(write, "code", trace.code())
        _send(write, "lost", (trace.lost, False))
    finally:
        trace.close()


def _answer(asked: int, write: int, trace: "LiveTrace") -> None:
    """Do what is asked whenever it is asked: in a thread, as the trace itself may be waiting for the next OOM."""
    while True:
        what = os.read(asked, 1)
        if what == _LOST:
            _send(write, "lost", (trace.lost, trace.busy))
        elif what == _SAMPLE:
            trace.sample(*_LENGTH.unpack(os.read(asked, _LENGTH.size)))
            _send(write, "sampling", True)
        else:
            break


def _send(write: int, kind: str, what: Any) -> None:
    data = pickle.dumps((kind, what))
    view = memoryview(_LENGTH.pack(len(data)) + data)
    with _sending:
        while view:
            view = view[os.write(write, view):]
