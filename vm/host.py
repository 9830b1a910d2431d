"""The programs that the tool needs on this machine, installed where they are missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import apt
from .arch import Arch
from .errors import VmError
from .progress import run_quietly, say

QEMU_OLDEST = 8
"""QEMU 7.2 makes kernel 6.12 double-fault at boot (cmpxchg16b under TCG)."""
PACKAGES = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "git": "git", "depmod": "kmod"}
COMPILER = {"gcc": "gcc", "make": "make", "flex": "flex", "bison": "bison", "bc": "bc", "xz": "xz-utils",
            "pahole": "dwarves"}
COMPILER_HEADERS = {"libelf.h": "libelf-dev", "openssl/ssl.h": "libssl-dev"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BACKPORTS_FILE = Path("/etc/apt/sources.list.d/oomtrace-backports.sources")
SBIN = "/usr/sbin:/sbin"


def as_root(command: Sequence[str]) -> list[str]:
    """`command`, with sudo in front if this process is not root; VmError if there is no sudo either."""
    if os.geteuid() == 0:
        return list(command)
    if not shutil.which("sudo"):
        raise VmError(f"{command[0]} needs root, and there is no sudo", "run it as root once")
    return ["sudo", *command]


def program(name: str) -> str:
    """Path of the program `name`, sbin included (where mke2fs is, and users' PATH is not); VmError if missing."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if path is None:
        raise VmError(f"no {name} on this machine", f"install Debian's package {PACKAGES.get(name, name)}")
    return path


def qemu_version(arch: Arch) -> int:
    """Major version of QEMU for an architecture, 0 where it is not installed."""
    if not shutil.which(arch.qemu):
        return 0
    output = subprocess.run([arch.qemu, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    match = re.search(r"version (\d+)", output)
    return int(match[1]) if match else 0


def ensure_qemu(arch: Arch) -> None:
    """Have a QEMU that boots all kernels of an architecture: from the distribution, else from its backports."""
    if qemu_version(arch) >= QEMU_OLDEST:
        return
    package = arch.qemu_package
    if qemu_version(arch) == 0:
        _apt_update()
        if _candidate_version(package) >= QEMU_OLDEST:
            _apt_install([package])
            return
    suite = f"{_codename()}-backports"
    say(f"the distribution's QEMU is older than {QEMU_OLDEST}: taking the one of {suite}")
    if not any(source.suite == suite for source in apt.machine_sources()):
        _add_suite(suite)
    _apt_update()
    _apt_install(["--target-release", suite, package])
    if qemu_version(arch) < QEMU_OLDEST:
        raise VmError(f"QEMU {qemu_version(arch)} is too old", f"install QEMU {QEMU_OLDEST} or later by hand")


def ensure_builder() -> None:
    """Have what building an image needs."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    missing = [PACKAGES[name] for name in ("mmdebstrap", "mke2fs", "depmod") if not shutil.which(name, path=path)]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        _apt_update()
        _apt_install(missing)


def ensure_compiler() -> None:
    """Have what compiling a kernel needs."""
    missing = [package for program, package in COMPILER.items() if not shutil.which(program)]
    missing += [package for header, package in COMPILER_HEADERS.items() if not _has_header(header)]
    if missing:
        _apt_update()
        _apt_install(missing)


def _has_header(name: str) -> bool:
    """Whether a C header is where Debian's packages have it."""
    return any(Path("/usr/include").glob(name)) or any(Path("/usr/include").glob(f"*-linux-gnu/{name}"))


def mirror() -> str:
    """The Debian mirror to build from: $OOMTRACE_VM_MIRROR, else the one that this machine's apt uses."""
    uri = os.environ.get("OOMTRACE_VM_MIRROR") or apt.debian_mirror(apt.machine_sources())
    if not uri:
        raise VmError("no Debian mirror in this machine's apt configuration", "set OOMTRACE_VM_MIRROR to one's URI")
    return uri


def apt_options() -> list[str]:
    """Settings of this machine's apt that downloads in an image build need as well."""
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return apt.inherited_options(dump)


def _candidate_version(package: str) -> int:
    """Major upstream version of what apt would install for `package`, 0 if nothing."""
    output = subprocess.run(["apt-cache", "policy", package], stdout=subprocess.PIPE, text=True, check=False).stdout
    match = re.search(r"Candidate: (?:\d+:)?(\d+)", output)
    return int(match[1]) if match else 0


def _codename() -> str:
    """VERSION_CODENAME of /etc/os-release, ``bookworm`` for one."""
    match = re.search(r'^VERSION_CODENAME="?(\w+)', Path("/etc/os-release").read_text(), re.M)
    if not match:
        raise VmError("this distribution has no code name", f"install QEMU {QEMU_OLDEST} or later by hand")
    return match[1]


def _add_suite(suite: str) -> None:
    """Let apt see `suite` of the mirror that this machine already uses."""
    signed_by = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
    text = f"Types: deb\nURIs: {mirror()}\nSuites: {suite}\nComponents: main\n{signed_by}"
    say(f"adding {suite} to apt's sources ({BACKPORTS_FILE})")
    subprocess.run(as_root(["tee", str(BACKPORTS_FILE)]), input=text, text=True, stdout=subprocess.DEVNULL, check=True)


def _apt_update() -> None:
    run_quietly("updating apt's lists", as_root(["apt-get", "-q", "update"]))


def _apt_install(arguments: Sequence[str]) -> None:
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends"]
    command += ["-o", "DPkg::Lock::Timeout=300", "install", *arguments]
    run_quietly(f"installing {' '.join(arguments)}", as_root(command), "run the command by hand to see why")
