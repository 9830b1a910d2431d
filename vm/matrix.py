"""The kernels that oomtrace is tested on. Adding one is adding a row to `KERNELS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .errors import STATUS_USAGE, VmError

VARIANTS = ("base", "bcc", "bench", "systemd", "packages", "containers")
"""``base``: just what oomtrace needs, as on a server: neither bcc nor clang nor kernel headers. ``bcc``: also bcc, for
programs compiled there. ``bench``: also headers and the tools to compare with, bcc among them. ``systemd``: process 1
is systemd, and the command runs as a unit of it. ``packages``: as ``systemd``, with rpm and podman.
``containers``: container runtimes: podman, docker.io, containerd."""
SYSTEMD_VARIANTS = ("systemd", "packages")


@dataclass(frozen=True)
class Kernel:
    """One row of the matrix: where a kernel comes from and what it can do."""

    name: str
    """Major and minor number, what ``--kernel`` takes."""
    suite: str
    """Debian suite of the user space, and of the kernel unless `kernel_suite` says otherwise."""
    kernel_suite: Optional[str] = None
    """Extra suite that the kernel packages come from."""
    kernel_package: str = "linux-image-cloud-amd64"
    """Metapackage, never a version: versions move."""
    headers_package: str = "linux-headers-cloud-amd64"
    cgroup_v1: bool = False
    """Whether the kernel still has the v1 memory controller (CONFIG_MEMCG_V1)."""


KERNELS = (
    Kernel("5.10", "bullseye", cgroup_v1=True),
    Kernel("6.1", "bookworm", cgroup_v1=True),
    Kernel("6.12", "trixie"),
    Kernel("7.3", "trixie", kernel_suite="trixie-backports"),
)
DEFAULT_KERNEL = "6.1"


def names() -> list[str]:
    """Names of all kernels, oldest first."""
    return [kernel.name for kernel in KERNELS]


def find(name: str) -> Kernel:
    """The row called `name`; VmError if there is none."""
    for kernel in KERNELS:
        if kernel.name == name:
            return kernel
    raise VmError(f"no kernel {name} in the matrix", f"one of {', '.join(names())}", STATUS_USAGE)
