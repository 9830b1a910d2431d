"""What the page cache is: the largest files that processes have open or mapped.

cachestat(2), from Linux 6.5 on, tells cached, dirty and written-back pages of an open file. Elsewhere mincore(2) tells
which pages are cached. Of an overlay only mincore can: its files have no pages of their own, and a mapping is of the
file below. The descriptors are duplicates of the processes' own (pidfd_getfd(2)): nothing is opened anew.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Optional

from oomtrace.model import Aspect, CachedFile, Holder, Missed, PageCache

from . import syscalls
from .areas import Region
from .descriptors import Opened, duplicate, holder, mount_of
from .meter import Meter
from .mounts import MEMORY, Mount, Mounts, by_device, is_safe
from .proc import Process, pairs
from .tree import plain, text

_LISTED = 10
_LEAST_BYTES = 256 << 10
_MOST_FILES = 256
_NS_A_PAGE = 60  # of mincore, and of cachestat at most
_WINDOW = 1 << 20  # of samples
_WINDOWS = 64
_CAP_DAC_OVERRIDE, _CAP_FOWNER = 1, 3


@dataclass
class _File:
    path: str
    size: int
    cached: int  # bytes
    dirty: Optional[int]
    writeback: Optional[int]
    evicted: Optional[int]
    source: str
    holders: dict[int, Holder] = field(default_factory=dict)


class Cache:
    """Gathers the files of one look. ``host``: this machine's mounts."""

    def __init__(self, host: Mounts, meter: Meter) -> None:
        self._host = host
        self._meter = meter
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._files: dict[tuple[int, int], Optional[_File]] = {}
        self._comms: dict[int, Optional[str]] = {}

    def add(self, process: Process, descriptors: list[Opened], mapped: list[Region]) -> None:
        """The files of a process."""
        for one in descriptors:
            if one.target.startswith("/") and not one.target.startswith(("/memfd:", "/dev/", "/proc/", "/sys/")):
                if self._ends(process):
                    return
                mount = mount_of(process, one.number)
                if mount is None or mount.fs_type in MEMORY:
                    continue
                if not is_safe(mount, self._host):
                    self._meter.cut(Aspect.CACHE, Missed.FOREIGN, one.name)
                    continue
                with self._meter.trying(Aspect.CACHE, one.name), duplicate(process, one.number) as fd:
                    self._measure(process, fd, one.target, mount)
        devices = by_device(process.mounts)
        for region in {(region.device, region.inode): region for region in mapped if region.inode}.values():
            mount = devices.get(region.device)
            if mount is None or mount.fs_type in MEMORY or not is_safe(mount, self._host):
                continue
            if region.size_kb << 10 >= _LEAST_BYTES and not self._ends(process):
                self._mapped(process, region, mount)

    def found(self, memory_stat: Mapping[str, int], now_ns: int) -> PageCache:
        """All of it, the largest files first. ``memory_stat``: the memcg's own counters."""
        files = sorted((one for one in self._files.values() if one is not None), key=lambda one: -one.cached)
        told = tuple(CachedFile(one.path, one.cached >> 10, one.size >> 10, _kb(one.dirty), _kb(one.writeback),
                                _kb(one.evicted), tuple(one.holders.values()), one.source)
                     for one in files[:_LISTED] if one.cached)
        counted = {name: memory_stat.get(name, memory_stat.get(f"total_{old}")) for name, old in (
            ("file", "cache"), ("file_dirty", "dirty"), ("file_writeback", "writeback"))}
        return PageCache(told, len(files), _kb(counted["file"]), _kb(counted["file_dirty"]),
                         _kb(counted["file_writeback"]), now_ns)

    def _ends(self, process: Process) -> bool:
        if len(self._files) >= _MOST_FILES:
            self._meter.cut(Aspect.CACHE, Missed.BUDGET, f"further files of {process.pid}")
            return True
        return self._meter.over(Aspect.CACHE, f"further files of {process.pid}")

    def _mapped(self, process: Process, region: Region, mount: Mount) -> None:
        """A file that is mapped and need not be open: by its path, which must still be that file."""
        if region.name.endswith(" (deleted)"):
            return
        with self._meter.trying(Aspect.CACHE, region.name):
            with process.tree(self._host) as tree:
                at = tree.walk(region.name)
                try:
                    found = os.fstat(at)
                    if found.st_ino != region.inode or not stat.S_ISREG(found.st_mode):
                        return
                    fd = os.open(f"/proc/self/fd/{at}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                finally:
                    os.close(at)
            try:
                self._measure(process, fd, region.name, mount)
            finally:
                os.close(fd)

    def _measure(self, process: Process, fd: int, path: str, mount: Mount) -> None:
        found = os.fstat(fd)
        key = (found.st_dev, found.st_ino)
        if not stat.S_ISREG(found.st_mode):
            return
        if key not in self._files:
            large, name = found.st_size >= _LEAST_BYTES, text(os.fsencode(path))
            self._files[key] = self._asked(fd, found, name, mount) if large else None
        file = self._files[key]
        if file is not None:
            file.holders[process.pid] = holder(process, self._comms)

    def _asked(self, fd: int, found: os.stat_result, path: str, mount: Mount) -> Optional[_File]:
        size = found.st_size
        if mount.fs_type != "overlay":
            with suppress(PermissionError):  # as _is_told says; or a filter of system calls that does not know it
                counted = syscalls.cachestat(fd)
                if counted is not None:
                    return _File(path, size, counted.cached * self._page, counted.dirty * self._page,
                                 counted.writeback * self._page, counted.evicted * self._page, "cachestat")
        if not _is_told(fd, found.st_uid):
            self._meter.cut(Aspect.CACHE, Missed.DENIED, path)
            return None
        pages = (size + self._page - 1) // self._page
        if pages * _NS_A_PAGE < self._meter.left_ns:
            return _File(path, size, syscalls.mincore(fd, 0, size) * self._page, None, None, None, "mincore")
        step = max(_WINDOW, size // _WINDOWS // _WINDOW * _WINDOW)
        starts = range(0, size - _WINDOW + 1, step)
        cached = sum(syscalls.mincore(fd, start, _WINDOW) for start in starts)
        part = cached * self._page / (len(starts) * _WINDOW)
        return _File(path, size, int(part * size), None, None, None, "mincore of a sample")


def _is_told(fd: int, owner: int) -> bool:
    """Whether mincore tells this process about a file of that owner. Of one that it neither owns nor may write, mincore
    says that all of it is cached, without a look (mm/mincore.c, can_do_mincore, since 5.2), and cachestat fails
    (mm/filemap.c, can_do_cachestat, since 6.14)."""
    if owner == os.geteuid() or tells_of_others():
        return True
    return os.access(f"/proc/self/fd/{fd}", os.W_OK, effective_ids=True)


@cache
def tells_of_others() -> bool:
    """Whether this process counts as the owner of all files, or may write them."""
    held = int(pairs(text(plain("/proc/self/status") or b"")).get("CapEff", "0"), 16)
    return bool(held >> _CAP_FOWNER & 1 or held >> _CAP_DAC_OVERRIDE & 1)


def _kb(value: Optional[int]) -> Optional[int]:
    return None if value is None else value >> 10
