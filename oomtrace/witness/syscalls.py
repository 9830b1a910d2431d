"""System calls that Python's library lacks. Those from 424 on have one number on all architectures but alpha."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from typing import Optional

_PIDFD_OPEN = 434  # 5.3
_PIDFD_GETFD = 438  # 5.6
_CACHESTAT = 451  # 6.5

_PROT_READ = 1
_MAP_SHARED = 1
_FAILED = ctypes.c_void_p(-1).value


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    return libc


def _call(number: int, *arguments: object) -> int:
    found = int(_libc().syscall(ctypes.c_long(number), *arguments))
    if found < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return found


def pidfd_open(pid: int) -> int:
    """A descriptor of a process. Raises OSError."""
    return _call(_PIDFD_OPEN, ctypes.c_int(pid), ctypes.c_uint(0))


def pidfd_getfd(pidfd: int, number: int) -> int:
    """A duplicate of another process's descriptor: nothing is opened anew. Raises OSError."""
    return _call(_PIDFD_GETFD, ctypes.c_int(pidfd), ctypes.c_int(number), ctypes.c_uint(0))


@dataclass(frozen=True)
class CacheStat:
    """``struct cachestat`` (include/uapi/linux/mman.h), in pages."""

    cached: int
    dirty: int
    writeback: int
    evicted: int
    recently_evicted: int


def cachestat(fd: int) -> Optional[CacheStat]:
    """What of a file is in the page cache; None where the kernel has no such call. Raises OSError."""
    begin, answer = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    try:
        _call(_CACHESTAT, ctypes.c_uint(fd), begin, answer, ctypes.c_uint(0))
    except OSError as error:
        if error.errno == 38:  # ENOSYS
            return None
        raise
    return CacheStat(*map(int, answer))


def mincore(fd: int, offset: int, length: int) -> int:
    """How many pages of that part of a file are in the page cache. Raises OSError."""
    libc, page = _libc(), os.sysconf("SC_PAGE_SIZE")
    address = libc.mmap(None, length, _PROT_READ, _MAP_SHARED, fd, offset)
    if address == _FAILED or address is None:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    try:
        pages = (length + page - 1) // page
        answer = ctypes.create_string_buffer(pages)
        if libc.mincore(address, length, answer):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return sum(byte & 1 for byte in answer.raw) if pages < 64 else answer.raw.count(b"\1")
    finally:
        libc.munmap(address, length)
