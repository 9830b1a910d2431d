"""NUMA memory policy."""

from __future__ import annotations

import ctypes
import platform

from . import Self, workload

_SET_MEMPOLICY = {"x86_64": 238, "aarch64": 237}
_MPOL_BIND = 2


@workload
def mempolicy_bind(me: Self, node: int) -> None:
    """set_mempolicy(MPOL_BIND): what comes after is allocated on one node alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    mask = ctypes.c_ulong(1 << node)
    if libc.syscall(_SET_MEMPOLICY[platform.machine()], _MPOL_BIND, ctypes.byref(mask), ctypes.c_ulong(64)):
        raise OSError(ctypes.get_errno(), "set_mempolicy")
