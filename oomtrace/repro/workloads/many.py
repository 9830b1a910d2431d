"""Very many processes, cheaply: a program of a few bytes that forks and sleeps."""

from __future__ import annotations

import os
import struct

from . import Self, workload
from .bare import become

# Forks ebx times; the parent then writes a byte to a descriptor; all of them pause(2) for ever.
_X86_64 = (
    b"\xbb%s"  # mov $COUNT, %ebx
    b"\xb8\x39\x00\x00\x00\x0f\x05"  # 1: mov $57, %eax; syscall (fork)
    b"\x85\xc0\x74\x1a\xff\xcb\x75\xf1"  # test %eax, %eax; jz 2f; dec %ebx; jnz 1b
    b"\xb8\x01\x00\x00\x00\xbf%s"  # mov $1, %eax; mov $DESCRIPTOR, %edi
    b"\xbe\x00\x00\x40\x00\xba\x01\x00\x00\x00\x0f\x05"  # mov $0x400000, %esi; mov $1, %edx; syscall (write)
    b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"  # 2: mov $34, %eax; syscall (pause); jmp 2b
)


def program(count: int, descriptor: int) -> bytes:
    """Machine code that forks ``count`` sleepers, says so on the descriptor, and sleeps itself."""
    return _X86_64 % (struct.pack("<I", count), struct.pack("<I", descriptor))


@workload
def sleepers(me: Self, count: int) -> None:
    """Become a program that forks ``count`` sleepers of about 60 KiB each, and is ready then. x86-64 alone."""
    os.set_inheritable(me.ready_fd, True)
    become(me, program(count, me.ready_fd))
