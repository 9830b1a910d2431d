"""The process that looks, as the trace has it: asked, answering, or not answering, which holds up nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

_PIECE = 1 << 16
_WHOLE = 4096  # PIPE_BUF: so much is written whole or not at all
_END_S = 0.2


@dataclass(frozen=True)
class Answer:
    """What it has seen, as JSON has it. ``number``: of the request, None for what nobody asked for. ``slower``: it is
    ready now, and this machine is so many times slower than others. ``cpu_ns``: CPU time that the process has taken
    since its last answer."""

    number: Optional[int]
    look: Optional[dict[str, Any]]
    glance: Optional[dict[str, Any]]
    slower: Optional[float] = None
    cpu_ns: int = 0


class Looker:
    """Forks the process. Make it before anything is open that should not stay open when the trace ends. Raises
    OSError."""

    def __init__(self, cmdline: bool) -> None:
        """``cmdline`` False: it reads no command lines."""
        asked, self._asking = os.pipe()
        self.fd, answering = os.pipe()  # to be read when there is an answer
        self._buffer = b""
        self._pid = os.fork()
        if not self._pid:
            _serve(asked, answering, cmdline)
        os.close(asked)
        os.close(answering)
        os.set_blocking(self._asking, False)
        os.set_blocking(self.fd, False)

    def warm(self) -> None:
        """Have it ready for requests."""
        self._say("warm")

    def ask(
        self, number: int, memcg: Optional[str], pids: Iterable[int], occasion: str, glance: bool, again: bool = False,
    ) -> bool:
        """Have it look at a memcg, or None: at the machine; ``glance``: at its numbers alone. Unless this is ``again``,
        glances at a memcg that is near its limit follow. False: it has not taken what it was asked for earlier, and
        this is not asked."""
        return self._say({"number": number, "memcg": memcg, "pids": list(pids), "occasion": occasion, "glance": glance,
                          "again": again})

    def _say(self, value: object) -> bool:
        data = json.dumps(value).encode() + b"\n"
        if len(data) > _WHOLE:
            return False
        with suppress(OSError):
            return os.write(self._asking, data) == len(data)
        return False

    def answers(self) -> list[Answer]:
        """Those that have come."""
        with suppress(OSError):
            while True:
                data = os.read(self.fd, _PIECE)
                if not data:
                    break
                self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        return [Answer(**json.loads(line)) for line in lines]

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return bool(self._pid) and self._reaped()

    def close(self) -> None:
        """End the process. One that the kernel holds up goes when the kernel lets it."""
        os.close(self._asking)
        os.close(self.fd)
        if not self._pid:
            return
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        patience = time.monotonic() + _END_S
        while not self._reaped() and time.monotonic() < patience:
            time.sleep(0.005)

    def _reaped(self) -> bool:
        with suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                return False
        self._pid = 0
        return True


def _serve(asked: int, answering: int, cmdline: bool) -> None:
    """The life of the process. It keeps nothing open but its ends of the pipes, and hears no signal of the terminal's:
    it ends when the trace does."""
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor > 2 and descriptor not in (asked, answering):
                with suppress(OSError):  # that of the listing is closed already
                    os.close(descriptor)
        Path("/proc/self/comm").write_text("oomtrace-look")
        from oomtrace.session.looking import Looking  # late: what it takes is loaded when the trace is ready

        Looking(asked, answering, cmdline).serve()
        status = 0
    finally:
        os._exit(status)
