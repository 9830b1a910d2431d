"""What differs between the architectures that a trace runs on: a row each, so that no code has to ask which one it is.

Knowledge: the kernel's arch/x86/include/asm/ptrace.h and arch/arm64/include/asm/ptrace.h (struct pt_regs, the same for
as long as there are BPF programs), the System V and AAPCS64 calling conventions, arch/*/kernel/stacktrace.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Arch:
    """An architecture. Numbers are bytes, unless a name says otherwise.

    ``arguments``, ``returned`` and ``stack_pointer`` are places in struct pt_regs, which is a probe's context.
    """

    machine: str  # as uname -m has it
    dialect: Optional[str]  # the folder of arch/ whose lines it prints (Machine.arch); None: those of most
    arguments: tuple[int, ...]  # those of a function that come in registers
    returned: int  # what it returns
    stack_pointer: int
    link: Optional[int]  # the register with a function's return address, at its entry; None: it is on the stack
    stack_arguments: int  # from the stack pointer, at a function's entry, to the arguments that no register has
    user_bytes: int  # of struct pt_regs: those registers that user space has
    mode: int  # where it says in which mode the processor was …
    mode_bits: int  # … in these bits …
    user_mode: int  # … that are so for user space
    scans_stack: int  # 1: a call trace is what the kernel finds on the stack; 0: the frames that its unwinder prints
    bpf_text: range  # where modules and BPF programs may be

    @property
    def register_arguments(self) -> int:
        """How many arguments come in registers."""
        return len(self.arguments)

    @property
    def links(self) -> int:
        """1 if a function is entered with its return address in a register."""
        return int(self.link is not None)

    @property
    def registers(self) -> tuple[Optional[int], ...]:
        """The places of what REGISTER in bpf/common.h counts: eight arguments, what is returned, the stack pointer,
        the return address."""
        arguments: tuple[Optional[int], ...] = self.arguments
        return (*arguments, None, None)[:8] + (self.returned, self.stack_pointer, self.link)


# di, si, dx, cx, r8, r9; ax; sp. The word at the stack pointer is the return address.
# MODULES_VADDR to MODULES_END: arch/x86/include/asm/pgtable_64_types.h.
X86_64 = Arch("x86_64", None, (112, 104, 96, 88, 72, 64), returned=80, stack_pointer=152, link=None, stack_arguments=8,
              user_bytes=21 * 8, mode=17 * 8, mode_bits=3, user_mode=3, scans_stack=1,
              bpf_text=range(0xFFFFFFFFC0000000, 0xFFFFFFFFFF000000))

# x0 to x7; x0; sp, behind x30, which has the return address.
# BPF programs are anywhere in the vmalloc area (since 5.16, b89ddf4cca43).
ARM64 = Arch("aarch64", "arm64", tuple(range(0, 64, 8)), returned=0, stack_pointer=31 * 8, link=30 * 8,
             stack_arguments=0, user_bytes=34 * 8, mode=33 * 8, mode_bits=15, user_mode=0, scans_stack=0,
             bpf_text=range(0xFFF0000000000000, 1 << 64))

ARCHS = {arch.machine: arch for arch in (X86_64, ARM64)}


def find(machine: Optional[str]) -> Optional[Arch]:
    """The row of ``uname -m``, None if there is none."""
    return ARCHS.get(machine or "")
