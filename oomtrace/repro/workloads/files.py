"""Memory by files: tmpfs and the page cache."""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile

from . import Bytes, Self, workload
from .anon import touch

_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = 0x4000 | (1 << 18)
_CHUNK = bytes(1 << 20)


def private_tmpfs(me: Self) -> str:
    """Mount a tmpfs that only this process sees and that goes when it ends; returns where."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tempfile.mkdtemp(dir=me.folder)
    for failed in (
        libc.unshare(_CLONE_NEWNS),
        libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC_PRIVATE), None),
        libc.mount(b"tmpfs", folder.encode(), b"tmpfs", ctypes.c_ulong(0), b"size=100%"),
    ):
        if failed:
            raise OSError(ctypes.get_errno(), "mount")
    return folder


def _fill(descriptor: int, size: int) -> None:
    left = size
    while left > 0:
        left -= os.write(descriptor, _CHUNK if left >= len(_CHUNK) else _CHUNK[:left])


@workload
def tmpfs(me: Self, size: Bytes) -> None:
    """Open a tmpfs file as standard output and fill it: memory that no kill of another process frees."""
    os.dup2(os.open(private_tmpfs(me) + "/stdout", os.O_WRONLY | os.O_CREAT), 1)
    _fill(1, size)


@workload
def dirty(me: Self, size: Bytes, files: int = 1) -> None:
    """Write files on the disk and never wait for them: page cache that must be written back."""
    for _ in range(files):
        descriptor, _path = tempfile.mkstemp(dir=me.folder)
        _fill(descriptor, size)
        me.kept.append(descriptor)


@workload
def cached(me: Self, size: Bytes, times: int = 1) -> None:
    """Write a file to the disk, then read it: clean page cache."""
    descriptor, _ = tempfile.mkstemp(dir=me.folder)
    _fill(descriptor, size)
    os.fsync(descriptor)
    for _ in range(times):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for start in range(0, size, len(_CHUNK)):
            os.pread(descriptor, len(_CHUNK), start)


@workload
def dirty_mapped(me: Self, size: Bytes) -> None:
    """Dirty the pages of a mapped file on the disk, which no write(2) slows down."""
    with tempfile.TemporaryFile(dir=me.folder) as file:
        file.truncate(size)
        area = mmap.mmap(file.fileno(), size)
        area.madvise(mmap.MADV_RANDOM)  # no pages that are read ahead: they are clean until they are touched
        touch(area, size)
