"""The files of processes: opened while the process lives, found again after.

A path is worth little: the process may be in another mount namespace, the file deleted or replaced by an upgrade. So
files are opened through /proc/PID/map_files, which is the very file that is mapped, and kept open. Afterwards a build
id decides whether a file is the right one.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from typing import Optional

from .elf import Elf
from .raw import MappedFile, Process

_MOST = 256  # open files. A process has 1,024 by default, and a trace needs some for itself

Key = tuple[str, int]  # device and inode


class Reach:
    """How files of others are opened. This one opens them wherever they are; a trace that must not be held up has one
    that leaves out what is on a file system that may never answer."""

    def __init__(self, proc: str = "/proc") -> None:
        self.proc = proc

    def close(self) -> None:
        """Let go of what it keeps open."""

    def is_safe(self, tgid: int, device: str) -> bool:
        """Whether a file that a process has mapped may be opened. ``device`` is "fd:01", as maps has it."""
        return True

    def opened(self, tgid: int, path: str, follow: bool = True) -> Optional[int]:
        """A regular file by its path below the root of a process; None if it is not there, or must not be touched.
        ``follow`` False: it is not a symbolic link."""
        return opened(f"{self.proc}/{tgid}/root{path}", follow)


class Files:
    """Files that are kept open, the least recently used ones up to a number."""

    def __init__(self, proc: str = "/proc", most: int = _MOST, reach: Optional[Reach] = None) -> None:
        self.proc = proc
        self.reach = reach if reach is not None else Reach(proc)
        self._most = most
        self._kept: OrderedDict[Key, tuple[int, Optional[str]]] = OrderedDict()

    def keep(self, tgid: int, mapped: MappedFile) -> Optional[str]:
        """Opens the file that a process has mapped, and says its build id. None: it has none, or cannot be opened."""
        key = (mapped.device, mapped.inode)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        file = self._opened(tgid, mapped)
        if file is None:
            return None
        build_id = build_id_of(file)
        self._kept[key] = (file, build_id)
        if len(self._kept) > self._most:
            _, (oldest, _) = self._kept.popitem(last=False)
            os.close(oldest)
        return build_id

    def open(self, process: Process, mapped: MappedFile) -> Optional[int]:
        """A descriptor of the file as it was mapped, which the caller closes; None if it cannot be had any more."""
        kept = self._kept.get((mapped.device, mapped.inode))
        if kept is not None and (mapped.build_id is None or kept[1] == mapped.build_id):
            return _reopened(kept[0])
        for file in self._candidates(process, mapped):
            if file is None:
                continue
            if _is_it(file, mapped):
                return file
            os.close(file)
        return None

    @property
    def descriptors(self) -> frozenset[int]:
        """Of the files that are kept."""
        return frozenset(file for file, _ in self._kept.values())

    def close(self) -> None:
        """Closes all."""
        while self._kept:
            os.close(self._kept.popitem()[1][0])
        self.reach.close()

    def _opened(self, tgid: int, mapped: MappedFile) -> Optional[int]:
        file = self._of_map_files(tgid, mapped)
        if file is None and mapped.path:
            file = self.reach.opened(tgid, mapped.path)
            if file is not None and os.fstat(file).st_ino != mapped.inode:  # replaced since
                os.close(file)
                return None
        return file

    def _of_map_files(self, tgid: int, mapped: MappedFile) -> Optional[int]:
        """The very file that is mapped; needs CAP_SYS_ADMIN."""
        if not self.reach.is_safe(tgid, mapped.device):
            return None
        return opened(f"{self.proc}/{tgid}/map_files/{mapped.start:x}-{mapped.end:x}")

    def _candidates(self, process: Process, mapped: MappedFile) -> Iterator[Optional[int]]:
        yield self._of_map_files(process.tgid, mapped)
        if mapped.path:
            yield self.reach.opened(process.tgid, mapped.path)
            if process.root is not None:
                yield opened(f"{process.root}{mapped.path}")
            yield self.reach.opened(os.getpid(), mapped.path)


def build_id_of(file: int) -> Optional[str]:
    """The build id of an open file; None if it has none or is no ELF file."""
    try:
        return Elf(lambda offset, size: os.pread(file, size, offset)).build_id
    except (ValueError, OSError):
        return None


def _is_it(file: int, mapped: MappedFile) -> bool:
    """By build id; a file without one is known by its inode."""
    if mapped.build_id is not None:
        return build_id_of(file) == mapped.build_id
    return os.fstat(file).st_ino == mapped.inode


def opened(path: str, follow: bool = True) -> Optional[int]:
    """A regular file. O_NONBLOCK: another user's process may have put a pipe there, and nobody should wait for it."""
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        file = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _reopened(file: int) -> Optional[int]:
    try:
        return os.dup(file)  # who reads gives offsets
    except OSError:
        return None
