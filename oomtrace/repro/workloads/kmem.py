"""Kernel memory that a memcg is charged for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import socket
import struct
import time

from . import FOR_EVER, NO_TIME, Bytes, Seconds, Self, workload
from .bare import address, become, of_this_machine
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


#    mov $151, %eax; mov $1, %edi; syscall (mlockall, MCL_CURRENT: reclaim must not take the program's own page)
# 1: mov $293, %eax; lea -16(%rsp), %rdi; mov $2048, %esi; syscall (pipe2, O_NONBLOCK); test %eax, %eax; js 9f
# 2: mov -12(%rsp), %edi; mov $0x400000, %esi; mov $4096, %edx; mov $1, %eax; syscall (write)
#    test %eax, %eax; jns 2b; cmp $-11, %eax; je 1b (EAGAIN: this one is full)
# 9: neg %eax; mov %eax, %edi; mov $231, %eax; syscall (exit_group)
_PIPES_X86_64 = bytes.fromhex(
    "b897000000bf010000000f05"
    "b825010000488d7c24f0be000800000f0585c0781e"
    "8b7c24f4be00004000ba00100000b8010000000f0585c079e783f8f574cd"
    "f7d889c7b8e70000000f05"
)
#    mov x0, #1; mov x8, #230; svc #0 (mlockall)
# 1: sub x0, sp, #16; mov x1, #2048; mov x8, #59; svc #0 (pipe2); tbnz x0, #63, 9f
# 2: ldur w0, [sp, #-12]; mov x1, #0x400000; mov x2, #4096; mov x8, #64; svc #0 (write)
#    tbz x0, #63, 2b; cmn x0, #11; b.eq 1b
# 9: neg x0, x0; mov x8, #94; svc #0 (exit_group)
_PIPES_AARCH64 = bytes.fromhex(
    "200080d2c81c80d2010000d4" "e04300d1010081d2680780d2010000d42001f8b7"
    "e0435fb80108a0d2020082d2080880d2010000d4" "60ffffb61f2c00b180feff54" "e00300cbc80b80d2010000d4"
)


@workload
def bare_pipes(me: Self, count: int) -> None:
    """Become a program that fills pipes and exits with the number of the error that ends it.

    It has no page faults: in a full memcg where nobody can be killed each would be tried again for ever, with a report
    each time.
    """
    _allow_descriptors(2 * count)
    become(me, of_this_machine({"x86_64": _PIPES_X86_64, "aarch64": _PIPES_AARCH64}))


#    mov $151, %eax; mov $1, %edi; syscall (mlockall, MCL_CURRENT)
# 1: mov $321, %eax; xor %edi, %edi; mov $ATTRIBUTES, %esi; mov $72, %edx; syscall (bpf, BPF_MAP_CREATE)
#    test %eax, %eax; jns 1b; neg %eax; mov %eax, %edi; mov $231, %eax; syscall (exit_group)
_MAPS_X86_64 = b"\xb8\x97\0\0\0\xbf\x01\0\0\0\x0f\x05\xb8\x41\x01\0\0\x31\xff\xbe%s\xba\x48\0\0\0\x0f\x05" \
               b"\x85\xc0\x79\xe9\xf7\xd8\x89\xc7\xb8\xe7\0\0\0\x0f\x05"
#    mov x0, #1; mov x8, #230; svc #0 (mlockall)
# 1: mov x0, #0; adr x1, ATTRIBUTES; mov x2, #72; mov x8, #280; svc #0 (bpf)
#    tbz x0, #63, 1b; neg x0, x0; mov x8, #94; svc #0 (exit_group)
_MAPS_AARCH64 = bytes.fromhex(
    "200080d2c81c80d2010000d4" "000080d201010010020980d2082380d2010000d4" "60ffffb6e00300cbc80b80d2010000d4"
)
_BPF_MAP_TYPE_ARRAY = 2


@workload
def bpf_maps(me: Self, size: Bytes, count: int) -> None:
    """Become a program that makes BPF maps of about ``size`` and exits with the number of the error that ends it:
    EMFILE (24) after ``count`` of them.

    The memory of a map is asked for so that nobody is killed for it (kernel/bpf/syscall.c, bpf_map_area_alloc); for a
    page fault of the program somebody would be.
    """
    _allow_descriptors(count)
    attributes = struct.pack("<5I", _BPF_MAP_TYPE_ARRAY, 4, size - 512, 1, 0).ljust(72, b"\0")
    x86_64 = _MAPS_X86_64 % struct.pack("<I", address(len(_MAPS_X86_64) + 2))
    become(me, of_this_machine({"x86_64": x86_64, "aarch64": _MAPS_AARCH64}) + attributes)


@workload
def pipe_size(me: Self, pages: int, count: int = 1) -> None:
    """Enlarge pipes to `pages` pages: the kernel needs an array for that, several pages side by side (order above 0).

    A page of room needs 40 bytes of the array (fs/pipe.c, pipe_resize_ring). Of 256 pages the order is 2, or with pages
    of 16 KiB 1: the 16 KiB of the array and the pointer to its memcg. A full memcg is killed in for that. Above 512
    pages (2,048 of 16 KiB) the order is above the costly one, 3: the charge fails.
    """
    _allow_descriptors(2 * count)
    ends = [os.pipe()[1] for _ in range(count)]  # first, so that it is a larger pipe that meets the full memcg
    for end in ends:
        fcntl.fcntl(end, _F_SETPIPE_SZ, pages * resource.getpagesize())


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
    """Fork children that sleep, tens of KiB of kernel memory each; a fork that fails is not tried again."""
    for _ in range(count):
        with contextlib.suppress(BlockingIOError):  # pids.max
            if not os.fork():
                time.sleep(FOR_EVER)
        if pause:
            time.sleep(pause)
