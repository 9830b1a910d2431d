"""Stops a thread of a live process and copies its registers and its stack, as the BPF programs do."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_long, c_size_t, c_void_p
from typing import Callable

from oomtrace.code import RawStack
from oomtrace.code.machine import registers

MACHINE = os.uname().machine
_SEIZE, _INTERRUPT, _GETREGSET, _DETACH = 0x4206, 0x4207, 0x4204, 17  # linux/ptrace.h
_NT_PRSTATUS = 1
_WALL = 0x40000000


class _Piece(ctypes.Structure):
    _fields_ = [("base", c_void_p), ("length", c_size_t)]


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.restype, _LIBC.ptrace.argtypes = c_long, (c_long, c_long, c_void_p, c_void_p)


def raw_stack(tid: int, most: int = 32768, meanwhile: Callable[[], object] = lambda: None) -> RawStack:
    """The stack of a thread at this moment. ``meanwhile``: called while it is stopped."""
    with _stopped(tid):
        meanwhile()
        buffer = ctypes.create_string_buffer(512)
        piece = _Piece(ctypes.addressof(buffer), len(buffer))
        _call(_GETREGSET, tid, _NT_PRSTATUS, ctypes.addressof(piece))
        pt_regs = _wide(buffer.raw[: piece.length])
        found = registers(MACHINE, pt_regs)
        assert found is not None
        end = _end_of_stack(tid, found.sp)
        with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
            stack = os.pread(memory.fileno(), min(most, end - found.sp), found.sp)
    return RawStack(pt_regs, stack, whole=found.sp + len(stack) == end)


def _wide(regset: bytes) -> bytes:
    """The registers of an i386 process as its kernel, which is x86-64, has them in pt_regs (struct user_regs_struct32:
    bx cx dx si di bp ax ds es fs gs orig_ax ip cs flags sp ss)."""
    if len(regset) != 68:
        return regset
    bx, cx, dx, si, di, bp, ax, _, _, _, _, orig, ip, cs, flags, sp, ss = struct.unpack("<17I", regset)
    return struct.pack("<21Q", 0, 0, 0, 0, bp, bx, 0, 0, 0, 0, ax, cx, dx, si, di, orig, ip, cs, flags, sp, ss)


def _end_of_stack(tid: int, sp: int) -> int:
    with open(f"/proc/{tid}/maps") as maps:
        for line in maps:
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            if start <= sp < end:
                return end
    raise AssertionError("the stack pointer is nowhere")


@contextmanager
def _stopped(tid: int) -> Iterator[None]:
    _call(_SEIZE, tid, 0, 0)
    try:
        _call(_INTERRUPT, tid, 0, 0)
        os.waitpid(tid, _WALL)
        yield
    finally:
        _LIBC.ptrace(_DETACH, tid, None, None)


def _call(request: int, tid: int, address: int, data: int) -> None:
    if _LIBC.ptrace(request, tid, address, data) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

