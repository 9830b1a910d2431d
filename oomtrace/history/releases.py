"""Kernel releases (``uname -r``): the mainline version, and what a distribution counts besides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Optional

Version = tuple[int, ...]

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-(\d+))?")
_RED_HAT = re.compile(r"\.(el(?:[6-9]|10))", re.IGNORECASE)
_DEBIAN = re.compile(r"debian|deb1\d|-\d+-(?:cloud-|rt-)?(?:amd64|arm64)\b", re.IGNORECASE)
_COUNTED = ("el7", "el8")  # what these changed in a printed line came with a build, not with a version

# What releases end with (uname -m, or a distribution's name of it) → the folder of arch/.
_ARCH = re.compile(r"[._-](?:(aarch64|arm64)|(armv\dh?l?|armmp|armhf)|(ppc64(?:le|el)?|powerpc64le)|(s390x)|(riscv64)"
                   r"|(loong(?:arch)?64)|(mips\w*)|(i[3-6]86(?:-pae)?))(?:$|[._+-])")
_ARCH_NAMES = ("arm64", "arm", "powerpc", "s390", "riscv", "loongarch", "mips", "i386")


@dataclass(frozen=True)
class KernelRelease:
    """A kernel's release.

    ``flavour`` is the distribution, where its kernels print something else than mainline's. ``own`` is that
    distribution's count: (4, 18, 477) of "4.18.0-477.13.1.el8_8.x86_64"; elsewhere it is mainline's version.
    """

    mainline: Version  # (6, 1); (2, 6, 32) up to 2.6
    flavour: str = ""  # "el7", "debian"
    own: Version = ()


def version(text: str) -> Version:
    """``"5.10"`` → ``(5, 10)``."""
    return tuple(int(part) for part in text.split("."))


@lru_cache(maxsize=64)
def parsed(release: Optional[str], package: Optional[str] = None) -> Optional[KernelRelease]:
    """The release of ``uname -r``, and of the package's name if the report has one ("Debian 6.1.192-2"; an empty one is
    of Debian's sources).

    None if the text is no kernel's release.
    """
    match = _NUMBERS.match(release or "")
    if match is None:
        return None
    major, minor, patch, build = (int(number or 0) for number in match.groups())
    mainline: Version = (major, minor) if (major, minor) != (2, 6) else (major, minor, patch)
    flavour = "debian" if package == "" else _flavour(f"{release} {package or ''}")
    return KernelRelease(mainline, flavour, (major, minor, build) if flavour in _COUNTED else mainline)


def _flavour(text: str) -> str:
    red_hat = _RED_HAT.search(text)
    if red_hat is not None:
        return red_hat.group(1).lower()
    return "debian" if _DEBIAN.search(text) is not None else ""


def mainline(release: str) -> Version:
    """The mainline version of a kernel that runs. A release that says nothing is taken for the oldest."""
    known = parsed(release)
    return known.mainline if known is not None else ()


def arch(release: Optional[str]) -> Optional[str]:
    """The folder of arch/ that the end of a release names, where it is one that prints something of its own."""
    match = _ARCH.search(release or "")
    return None if match is None else _ARCH_NAMES[(match.lastindex or 1) - 1]
