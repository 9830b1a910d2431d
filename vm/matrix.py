"""The kernels that oomtrace is tested on. Adding one is adding a row to `KERNELS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .arch import Arch
from .arch import find as find_arch
from .errors import STATUS_USAGE, VmError

VARIANTS = ("base", "bcc", "bench", "systemd", "packages", "containers", "killers", "fleet")
"""``base``: just what oomtrace needs, as on a server: neither bcc nor clang nor kernel headers. ``bcc``: also bcc, for
programs compiled there. ``bench``: also headers and the tools to compare with, bcc among them. ``systemd``: process 1
is systemd, and the command runs as a unit of it. ``packages``: as ``systemd``, with rpm and podman.
``containers``: container runtimes: podman, docker.io, containerd. ``killers``: as ``systemd``, with systemd-oomd,
earlyoom and podman. ``fleet``: as ``systemd``, with what collects from many machines: Prometheus, journal-remote."""
SYSTEMD_VARIANTS = ("systemd", "packages", "killers", "fleet")
FOREIGN_VARIANTS = ("base", "bcc")
"""Those whose packages serve without their own scripts having run: on another architecture than this machine's."""


@dataclass(frozen=True)
class Kernel:
    """One row of the matrix: where a kernel comes from and what it can do."""

    name: str
    """Major and minor number, and what else it is told apart by: what ``--kernel`` takes, without ``-ARCH``."""
    suite: str
    """Debian suite of the user space, and of the kernel unless `kernel_suite` says otherwise."""
    kernel_suite: Optional[str] = None
    """Extra suite that the kernel packages come from."""
    kernel_package: str = "linux-image-cloud-amd64"
    """Metapackage, never a version: versions move."""
    headers_package: str = "linux-headers-cloud-amd64"
    cgroup_v1: bool = False
    """Whether the kernel still has the v1 memory controller (CONFIG_MEMCG_V1)."""
    arch_name: str = "amd64"
    hides: tuple[tuple[str, str], ...] = ()
    """Parts of reports that it does not print and that cannot be had otherwise, and why."""
    expired: bool = False
    """Whether what the archive says of the suite may be out of date: that of a release in the making is."""
    compiled: bool = False
    """Whether `kernel_package` has its sources, which are compiled with vm/kernels/NAME.config (`vm.compiled`)."""

    @property
    def arch(self) -> Arch:
        """The architecture that it runs on."""
        return find_arch(self.arch_name)


def _arm64(version: str, suite: str, kernel_suite: Optional[str] = None, flavour: str = "cloud-arm64",
           cgroup_v1: bool = False, hides: tuple[tuple[str, str], ...] = ()) -> Kernel:
    return Kernel(f"{version}-arm64", suite, kernel_suite, f"linux-image-{flavour}", f"linux-headers-{flavour}",
                  cgroup_v1, "arm64", hides)


KERNELS = (
    Kernel("5.10", "bullseye", cgroup_v1=True),
    Kernel("6.1", "bookworm", cgroup_v1=True),
    Kernel("6.12", "trixie"),
    Kernel("7.3", "trixie", kernel_suite="trixie-backports"),
)
MORE_KERNELS = (
    Kernel("6.1-generic", "bookworm", None, "linux-image-amd64", "linux-headers-amd64", cgroup_v1=True),
    Kernel("6.12-generic", "trixie", None, "linux-image-amd64", "linux-headers-amd64"),
    Kernel("6.12-rt", "trixie", None, "linux-image-rt-amd64", "linux-headers-rt-amd64"),
    Kernel("6.12-unusual", "trixie", None, "linux-source-6.12", "", compiled=True),
    Kernel("7.2", "forky", expired=True),
)
"""In the long tests and in FIDELITY.md alone: kernels built for machines that are no VMs, one with PREEMPT_RT, where
most locks sleep, one that is configured as Debian's never are, and that of the next Debian."""
ARM64_KERNELS = (
    _arm64("6.1", "bookworm", cgroup_v1=True, hides=((
        "memory cgroup statistics",
        "built with CONFIG_KALLSYMS_ALL=n, it lists no data, and so not where the counts of events are "
        "(mem_cgroup_events_index)"),)),
    _arm64("6.12", "trixie"),
    _arm64("6.12-16k", "trixie", flavour="arm64-16k"),
    _arm64("7.3", "trixie", "trixie-backports"),
)
"""Beside the matrix: what has to be tried on an architecture of its own. 16k: pages of 16 KiB."""
DEFAULT_KERNEL = "6.1"


def names() -> list[str]:
    """Names of all kernels of the matrix, oldest first."""
    return [kernel.name for kernel in KERNELS]


def everything() -> tuple[Kernel, ...]:
    """All kernels that there are."""
    return (*KERNELS, *MORE_KERNELS, *ARM64_KERNELS)


def all_names() -> list[str]:
    """The names of all kernels that there are."""
    return [kernel.name for kernel in everything()]


def find(name: str) -> Kernel:
    """The row called `name`; VmError if there is none."""
    for kernel in everything():
        if kernel.name == name:
            return kernel
    raise VmError(f"no kernel {name} in the matrix", f"one of {', '.join(all_names())}", STATUS_USAGE)


def named(name: str, arch: Arch) -> Kernel:
    """The kernel `name` of an architecture: ``6.12`` and arm64 are ``6.12-arm64``. A name in full is that kernel."""
    suffix = "" if arch.name == "amd64" or name in all_names() and find(name).arch == arch else f"-{arch.name}"
    return find(name + suffix)
