"""The architectures of guests: what QEMU and Debian call them, and what their machines have. A row each."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from .errors import STATUS_USAGE, VmError


@dataclass(frozen=True)
class Arch:
    """An architecture."""

    name: str
    """Debian's: ``--arch`` takes it."""
    machine: str
    """What ``uname -m`` says."""
    qemu: str
    """QEMU's program for it."""
    qemu_package: str
    """Debian's package with that program."""
    board: tuple[str, ...]
    """QEMU's arguments for the machine."""
    cpu: str
    """The processor that is emulated without KVM."""
    console: str
    """The kernel's name of the first serial line."""
    words: str = ""
    """What else the kernel is told."""

    @property
    def native(self) -> bool:
        """Whether this machine runs its programs, and KVM, if it has it, its guests."""
        return platform.machine() == self.machine


ARCHS = (
    # no_timer_check: where the emulator does not run for a while, the kernel finds no timer and panics ("IO-APIC +
    # timer doesn't work!"). With KVM it does not look either.
    Arch("amd64", "x86_64", "qemu-system-x86_64", "qemu-system-x86", (), "max", "ttyS0", "no_timer_check"),
    # neoverse-n1: `max` takes half as long again. gic-version=3: more CPUs than eight.
    Arch("arm64", "aarch64", "qemu-system-aarch64", "qemu-system-arm", ("-machine", "virt,gic-version=3"),
         "neoverse-n1", "ttyAMA0"),
)


def names() -> list[str]:
    """Names of all architectures."""
    return [arch.name for arch in ARCHS]


def find(name: str) -> Arch:
    """The row called `name`; VmError if there is none."""
    for arch in ARCHS:
        if arch.name == name:
            return arch
    raise VmError(f"no architecture {name}", f"one of {', '.join(names())}", STATUS_USAGE)


def usual() -> Arch:
    """That of this machine, if it is one of them: its guests are the fastest."""
    return next((arch for arch in ARCHS if arch.native), ARCHS[0])
