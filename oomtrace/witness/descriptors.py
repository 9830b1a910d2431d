"""What processes have open: the links in /proc/PID/fd, whose text the kernel makes without asking a file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Optional

from oomtrace.model import Aspect, Holder

from . import syscalls
from .meter import Meter
from .mounts import Mount
from .proc import Process

_MOST = 512  # of one process


@dataclass(frozen=True)
class Opened:
    """A descriptor of a process: ``target`` is "/srv/log", "/memfd:ring (deleted)", "socket:[123]", "pipe:[7]"."""

    number: int
    target: str

    @property
    def is_deleted(self) -> bool:
        return self.target.endswith(" (deleted)")

    @property
    def name(self) -> str:
        """The target without what the kernel appends."""
        return self.target[: -len(" (deleted)")] if self.is_deleted else self.target


def opened(process: Process, meter: Meter, aspect: Aspect) -> tuple[list[Opened], bool]:
    """What a process has open, as far as the budget goes; and whether this is all of it."""
    found: list[Opened] = []
    with meter.trying(aspect, f"what {process.pid} has open"):
        for at, number in enumerate(process.numbers("fd")):
            if at >= _MOST or (at % 32 == 31 and meter.over(aspect, f"further descriptors of {process.pid}")):
                return found, False
            with suppress(FileNotFoundError):  # closed meanwhile
                found.append(Opened(number, process.leads_to(f"fd/{number}")))
    return found, not meter.is_denied(aspect)


def mount_of(process: Process, number: int) -> Optional[Mount]:
    """The mount that a descriptor's file is on; None for what is on none that the process sees, as memfds are."""
    for line in (process.text(f"fdinfo/{number}", 4096) or "").splitlines():
        name, _, value = line.partition(":")
        if name == "mnt_id" and value.strip().isdigit():
            return process.mounts.of_id(int(value))
    return None


@contextmanager
def duplicate(process: Process, number: int) -> Iterator[int]:
    """A descriptor of the same open file. Raises OSError, also if the process has gone meanwhile."""
    fd = syscalls.pidfd_getfd(process.pidfd, number)
    try:
        yield fd
    finally:
        os.close(fd)


def holder(process: Process, comms: dict[int, Optional[str]]) -> Holder:
    """Who has it open; names are remembered in ``comms``."""
    if process.pid not in comms:
        comms[process.pid] = (process.text("comm", 64) or "").rstrip("\n") or None
    return Holder(process.pid, comms[process.pid])
