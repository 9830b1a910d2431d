"""What is asked of a VM and what comes back: plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from . import matrix
from .errors import STATUS_LOST, STATUS_USAGE, VmError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> int:
    """``256M`` → bytes; VmError if it is no size."""
    match = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", text.strip(), re.I)
    if not match:
        raise VmError(f"{text!r} is not a size", "a number with K, M or G, such as 256M", STATUS_USAGE)
    return int(match[1]) * UNITS[match[2].upper()]


@dataclass(frozen=True)
class RunSpec:
    """A VM to boot for one command."""

    kernel: str = matrix.DEFAULT_KERNEL
    variant: str = "base"
    memory: int = 1 << 30
    """RAM in bytes."""
    cpus: int = 2
    swap: int = 0
    """Swap in bytes, on a disk of its own."""
    balloon: int = 0
    """Bytes of RAM that the host takes back as soon as the guest loads virtio_balloon."""
    numa: int = 1
    """NUMA nodes, RAM and CPUs shared out evenly."""
    cgroup: str = "v2"
    append: str = ""
    """Further words of the kernel command line."""
    icount: bool = False
    """Guest time counts instructions: one CPU, emulated, results repeat to about 0.1 %."""
    timeout: float = 300.0
    """Seconds from starting QEMU to the command's end, after which the VM counts as lost."""
    get: Sequence[tuple[str, Path]] = ()
    """Files and folders to bring out after the command: path in the guest, path here."""
    put: Sequence[Path] = ()
    """Files and folders of this machine that the guest finds in /root/put."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the command."""
    disk: Optional[Path] = None
    """A raw image here, the guest's further disk: what reached it is there whatever becomes of the guest."""
    kept: Optional[Path] = None
    """A folder here for what the command keeps in $OOMTRACE_CACHE: its files are there, and come back afterwards."""

    def __post_init__(self) -> None:
        kernel = matrix.find(self.kernel)
        if self.cgroup not in ("v1", "v2"):
            raise VmError(f"no cgroup version {self.cgroup}", "v1 or v2", STATUS_USAGE)
        if self.cgroup == "v1" and not kernel.cgroup_v1:
            able = ", ".join(row.name for row in matrix.everything() if row.cgroup_v1)
            raise VmError(f"kernel {self.kernel} has no v1 memory controller", f"it is in {able}", STATUS_USAGE)
        if self.cpus < 1 or self.numa < 1 or self.memory < 64 << 20:
            raise VmError("a VM needs at least one CPU, one NUMA node and 64M of memory", "", STATUS_USAGE)
        for path in self.put:
            if not path.exists():
                raise VmError(f"--put {path}: it is not there", "", STATUS_USAGE)
        for guest, _ in self.get:
            if not guest.startswith("/") or "\n" in guest:
                raise VmError(f"{guest!r} is not an absolute path in the guest", "", STATUS_USAGE)


@dataclass(frozen=True)
class Result:
    """What one run gave."""

    status: Optional[int]
    """Exit status of the command, 128 + N if signal N ended it; None if the VM was lost."""
    stdout: bytes
    stderr: bytes
    console: str
    """What the kernel printed on its serial console: little, unless it panicked."""
    lost: str = ""
    """Why the VM was lost; empty if it was not."""
    crashed: bool = False
    """Whether it was lost by a defect of QEMU's own: a signal such as SIGABRT ended it, or the guest panicked or hung
    before it was ready."""
    missing: Sequence[str] = ()
    """Guest paths asked for that were not there."""
    boot_seconds: float = 0.0
    """From starting QEMU to the guest's harness running, on the host's clock."""
    seconds: float = 0.0
    """From starting QEMU to the end."""

    @property
    def exit_status(self) -> int:
        """The status for a process that stands for the command: 125 if the VM was lost."""
        return STATUS_LOST if self.status is None else self.status
