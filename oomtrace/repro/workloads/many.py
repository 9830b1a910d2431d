"""Very many processes, cheaply: a program of a few bytes that forks and sleeps."""

from __future__ import annotations

import os
import struct

from . import Self, workload
from .bare import become, of_this_machine

# Forks COUNT times; the parent then writes a byte to a descriptor; all of them pause(2) for ever.
_X86_64 = (
    b"\xbb%s"  # mov $COUNT, %ebx
    b"\xb8\x39\x00\x00\x00\x0f\x05"  # 1: mov $57, %eax; syscall (fork)
    b"\x85\xc0\x74\x1a\xff\xcb\x75\xf1"  # test %eax, %eax; jz 2f; dec %ebx; jnz 1b
    b"\xb8\x01\x00\x00\x00\xbf%s"  # mov $1, %eax; mov $DESCRIPTOR, %edi
    b"\xbe\x00\x00\x40\x00\xba\x01\x00\x00\x00\x0f\x05"  # mov $0x400000, %esi; mov $1, %edx; syscall (write)
    b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"  # 2: mov $34, %eax; syscall (pause); jmp 2b
)
#    ldr w19, 3f (COUNT)
# 1: mov x0, #17 (SIGCHLD); mov x1 … x4, #0; mov x8, #220; svc #0 (clone); cbz x0, 2f; subs w19, w19, #1; b.ne 1b
#    ldr w0, 4f (DESCRIPTOR); mov x1, #0x400000; mov x2, #1; mov x8, #64; svc #0 (write)
# 2: mov x0 … x3, #0; mov x8, #73; svc #0 (ppoll); b 2b
_AARCH64 = bytes.fromhex(
    "f3020018" "200280d2010080d2020080d2030080d2040080d2881b80d2010000d4" "000100b473060071e1feff54"
    "a00100180108a0d2220080d2080880d2010000d4" "000080d2010080d2020080d2030080d2280980d2010000d4faffff17"
)


def program(count: int, descriptor: int) -> bytes:
    """Machine code that forks ``count`` sleepers, says so on the descriptor, and sleeps itself."""
    words = struct.pack("<I", count), struct.pack("<I", descriptor)
    return of_this_machine({"x86_64": _X86_64 % words, "aarch64": _AARCH64 + b"".join(words)})


@workload
def sleepers(me: Self, count: int) -> None:
    """Become a program that forks ``count`` sleepers of about 60 KiB each, and is ready then."""
    os.set_inheritable(me.ready_fd, True)
    become(me, program(count, me.ready_fd))
