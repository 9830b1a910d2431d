"""Very many processes, cheaply: a program of a few bytes that forks and sleeps."""

from __future__ import annotations

import os
import platform
import struct

from . import Self, workload

_BASE = 0x400000
_HEADERS_BYTES = 64 + 56
# Forks ebx times; the parent then writes a byte to a descriptor; all of them pause(2) for ever.
_X86_64 = (
    b"\xbb%s"  # mov $COUNT, %ebx
    b"\xb8\x39\x00\x00\x00\x0f\x05"  # 1: mov $57, %eax; syscall (fork)
    b"\x85\xc0\x74\x1c\xff\xcb\x75\xf1"  # test %eax, %eax; jz 2f; dec %ebx; jnz 1b
    b"\xb8\x01\x00\x00\x00\xbf%s"  # mov $1, %eax; mov $DESCRIPTOR, %edi
    b"\xbe\x00\x00\x40\x00\xba\x01\x00\x00\x00\x0f\x05"  # mov $_BASE, %esi; mov $1, %edx; syscall (write)
    b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"  # 2: mov $34, %eax; syscall (pause); jmp 2b
)


def program(count: int, descriptor: int) -> bytes:
    """A static ELF program that forks ``count`` sleepers, says so on the descriptor, and sleeps itself."""
    code = _X86_64 % (struct.pack("<I", count), struct.pack("<I", descriptor))
    total = _HEADERS_BYTES + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    # e_type EXEC, e_machine x86-64; one program header right after: PT_LOAD, read and execute, the whole file.
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, total, total, 0x1000)
    return identity + header + segment + code


@workload
def sleepers(me: Self, count: int) -> None:
    """Become a program that forks ``count`` sleepers of about 60 KiB each, and is ready then. x86-64 alone."""
    if platform.machine() != "x86_64":
        raise OSError(38, "sleepers: machine code for x86-64 alone")  # ENOSYS
    path = f"{me.folder}/{me.name.replace('/', '_')}"
    with open(path, "wb") as file:
        file.write(program(count, me.ready_fd))
    os.chmod(path, 0o755)
    os.set_inheritable(me.ready_fd, True)
    os.execv(path, [path])
