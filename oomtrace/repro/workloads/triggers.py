"""What makes an OOM without allocating: writes to the kernel's files."""

from __future__ import annotations

from . import Self, workload


@workload
def write(me: Self, file: str, value: str, cgroup: str = "/") -> None:
    """Write to a file of a cgroup."""
    with open(me.file_of(cgroup, file), "w") as stream:
        stream.write(value)


@workload
def sysrq(me: Self, key: str) -> None:
    """Press a magic SysRq key: ``f`` is the OOM killer."""
    with open("/proc/sysrq-trigger", "w") as stream:
        stream.write(key)
