"""What the compiler's library has put into the kernel: its maps' descriptions and its BTF, by file descriptor.

Knowledge: include/uapi/linux/bpf.h (struct bpf_map_info, struct bpf_btf_info); stable ABI.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from struct import pack
from typing import Optional

from oomtrace.kernel import syscalls
from oomtrace.programs.image import MapSpec

_OBJ_GET_INFO_BY_FD = 15


def map_spec(name: str, fd: int) -> MapSpec:
    """The description of an open map. Raises OSError."""
    info = ctypes.create_string_buffer(80)
    syscalls.bpf(_OBJ_GET_INFO_BY_FD, pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    kind, _, key, value, entries, flags = (int.from_bytes(info.raw[4 * i : 4 * i + 4], "little") for i in range(6))
    return MapSpec(name, kind, key, value, entries, flags)


def own_btf() -> Optional[bytes]:
    """The BTF that a library of this process has loaded into the kernel, None if there is none. Raises OSError.

    bcc does so with whatever it compiles, and shows it in no other way.
    """
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            if os.readlink(entry) == "anon_inode:btf":
                return _btf_of(int(entry.name))
    return None


def _btf_of(fd: int) -> bytes:
    size = _btf_info(fd, None, 0)
    data = ctypes.create_string_buffer(size)
    _btf_info(fd, data, size)
    return data.raw


def _btf_info(fd: int, to: Optional["ctypes.Array[ctypes.c_char]"], room: int) -> int:
    """Copy a loaded BTF as far as there is room; returns its size in bytes."""
    info = ctypes.create_string_buffer(pack("<QII", ctypes.addressof(to) if to else 0, room, 0), 16)
    syscalls.bpf(_OBJ_GET_INFO_BY_FD, pack("<IIQ", fd, len(info), ctypes.addressof(info)))
    return int.from_bytes(info.raw[8:12], "little")
