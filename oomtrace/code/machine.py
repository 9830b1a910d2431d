"""Machines as data: where a register lies in the kernel's struct pt_regs, and which number DWARF has for it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Machine:
    """A machine as a process sees it.

    ``dwarf``: for each DWARF register from 0 on, its 8-byte word in struct pt_regs. ``pc_alone``: the program counter
    has no DWARF number of its own.
    """

    name: str
    elf: int  # e_machine
    word_bytes: int
    dwarf: tuple[int, ...]
    pc: int
    sp: int
    fp: int
    pc_alone: bool


@dataclass(frozen=True)
class Registers:
    """The registers of a thread: DWARF's in order of their numbers, and those that each walk needs."""

    machine: Machine
    dwarf: tuple[int, ...]
    pc: int
    sp: int
    fp: int


# arch/x86/include/asm/ptrace.h: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss.
# DWARF (System V ABI for AMD64, figure 3.36): rax rdx rcx rbx rsi rdi rbp rsp r8 … r15, return address (rip).
_X86_64 = Machine("x86_64", 62, 8, (10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16), 16, 19, 4, False)
# The same struct for a 32-bit process. DWARF (System V ABI for i386): eax ecx edx ebx esp ebp esi edi eip.
_I386 = Machine("i386", 3, 4, (10, 11, 12, 5, 19, 4, 13, 14, 16), 16, 19, 4, False)
# arch/arm64/include/uapi/asm/ptrace.h: x0 … x30 sp pc pstate. DWARF has the same numbers, and 31 is sp.
_AARCH64 = Machine("aarch64", 183, 8, tuple(range(32)), 32, 31, 29, True)
# A 32-bit process on it: r0 … r14 lie in x0 … x14 (compat_sp is x13), the program counter in pc.
_ARM = Machine("arm", 40, 4, (*range(15), 32), 32, 13, 11, False)

_USER32_CS = 0x23  # arch/x86/include/asm/segment.h: __USER32_CS
_CS, _PSTATE = 17, 33
_PSTATE_32 = 0x10  # arch/arm64/include/uapi/asm/ptrace.h: PSR_MODE32_BIT

_WORDS: Mapping[str, int] = {"x86_64": 21, "aarch64": 34}


def registers(machine: str, pt_regs: bytes) -> Optional[Registers]:
    """The registers in a struct pt_regs of a kernel (``machine`` as uname -m has it); None if there are not enough
    bytes, or nobody has written that machine down."""
    count = _WORDS.get(machine)
    if count is None or len(pt_regs) < count * 8:
        return None
    words = struct.unpack_from(f"<{count}Q", pt_regs)
    if machine == "x86_64":
        found = _I386 if words[_CS] & 0xFFFF == _USER32_CS else _X86_64
    else:
        found = _ARM if words[_PSTATE] & _PSTATE_32 else _AARCH64
    mask = 0xFFFFFFFF if found.word_bytes == 4 else 0xFFFFFFFFFFFFFFFF
    words = tuple(word & mask for word in words)
    return Registers(found, tuple(words[at] for at in found.dwarf), words[found.pc], words[found.sp], words[found.fp])
