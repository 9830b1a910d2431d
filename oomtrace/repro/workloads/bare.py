"""Programs of a few bytes of machine code: no library, no heap, no page that is not there from the start."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from . import Self

_BASE = 0x400000
_HEADERS_BYTES = 64 + 56
_ELF_MACHINES = {"x86_64": 62, "aarch64": 183}  # EM_ of include/uapi/linux/elf-em.h, by uname -m
_ALIGN = 0x10000  # the largest page that any of them has


def address(offset: int) -> int:
    """Where a byte of the program's code lies when it runs."""
    return _BASE + _HEADERS_BYTES + offset


def of_this_machine(codes: Mapping[str, bytes]) -> bytes:
    """The code for this machine, of those by uname -m. Raises OSError(ENOSYS) if there is none."""
    machine = os.uname().machine
    if machine not in codes:
        raise OSError(38, f"machine code for {' and '.join(codes)} alone")  # ENOSYS
    return codes[machine]


def elf(code: bytes) -> bytes:
    """A static ELF program for this machine."""
    total = _HEADERS_BYTES + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    # e_type EXEC; one program header right after: PT_LOAD, read and execute, the whole file.
    machine = _ELF_MACHINES[os.uname().machine]
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, total, total, _ALIGN)
    return identity + header + segment + code


def become(me: Self, code: bytes) -> None:
    """Replace this process by a program for this machine. Raises OSError."""
    path = f"{me.folder}/{me.name.replace('/', '_')}"
    with open(path, "wb") as file:
        file.write(elf(code))
    os.chmod(path, 0o755)
    os.execv(path, [path])
