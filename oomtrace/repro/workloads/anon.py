"""Anonymous memory by page faults."""

from __future__ import annotations

import ctypes
import errno
import mmap
import time

from . import NO_TIME, Bytes, Seconds, Self, workload

PAGE = mmap.PAGESIZE
_CHUNK = 1 << 20
_HUGE = 2 << 20
# mmap.MADV_… are there from Python 3.8 on where libc's headers had them.
_MADV_HUGEPAGE, _MADV_NOHUGEPAGE = 14, 15


def touch(area: mmap.mmap, size: int) -> None:
    """Write to each page of the area."""
    area[:size:PAGE] = bytes(1) * len(range(0, size, PAGE))


def _advise(area: mmap.mmap, advice: int) -> None:
    """As madvise does, where the kernel has transparent huge pages: one with PREEMPT_RT does not know the advice."""
    try:
        area.madvise(advice)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


@workload
def anon(me: Self, size: Bytes, pause: Seconds = NO_TIME) -> None:
    """Map and touch memory in pieces of 1 MiB and small pages, with a pause after each."""
    for start in range(0, size, _CHUNK):
        area = mmap.mmap(-1, min(_CHUNK, size - start), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        me.kept.append(area)
        _advise(area, _MADV_NOHUGEPAGE)
        touch(area, min(_CHUNK, size - start))
        if pause:
            time.sleep(pause)


@workload
def read_zeros(me: Self, size: Bytes) -> None:
    """Read /dev/zero into fresh memory: the kernel touches the pages, within a read, and not the program itself."""
    with open("/dev/zero", "rb", buffering=0) as zeros:
        for _ in range(0, size, _CHUNK):
            area = mmap.mmap(-1, _CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            me.kept.append(area)
            _advise(area, _MADV_NOHUGEPAGE)
            zeros.readinto(area)


@workload
def thp(me: Self, size: Bytes) -> None:
    """Map and touch memory in transparent huge pages, where the kernel has them: madvise(MADV_HUGEPAGE)."""
    area = mmap.mmap(-1, size + _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    me.kept.append(area)
    _advise(area, _MADV_HUGEPAGE)
    touch(area, size + _HUGE)


@workload
def mlock(me: Self, size: Bytes) -> None:
    """Lock memory, which faults it in from the kernel: no user-space fault in the stack."""
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    me.kept.append(area)
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)):
        raise OSError(ctypes.get_errno(), "mlock")


@workload
def shared(me: Self, size: Bytes) -> None:
    """Shared anonymous memory (shmem), which is freed with the last process that has it."""
    area = mmap.mmap(-1, size)
    me.kept.append(area)
    touch(area, size)
