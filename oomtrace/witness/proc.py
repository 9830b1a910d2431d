"""A process as /proc shows it. All of its files are opened from one descriptor of its folder, so that they are of this
process even if its pid is given to another meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Optional

from . import syscalls
from .mounts import Mounts, is_safe
from .tree import Foreign, Tree, plain, text

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_SMALL = 1 << 14
_MOUNTS = 1 << 18


class Process:
    """A process under ``root`` + "/proc". Raises OSError if there is none of that pid."""

    def __init__(self, root: str, pid: int) -> None:
        self.pid = pid
        self.folder = f"{root.rstrip('/')}/proc/{pid}"
        self._fd = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._mounts: Optional[Mounts] = None
        self._pidfd: Optional[int] = None

    def close(self) -> None:
        """Close its folder."""
        os.close(self._fd)
        if self._pidfd is not None:
            os.close(self._pidfd)

    @property
    def pidfd(self) -> int:
        """A pidfd of it. Raises OSError, also if it has gone meanwhile."""
        if self._pidfd is None:
            pidfd = syscalls.pidfd_open(self.pid)
            if self.read("comm", 64) is None:  # else it could be another's by now
                os.close(pidfd)
                raise ProcessLookupError(3, "it has gone")
            self._pidfd = pidfd
        return self._pidfd

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, name: str, limit: int = _SMALL) -> Optional[bytes]:
        """A file of its folder, None if it cannot be read (any more)."""
        return plain(name, limit, self._fd)

    def text(self, name: str, limit: int = _SMALL) -> Optional[str]:
        """The same as text."""
        data = self.read(name, limit)
        return None if data is None else text(data)

    def open(self, name: str) -> int:
        """A descriptor of a file of its folder. Raises OSError."""
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._fd)

    def link(self, name: str) -> Optional[str]:
        """Where a link of its folder leads; the kernel makes the text without asking any file system."""
        with suppress(OSError):
            return self.leads_to(name)
        return None

    def leads_to(self, name: str) -> str:
        """The same. Raises OSError."""
        return text(os.fsencode(os.readlink(name, dir_fd=self._fd)))

    def numbers(self, name: str) -> list[int]:
        """The numbers that are names in one of its folders (``fd``, ``task``), in order. Raises OSError."""
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            return sorted(int(each) for each in os.listdir(fd) if each.isdigit())
        finally:
            os.close(fd)

    @property
    def mounts(self) -> Mounts:
        """What is mounted where, as it sees it."""
        if self._mounts is None:
            self._mounts = Mounts(self.text("mountinfo", _MOUNTS) or "")
        return self._mounts

    def tree(self, host: Optional[Mounts] = None) -> Tree:
        """The files beneath its root. Raises OSError; nothing is opened if the root itself may hang."""
        if not is_safe(self.mounts.at("/"), host):
            raise Foreign(18, "its root may hang", f"{self.folder}/root")
        return Tree(os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd), self.mounts, host)


def status(process: Process) -> Mapping[str, str]:
    """``/proc/PID/status``: value by name. Empty if it is gone."""
    return pairs(process.text("status") or "")


def pairs(content: str) -> dict[str, str]:
    """Lines ``Name:  value``."""
    found = {}
    for line in content.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def kb(value: Optional[str]) -> Optional[int]:
    """``"1024 kB"`` → 1024."""
    number = (value or "").split(" ")[0]
    return int(number) if number.isdigit() else None


class Stat:
    """``/proc/PID/stat``: the name may have blanks and brackets in it, so it ends at the last bracket."""

    def __init__(self, content: str) -> None:
        before, _, after = content.rpartition(")")
        self.comm = before.partition("(")[2]
        fields = after.split()
        self.parent = _number(fields, 1)
        start = _number(fields, 19)
        self.start_ns = None if start is None else start * (1_000_000_000 // _TICKS)  # boot clock since 2.6.x
        self.rss_pages = _number(fields, 21)


def stat(process: Process) -> Optional[Stat]:
    """None if it is gone."""
    content = process.text("stat")
    return Stat(content) if content else None


def _number(fields: list[str], at: int) -> Optional[int]:
    return int(fields[at]) if len(fields) > at and fields[at].isdigit() else None


def comm_of(root: str, pid: int) -> Optional[str]:
    """A process's name, None if it is gone."""
    data = plain(f"{root.rstrip('/')}/proc/{pid}/comm", 64)
    return text(data).rstrip("\n") if data else None


def opened(root: str, pids: Iterator[int]) -> Iterator[Process]:
    """Those of the processes that are there, each closed when the next is asked for."""
    for pid in pids:
        try:
            process = Process(root, pid)
        except OSError:
            continue
        with process:
            yield process
