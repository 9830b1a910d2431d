"""bpf(2) and perf_event_open(2), the bare calls: glibc has no functions for them.

Knowledge: the system call tables of arch/x86/entry/syscalls and include/uapi/asm-generic/unistd.h; stable ABI.
"""

from __future__ import annotations

import ctypes
import errno
import os

_NUMBERS = {"x86_64": (321, 298), "aarch64": (280, 241)}  # bpf, perf_event_open
_ENOTSUPP = 524  # include/linux/errno.h: the kernel's own, that bpf(2) gives all the same, and that no C library knows
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> int:
    """What bpf(2) returns for a command and its ``union bpf_attr``. Raises OSError."""
    return bpf_in(command, ctypes.create_string_buffer(attributes, len(attributes)))


def bpf_in(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """The same, where the kernel answers in the attributes. Raises OSError."""
    return _call(0, command, ctypes.byref(attributes), len(attributes))


def perf_event_open(attributes: ctypes.Structure, pid: int, cpu: int, flags: int) -> int:
    """The file descriptor of a perf event of no group. Raises OSError."""
    return _call(1, ctypes.byref(attributes), pid, cpu, -1, flags)


def _call(which: int, *arguments: object) -> int:
    result: int = _libc.syscall(_NUMBERS[os.uname().machine][which], *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(errno.EOPNOTSUPP if error == _ENOTSUPP else error))
    return result
