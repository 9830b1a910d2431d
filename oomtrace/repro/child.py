"""From fork to the first step: how a process of a reproduction becomes what its description says."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Callable

from .spec import Forked
from .workloads import BROKEN, Self, registry

_PR_SET_PDEATHSIG = 1


def fork(
    process: Forked, name: str, folders: Sequence[Path], group: int, me: Callable[[int], Self]
) -> "tuple[int, int]":
    """Start the process in a process group; returns its pid and the pipe on which it says that it is ready.

    ``me`` makes the process's own view from the descriptor to say it on.
    """
    read, write = os.pipe()
    stage = os.getpid()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    try:
        gc.disable()  # it would write to all objects, and so copy the stage's pages
        os.setpgid(0, group)
        _close_others(write)
        _become(process, name, folders)
        _die_with(stage)
        own = me(write)
        functions = registry()
        own.steps = iter([partial(functions[step.kind], own, **step.arguments) for step in process.steps])
        if not any(step.kind in ("ready", "sleepers") for step in process.steps):
            own.ready()
        own.run()
    except BaseException as error:
        os.write(2, f"oomtrace: process {name}: {error}\n".encode(errors="replace"))
    os._exit(BROKEN)


def anchor() -> int:
    """A process that does nothing but lead a process group: without a member the group's number is free for others."""
    stage = os.getpid()
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)
        return pid
    try:
        _close_others(2)
        _die_with(stage)
        signal.pause()
    finally:
        os._exit(0)


def _close_others(kept: int) -> None:
    """The keeper's pipe above all: it must close with the stage alone."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with suppress(OSError):  # the listing's own
                os.close(int(name))


def _become(process: Forked, name: str, folders: Sequence[Path]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    # -1000 is inherited from whoever protects itself; what is to be killed must not have it.
    Path("/proc/self/oom_score_adj").write_text(str(process.oom_score_adj))
    for folder in folders:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
    Path("/proc/self/comm").write_bytes(name.encode("utf-8", "surrogateescape"))
    if process.uid:
        os.setgroups([])
        os.setresgid(process.uid, process.uid, process.uid)
        os.setresuid(process.uid, process.uid, process.uid)


def _die_with(stage: int) -> None:
    """SIGKILL when the stage ends; a change of user would have cleared it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != stage:
        os._exit(BROKEN)
