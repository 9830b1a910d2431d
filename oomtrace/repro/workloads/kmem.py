"""Kernel memory that a memcg is charged for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import socket
import time

from . import FOR_EVER, NO_TIME, Bytes, Seconds, Self, workload
from .files import private_tmpfs

_F_SETPIPE_SZ = 1031


def _allow_descriptors(count: int) -> None:
    with open("/proc/sys/fs/nr_open") as file:
        most = int(file.read())
    count = min(count + 64, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))


@workload
def pipes(me: Self, count: int, fill: bool = True) -> None:
    """Pipes, each full of data."""
    _allow_descriptors(2 * count)
    data = bytes(1 << 16)  # once: the process itself must not need memory when the cgroup is full
    for _ in range(count):
        _, end = os.pipe()
        if fill:
            os.write(end, data)


@workload
def pipe_size(me: Self, size: Bytes, count: int = 1) -> None:
    """Pipes with room for ``size``: an array of page descriptors each, one allocation of an order above 0.

    Up to about 3 MiB of room the order is at most costly (3) and a full memcg is killed in; above, the charge fails.
    """
    _allow_descriptors(2 * count)
    ends = [os.pipe()[1] for _ in range(count)]  # first, so that it is a larger pipe that meets the full memcg
    for end in ends:
        fcntl.fcntl(end, _F_SETPIPE_SZ, size)


@workload
def sockets(me: Self, count: int) -> None:
    """Unix socket pairs."""
    _allow_descriptors(2 * count)
    for _ in range(count):
        me.kept.append(socket.socketpair())


@workload
def dentries(me: Self, count: int) -> None:
    """Empty files on a tmpfs: dentries and inodes that cannot be reclaimed."""
    folder = private_tmpfs(me)
    for number in range(count):
        os.close(os.open(f"{folder}/{number:x}", os.O_WRONLY | os.O_CREAT))


@workload
def fork_bomb(me: Self, count: int, pause: Seconds = NO_TIME) -> None:
    """Fork children that sleep, tens of KiB of kernel memory each; a fork that fails is tried no more."""
    for _ in range(count):
        with contextlib.suppress(BlockingIOError):  # pids.max
            if not os.fork():
                time.sleep(FOR_EVER)
        if pause:
            time.sleep(pause)
