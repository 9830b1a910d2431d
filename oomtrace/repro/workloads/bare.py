"""Programs of a few bytes of machine code for x86-64: no library, no heap, no page that is not there from the start."""

from __future__ import annotations

import os
import platform
import struct

from . import Self

_BASE = 0x400000
_HEADERS_BYTES = 64 + 56


def address(offset: int) -> int:
    """Where a byte of the program's code lies when it runs."""
    return _BASE + _HEADERS_BYTES + offset


def elf(code: bytes) -> bytes:
    """A static ELF program."""
    total = _HEADERS_BYTES + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    # e_type EXEC, e_machine x86-64; one program header right after: PT_LOAD, read and execute, the whole file.
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, total, total, 0x1000)
    return identity + header + segment + code


def become(me: Self, code: bytes) -> None:
    """Replace this process. Raises OSError(ENOSYS) on other machines."""
    if platform.machine() != "x86_64":
        raise OSError(38, "machine code for x86-64 alone")  # ENOSYS
    path = f"{me.folder}/{me.name.replace('/', '_')}"
    with open(path, "wb") as file:
        file.write(elf(code))
    os.chmod(path, 0o755)
    os.execv(path, [path])
