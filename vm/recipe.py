"""What an image is made of: pure data and the mmdebstrap command line it leads to.

The key of an image is a hash of all of it, so an edit here is what rebuilds images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import compiled, initrd
from .errors import STATUS_USAGE, VmError
from .matrix import FOREIGN_VARIANTS, SYSTEMD_VARIANTS, VARIANTS, Kernel

FORMAT = 1
"""Raise it when the code that builds an image changes what comes out of the same data."""

PACKAGES = (
    "python3-click", "python3-yaml", "libdw1",
    "kmod", "procps", "util-linux", "busybox-static",
)
"""What oomtrace needs, libdw1 to unwind stacks of processes; and what the harness and the scenarios need."""
BCC = "python3-bpfcc"
"""The compiler, which the other images lack as servers do."""
BENCH_PACKAGES = ("bpfcc-tools", "bpftrace")
SYSTEMD_PACKAGES = ("systemd-sysv",)
PACKAGING_PACKAGES = ("rpm", "podman", "crun", "conmon", "netavark", "ca-certificates")
KILLER_PACKAGES = ("systemd-oomd", "earlyoom", "podman", "crun", "conmon", "netavark", "ca-certificates")
KILLER_PACKAGES_MISSING = {"bullseye": ("systemd-oomd", "netavark")}
"""What suites do not have of those yet."""
KILLER_PACKAGES_BESIDE = {"bookworm": ("nohang", "oomd", "containerd", "runc")}
"""Those that are tried on one kernel, as they do the same on each."""
FLEET_PACKAGES = ("prometheus", "prometheus-node-exporter", "systemd-journal-remote", "curl")
CONTAINER_PACKAGES = ("podman", "crun", "conmon", "docker.io", "containerd", "runc", "ca-certificates")
CONTAINER_PACKAGES_SINCE = {"bookworm": ("netavark",), "trixie": ("netavark", "docker-cli")}
"""What suites have split from those packages, or want besides."""

EXCLUDED = (
    "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*",
    "/usr/share/zoneinfo/*", "/usr/lib/udev/hwdb.d/*", "/lib/udev/hwdb.d/*",
    # The image has an initramfs of its own making.
    "/etc/kernel/postinst.d/initramfs-tools",
    *(
        f"{lib}/modules/*/kernel/{tree}/*"
        for lib in ("/lib", "/usr/lib")
        for tree in (
            "drivers/comedi", "drivers/gpu", "drivers/hid", "drivers/infiniband", "drivers/media",
            "drivers/net/ethernet", "drivers/scsi", "drivers/staging", "drivers/target", "sound",
        )
    ),
)
"""Left out when packages are unpacked."""
REMOVED = (
    "boot", "usr/lib/udev/hwdb.bin", "var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "etc/resolv.conf",
)
"""Taken out of the finished tree, relative to its root."""

MKE2FS = (
    "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", "oomtrace", "-O", "^has_journal",
    "-E", "lazy_itable_init=0,root_owner=0:0",
)
FREE_MIB = 1536
"""Room left in the file system for what the guest writes; costs nothing while unused."""


FOREIGN_COPIES = {f"usr/share/base-passwd/{name}.master": f"etc/{name}" for name in ("passwd", "group")}
FOREIGN_FOLDERS = ("usr/local/bin", "usr/local/sbin", "srv", "mnt", "root", "proc", "sys", "dev", "tmp", "run")
"""What a tree needs whose packages were unpacked and not configured; then depmod and ldconfig run over it."""


@dataclass(frozen=True)
class Recipe:
    """How to make the image of one kernel in one variant."""

    kernel: Kernel
    variant: str = "base"

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise VmError(f"no image variant {self.variant}", f"one of {', '.join(VARIANTS)}", STATUS_USAGE)

    @property
    def name(self) -> str:
        """``6.1-base``."""
        return f"{self.kernel.name}-{self.variant}"

    @property
    def key(self) -> str:
        """Hash of everything that decides what the image is, the mirror aside."""
        data = [
            FORMAT, self.kernel.suite, self.packages(), EXCLUDED, REMOVED, MKE2FS, FREE_MIB, initrd.MODULES,
            self.kernel.kernel_suite, *self._configuration(),
            *([] if self.kernel.arch_name == "amd64" else [self.kernel.arch_name]),
        ]
        return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:12]

    def _configuration(self) -> list[str]:
        return [compiled.config(self.kernel.name).read_text()] if self.kernel.compiled else []

    def packages(self) -> list[str]:
        """What to install on top of a minimal system, as apt-get takes it."""
        at_suite = f"/{self.kernel.kernel_suite}" if self.kernel.kernel_suite else ""
        packages = [*PACKAGES, self.kernel.kernel_package + at_suite]
        if self.variant == "bcc":
            packages.append(BCC)
        if self.variant == "bench":
            packages += [*BENCH_PACKAGES, self.kernel.headers_package + at_suite]
        if self.variant in SYSTEMD_VARIANTS:
            packages += SYSTEMD_PACKAGES
        if self.variant == "packages":
            packages += PACKAGING_PACKAGES
        if self.variant == "killers":
            missing = KILLER_PACKAGES_MISSING.get(self.kernel.suite, ())
            packages += [package for package in KILLER_PACKAGES if package not in missing]
            packages += KILLER_PACKAGES_BESIDE.get(self.kernel.suite, ())
        if self.variant == "fleet":
            packages += FLEET_PACKAGES
        if self.variant == "containers":
            packages += [*CONTAINER_PACKAGES, *CONTAINER_PACKAGES_SINCE.get(self.kernel.suite, ())]
        return packages

    def mmdebstrap(self, root: Path, mirror: str, keyring: Path, apt_options: Sequence[str]) -> list[str]:
        """The command that makes the tree of the image in the directory `root`."""
        signed = f"[signed-by={keyring}] " if keyring.exists() else ""
        suites = [self.kernel.suite] + ([self.kernel.kernel_suite] if self.kernel.kernel_suite else [])
        return [
            "mmdebstrap", "--mode=root", *self._ways(),
            '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Retries "3"',
            *(f"--aptopt={option.rstrip(';')}" for option in apt_options),
            *(['--aptopt=Acquire::Check-Valid-Until "false"'] if self.kernel.expired else []),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
            f"--include={','.join(self.packages())}",
            self.kernel.suite, str(root), *(f"deb {signed}{mirror} {suite} main" for suite in suites),
        ]

    def _ways(self) -> list[str]:
        """A minimal system; of another architecture, whose programs do not run here, its packages as they are unpacked:
        `FOREIGN_COPIES` and the rest do what their own scripts would have done, as far as a guest needs it."""
        if self.kernel.arch.native:
            return ["--variant=minbase"]
        if self.variant not in FOREIGN_VARIANTS:
            raise VmError(f"no image variant {self.variant} of {self.kernel.arch.name} can be made on this machine",
                          f"one of {', '.join(FOREIGN_VARIANTS)}", STATUS_USAGE)
        return [f"--architectures={self.kernel.arch.name}", "--variant=extract", "--include=?essential"]
