"""Runs the command of ``--exec``, each time within limits of memory and time."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from oomtrace.tell.common.beside import SIGNALS, children

_SAID_BYTES = 4096  # of what a command says on standard error
_ROUNDS = 100  # of killing what a command has left, which may go on forking meanwhile


@dataclass(frozen=True)
class RunLimits:
    """What one run of the command may take."""

    seconds: float = 30.0
    memory_bytes: int = 512 << 20  # of address space, for each of its processes


def run(words: list[str], environment: Mapping[str, str], document: int, limits: RunLimits) -> Optional[str]:
    """Run a command to its end, with an open file as its standard input; what went wrong, in words. Whatever it has
    started is killed."""
    def limit() -> None:
        """In the command's process, before it begins."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))

    try:
        child = subprocess.Popen(
            words, stdin=document, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, **environment}, preexec_fn=limit,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{words[0]} cannot be run: {error}"
    deadline = time.monotonic() + limits.seconds
    said = _last_words(child, deadline)
    try:
        status: Optional[int] = child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        status = None
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    _kill_children()
    if status is None:
        return f"{words[0]} took longer than {limits.seconds:g} s, and was killed"
    what = f"failed with status {status}" if status > 0 else f"was ended by signal {-status}"
    return f"{words[0]} {what}" + (f": {said}" if said else "") if status else None


def _last_words(child: "subprocess.Popen[bytes]", deadline: float) -> str:
    """The last line of the first that a command says on standard error until it ends, or until its time is over. Once
    it has said too much nobody listens any more: it gets SIGPIPE."""
    assert child.stderr is not None
    said, ended = b"", os.pidfd_open(child.pid)
    with child.stderr as stream:
        while len(said) < _SAID_BYTES:
            left_s = max(0.0, deadline - time.monotonic())
            if stream.fileno() not in select.select([stream.fileno(), ended], [], [], left_s)[0]:
                break  # it has ended, even if what it has started has not; or its time is over
            data = os.read(stream.fileno(), _SAID_BYTES - len(said))
            if not data:
                break
            said += data
    os.close(ended)
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _kill_children() -> None:
    """Kill what the command has left: as their subreaper, this process gets the orphans."""
    for _ in range(_ROUNDS):
        left = children(os.getpid())
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
