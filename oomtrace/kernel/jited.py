"""How long the machine code of each BPF program is: /proc/kallsyms lists only where it begins.

Knowledge: include/uapi/linux/bpf.h (struct bpf_prog_info); stable ABI.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from struct import pack, pack_into, unpack_from

from oomtrace.kernel import syscalls

# enum bpf_cmd
_PROG_GET_NEXT_ID, _PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD = 11, 13, 15
_INFO_BYTES, _COUNTS_AT = 128, 104  # nr_jited_ksyms, nr_jited_func_lens, and their two pointers
_MOST_FUNCTIONS = 256  # of one program (BPF_MAX_SUBPROGS, include/linux/bpf_verifier.h)


def lengths() -> dict[int, int]:
    """The bytes of each function of the programs that are loaded, by its address; as far as the kernel tells."""
    found: dict[int, int] = {}
    for number in _numbers():
        with suppress(OSError):  # it has gone
            found.update(_of(number))
    return found


def _numbers() -> Iterator[int]:
    """The ids of all programs."""
    last = 0
    while True:
        attributes = ctypes.create_string_buffer(pack("<III", last, 0, 0), 12)
        try:
            syscalls.bpf_in(_PROG_GET_NEXT_ID, attributes)
        except OSError:  # it was the last one, or this is not allowed
            return
        (last,) = unpack_from("<I", attributes, 4)
        yield last


def _of(number: int) -> dict[int, int]:
    program = syscalls.bpf(_PROG_GET_FD_BY_ID, pack("<III", number, 0, 0))
    try:
        starts, sizes = (ctypes.c_uint64 * _MOST_FUNCTIONS)(), (ctypes.c_uint32 * _MOST_FUNCTIONS)()
        info = ctypes.create_string_buffer(_INFO_BYTES)
        pack_into("<IIQQ", info, _COUNTS_AT, _MOST_FUNCTIONS, _MOST_FUNCTIONS, ctypes.addressof(starts),
                  ctypes.addressof(sizes))
        syscalls.bpf(_OBJ_GET_INFO_BY_FD, pack("<IIQ", program, _INFO_BYTES, ctypes.addressof(info)))
    finally:
        os.close(program)
    return {start: size for start, size in zip(starts, sizes) if start and size}
