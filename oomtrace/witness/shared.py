"""What tmpfs and shared memory are: mounts, their largest files, memfds, System V segments, and who holds each.

Files on tmpfs are charged to whoever touched their pages first; what a memcg's processes can see of them is what is
told here. A tmpfs answers from memory: looking into it cannot hang, and what is mounted within it is left out.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Callable, Optional

from oomtrace.model import Aspect, Holder, Missed, SharedFile, SharedMemory, Tmpfs

from .areas import Region, regions
from .descriptors import Opened, holder, mount_of, opened
from .meter import Meter
from .mounts import MEMORY, Mount, Mounts
from .proc import Process
from .tree import Foreign, plain, text

_LISTED = 10
_HOLDERS = 8
_ENTRIES = 4096  # of all mounts together
_LEAST_KB = 16
_SKIPPED = frozenset(("/dev", "/sys/fs/cgroup", "/proc", "/sys/firmware", "/proc/acpi", "/proc/scsi"))

Key = tuple[str, int]  # what a file is told by: where it is, and its inode


@dataclass
class _File:
    name: str
    kb: int
    deleted: bool = False
    written_s: Optional[float] = None
    holders: dict[int, Holder] = field(default_factory=dict)
    known: bool = False
    source: str = ""


class Shared:
    """Gathers what the processes of one look share. ``host_ns``: the mount namespace of this machine itself, whose
    tmpfs more than these processes see."""

    def __init__(self, root: str, meter: Meter, host_ns: Optional[str],
                 wall: Callable[[], float] = time.time) -> None:
        self._root = root.rstrip("/")
        self._meter = meter
        self._host_ns = host_ns
        self._wall = wall
        self._files: dict[Key, _File] = {}
        self._mounts: dict[str, Tmpfs] = {}
        self._devices: dict[str, str] = {}  # of mounts that were looked into: where each is
        self._comms: dict[int, Optional[str]] = {}
        self._left = _ENTRIES
        self._whole = True
        self._machine: Optional[Mounts] = None  # what process 1 sees

    def add(self, process: Process, everything: Optional[list[Region]] = None,
            descriptors: Optional[list[Opened]] = None) -> None:
        """A process: what it sees, has open, and has mapped. ``everything``: its mappings, if they are known."""
        own_ns = process.link("ns/mnt")
        for mount in process.mounts.all:
            hidden = process.mounts.at(mount.point) is not mount  # by another one at the same place
            if (mount.fs_type in MEMORY and mount.point not in _SKIPPED and not hidden
                    and mount.device not in self._devices):
                self._devices[mount.device] = mount.point
                self._look_into(process, mount.point, mount.device, mount.fs_type,
                                own_ns not in (None, self._host_ns) and not self._is_machines(mount))
        if descriptors is None:
            descriptors, whole = opened(process, self._meter, Aspect.SHARED)
            self._whole = self._whole and whole
        for one in descriptors:
            self._opened(process, one)
        mapped = everything if everything is not None else regions(process.read("maps", 1 << 18) or b"")
        self._mapped(process, mapped)

    def _is_machines(self, mount: Mount) -> bool:
        """Whether it is the machine's own, at the place where the machine has it: a service may have a mount namespace
        of its own, as the one that looks has, and the machine's /dev/shm in it."""
        if self._machine is None:
            self._machine = Mounts(text(plain(f"{self._root}/proc/1/mountinfo", 1 << 18) or b""))
        there = self._machine.at(mount.point)
        return there is not None and there.device == mount.device

    def incomplete(self) -> None:
        """Not all processes that could have something open were added."""
        self._whole = False

    def found(self, now_ns: int) -> SharedMemory:
        """All of it, the largest files first."""
        files = sorted(self._files.values(), key=lambda one: -one.kb)
        return SharedMemory(tuple(sorted(self._mounts.values(), key=lambda one: -(one.used_kb or 0))),
                            tuple(self._told(one) for one in files[:_LISTED]), len(files), now_ns)

    def _told(self, one: _File) -> SharedFile:
        age = None if one.written_s is None else max(0, int((self._wall() - one.written_s) * 1e9))
        return SharedFile(one.name, one.kb, one.deleted, age, tuple(one.holders.values())[:_HOLDERS],
                          one.known and self._whole, one.source)

    def _look_into(self, process: Process, point: str, device: str, fs_type: str, own: bool) -> None:
        try:
            with process.tree() as tree:
                fd = tree.folder(point)
        except Foreign:
            self._meter.cut(Aspect.SHARED, Missed.FOREIGN, f"{point} of {process.pid}")
            return
        except OSError:
            self._meter.cut(Aspect.SHARED, Missed.DENIED, f"{point} of {process.pid}")
            return
        try:
            used, size = _sizes(fd, fs_type)
            if used is None or used >= _LEAST_KB:
                self._mounts[device] = Tmpfs(point, used, size, process.pid, fs_type)
                self._walk(fd, point.rstrip("/"), device, process.mounts, own)
        finally:
            os.close(fd)

    def _walk(self, top: int, point: str, device: str, mounts: Mounts, own: bool) -> None:
        """All files below; folders by descriptors, so that no link leads elsewhere."""
        waiting = [(os.dup(top), point)]
        try:
            while waiting:
                folder, path = waiting.pop()
                try:
                    names = os.listdir(folder)
                except OSError:
                    names = []
                for name in names:
                    self._left -= 1
                    if self._left < 0 or (self._left % 32 == 0 and self._meter.left_ns == 0):
                        self._meter.cut(Aspect.SHARED, Missed.BUDGET, f"further files of {point or '/'}")
                        os.close(folder)
                        return
                    inner = f"{path}/{name}"
                    if mounts.at(inner) is None:  # else it is another file system's, which is not asked
                        self._entry(folder, name, inner, device, waiting, own)
                os.close(folder)
        finally:
            for folder, _ in waiting:
                os.close(folder)

    def _entry(self, folder: int, name: str, path: str, device: str, waiting: list[tuple[int, str]], own: bool) -> None:
        with suppress(OSError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                waiting.append((os.open(name, flags, dir_fd=folder), path))
            elif stat.S_ISREG(found.st_mode) and found.st_blocks * 512 >= _LEAST_KB << 10:
                key = (device, found.st_ino)
                told = text(os.fsencode(path))
                self._files.setdefault(key, _File(told, found.st_blocks // 2, written_s=found.st_mtime, known=own,
                                                  source="tmpfs"))

    def _opened(self, process: Process, one: Opened) -> None:
        if not one.target.startswith("/"):
            return
        memfd = one.target.startswith(("/memfd:", "/SYSV", "/dev/zero"))
        mount = None if memfd else mount_of(process, one.number)
        if not memfd and (mount is None or mount.fs_type not in MEMORY or mount.point in _SKIPPED):
            return
        try:  # the file is on a file system in memory: asking it cannot hang
            found = os.stat(f"{process.folder}/fd/{one.number}")
        except OSError:
            return
        if not stat.S_ISREG(found.st_mode):
            return
        key = (mount.device if mount is not None else "memfd", found.st_ino)
        name = one.name[1:] if memfd else one.name
        file = self._files.get(key)
        if file is None:
            if found.st_blocks * 512 < _LEAST_KB << 10:
                return
            gone = memfd is False and (one.is_deleted or found.st_nlink == 0)
            file = self._files[key] = _File(name, found.st_blocks // 2, gone, found.st_mtime, known=True,
                                            source="memfd" if memfd else "fd")
        file.holders[process.pid] = holder(process, self._comms)

    def _mapped(self, process: Process, all: Iterable[Region]) -> None:
        """What is mapped and need not be open any more."""
        for region in all:
            if not region.inode and not region.name.startswith("/SYSV"):  # a segment's number may be 0
                continue
            inner = region.name.startswith(("/memfd:", "/SYSV", "/dev/zero"))
            key = ("memfd" if inner else region.device, region.inode)
            file = self._files.get(key)
            if file is None and (inner or region.device in self._devices):
                known_kb = region.rss_kb if region.rss_kb is not None else region.size_kb
                if known_kb < _LEAST_KB:
                    continue
                gone = region.name.endswith(" (deleted)") and not inner
                name = region.name.replace(" (deleted)", "")
                file = self._files[key] = _File(name[1:] if inner else name, known_kb, gone, known=True, source="maps")
            if file is not None:
                file.holders[process.pid] = holder(process, self._comms)

    def segments(self) -> None:
        """System V segments of this machine's own IPC namespace that nobody has attached (ipc/shm.c,
        sysvipc_shm_proc_show)."""
        lines = text(plain(f"{self._root}/proc/sysvipc/shm", 1 << 16) or b"").splitlines()
        header = lines[0].split() if lines else []
        for line in lines[1:]:
            row = dict(zip(header, line.split()))
            if not {"key", "shmid", "size", "nattch", "rss", "ctime"} <= row.keys():
                continue
            kb = int(row["rss"]) >> 10
            # A mapping shows the segment's id as its inode, and its key in its name.
            known = self._files.get(("memfd", int(row["shmid"])))
            if known is not None:
                known.kb, known.written_s = kb, float(row["ctime"])
                known.known = int(row["nattch"]) == len(known.holders)
            elif kb >= _LEAST_KB:
                key = int(row["key"]) & 0xFFFFFFFF
                self._files["sysv", int(row["shmid"])] = _File(
                    f"SYSV{key:08x}", kb, False, float(row["ctime"]), known=row["nattch"] == "0", source="sysvipc/shm")


def _sizes(fd: int, fs_type: str) -> tuple[Optional[int], Optional[int]]:
    """Used and whole, in kB; ramfs counts neither."""
    try:
        found = os.fstatvfs(fd)
    except OSError:
        return None, None
    if fs_type == "ramfs" or not found.f_blocks:
        return None, None
    return (found.f_blocks - found.f_bfree) * found.f_frsize >> 10, found.f_blocks * found.f_frsize >> 10

