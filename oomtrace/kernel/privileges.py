"""What this process may do: its capabilities, and what a trace needs each of them for (capabilities(7)).

Tried on 5.10, 6.1, 6.12 and 7.3 by tests/check/test_check_vm.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from errno import EACCES, ENOMEM, EPERM
from pathlib import Path
from typing import Optional

from oomtrace.errors import EXIT_NOT_ROOT, OomtraceError
from oomtrace.kernel import surroundings

STATUS = Path("/proc/self/status")
UID_MAP = Path("/proc/self/uid_map")

# include/uapi/linux/capability.h
NUMBERS = {
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
# Split off from CAP_SYS_ADMIN in Linux 5.8, which still stands for them.
_PARTS_OF_ADMIN = frozenset(("CAP_BPF", "CAP_PERFMON"))


@dataclass(frozen=True)
class Need:
    """A capability, what it is for, and what is lost without it; ``loses`` None: nothing works without."""

    capability: str
    purpose: str
    loses: Optional[str]


# CAP_SYSLOG and the memory that a trace locks are not among those that are always needed: whether the kernel shows
# its symbols and how much may be locked are settings, so the kernel is asked, and an error names the capability.
# CAP_IPC_LOCK adds nothing to CAP_SYS_RESOURCE, which lifts RLIMIT_MEMLOCK. CAP_DAC_READ_SEARCH is for users other
# than root from 6.15 on, to read a word of the CPU: line in debugfs.
NEEDS = (
    Need("CAP_BPF", "to load BPF programs", None),
    Need("CAP_PERFMON", "to attach them and to let them read kernel memory", None),
    Need("CAP_SYSLOG", "to see where the kernel's symbols are", ""),
    Need("CAP_SYS_RESOURCE", "to lock memory and to be safe from the OOM killer", "safety from the OOM killer"),
)


HINT = "run it with sudo, or give it " + ", ".join(need.capability for need in NEEDS)


def effective(status: Path = STATUS) -> frozenset[str]:
    """The capabilities among ``NUMBERS`` that are in effect; all of them for root where the kernel does not tell."""
    try:
        lines = status.read_text().splitlines()
        bits = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    except (OSError, StopIteration, ValueError):
        return frozenset(NUMBERS) if _euid() == 0 else frozenset()
    held = {name for name, number in NUMBERS.items() if bits >> number & 1}
    if "CAP_SYS_ADMIN" in held:
        held |= _PARTS_OF_ADMIN
    return frozenset(held)


def _euid() -> Optional[int]:
    return os.geteuid() if hasattr(os, "geteuid") else None  # Windows has none


def missing(held: Optional[frozenset[str]] = None) -> list[Need]:
    """The needs that are not met."""
    have = effective() if held is None else held
    return [need for need in NEEDS if need.capability not in have]


def in_user_namespace(uid_map: Path = UID_MAP) -> bool:
    """Whether capabilities count only within a container: the user ids here are not those of the machine."""
    try:
        return uid_map.read_text().split() != ["0", "0", "4294967295"]
    except OSError:
        return False


def require(held: Optional[frozenset[str]] = None) -> None:
    """Raises OomtraceError that names what is missing of that without which nothing works."""
    lacking = [need for need in missing(held) if need.loses is None]
    if lacking:
        names = " and ".join(need.capability for need in lacking)
        purposes = ", ".join(need.purpose for need in lacking)
        raise OomtraceError(f"tracing the OOM killer needs root, or {names} {purposes}", HINT, EXIT_NOT_ROOT)
    if in_user_namespace():
        raise OomtraceError(
            "tracing the OOM killer needs root of the machine, and this is root of a user namespace",
            "run it outside the container, or in one without a user namespace (podman: as root)",
            EXIT_NOT_ROOT,
        )


def lacking(capability: str) -> Optional[OomtraceError]:
    """For something that the kernel has refused: the error if this process has not the capability for it."""
    if capability in effective():
        return None
    purpose = next(need.purpose for need in NEEDS if need.capability == capability)
    return OomtraceError(f"tracing the OOM killer needs root, or {capability} {purpose}", HINT, EXIT_NOT_ROOT)


def explained(error: OSError, held: Optional[frozenset[str]] = None) -> Optional[OomtraceError]:
    """What is missing, if it is for want of a capability that the kernel refuses maps, buffers or perf events."""
    have = effective() if held is None else held
    paranoid = surroundings.sysctl("kernel.perf_event_paranoid")
    if error.errno == EACCES and paranoid is not None and paranoid > 2 and "CAP_SYS_ADMIN" not in have:
        # A patch of Debian's and Ubuntu's, who have it at 3 and 4; CAP_PERFMON does not count for it.
        message = f"tracing the OOM killer needs root or CAP_SYS_ADMIN while kernel.perf_event_paranoid is {paranoid}"
        return OomtraceError(message, "run it with sudo, or sysctl kernel.perf_event_paranoid=2", EXIT_NOT_ROOT)
    # Up to 5.10 for the maps, later for the buffers: more locked memory than RLIMIT_MEMLOCK allows.
    return lacking("CAP_SYS_RESOURCE") if error.errno in (EPERM, ENOMEM) else None
