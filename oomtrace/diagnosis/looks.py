"""The check of what can be seen of processes and containers here, as one looks when a memcg nears its limit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Optional

from oomtrace.diagnosis.rows import INFO, OK, CheckRow, listed
from oomtrace.witness import syscalls
from oomtrace.witness.cache import tells_of_others

# Where runtimes keep what they know of containers.
RUNTIMES = {
    "Docker": "var/lib/docker/containers",
    "containerd": "run/containerd/io.containerd.runtime.v2.task",
    "podman or CRI-O": "var/lib/containers/storage",
    "LXC": "var/lib/lxc",
    "systemd-nspawn": "run/systemd/nspawn",
}


def _opened(folder: Path) -> None:
    for number in os.listdir(folder)[:1]:
        os.readlink(folder / number)
    for process in folder.parents[1].glob("[0-9]*"):
        if process.stat().st_uid != os.geteuid():
            os.listdir(process / "fd")
            return


def _duplicated(process: Path) -> None:
    pidfd = syscalls.pidfd_open(int(process.name))
    try:
        for number in os.listdir(process / "fd")[:1]:
            os.close(syscalls.pidfd_getfd(pidfd, int(number)))
    finally:
        os.close(pidfd)


# What is read; of process 1, as it has all capabilities, or of one of another user. What this kernel has not is left
# out.
READ: tuple[tuple[str, str, Callable[[Path], Any]], ...] = (
    ("executables", "proc/1/exe", os.readlink),
    ("mappings", "proc/1/smaps_rollup", Path.read_bytes),
    ("open files", "proc/1/fd", _opened),
    ("sockets and pipes", "proc/1", _duplicated),
    ("files of a process's root", "proc/1/root", os.listdir),
    ("pressure (PSI)", "proc/pressure/memory", Path.read_bytes),
    ("slab caches", "proc/slabinfo", Path.read_bytes),
    ("vmalloc by caller", "proc/vmallocinfo", Path.read_bytes),
    ("allocations by source line", "proc/allocinfo", Path.read_bytes),
)
_HINT = ("CAP_SYS_PTRACE reads the files of other users' processes, CAP_DAC_READ_SEARCH the folders of other users, "
         "CAP_FOWNER what is cached of their files; a filter of system calls must let pidfd_getfd and mincore pass")


def look(facts: dict[str, Any], root: Path = Path("/")) -> CheckRow:
    """What can be read of processes, of the kernel's memory, and of the containers' runtimes."""
    seen, lacking = ["command lines"], []
    for name, path, read in READ:
        try:
            read(root / path)
            seen.append(name)
        except FileNotFoundError:
            lacking += [name] if path.startswith("proc/1/") else []  # processes of others may be hidden
        except OSError:
            lacking.append(name)
    call = _page_cache()
    if call is None:
        lacking.append("page cache")
    else:
        seen.append(f"page cache by {call}")
        lacking += [] if tells_of_others() else ["page cache of files of other users"]
    runtimes = []
    for runtime, folder in RUNTIMES.items():
        try:
            os.listdir(root / folder)
            runtimes.append(runtime)
        except FileNotFoundError:
            continue
        except OSError:
            lacking.append(f"containers of {runtime}")
    facts["witness"] = {"seen": seen, "lacking": lacking, "runtimes": runtimes}
    found = f"can be read: {listed(seen)}; container runtimes here: {listed(runtimes) or 'none'}"
    if lacking:
        return CheckRow("witness", INFO, f"{found}; not: {listed(lacking)}", _HINT)
    return CheckRow("witness", OK, found)


def _page_cache() -> Optional[str]:
    """Which call there is, None if none is permitted."""
    with open("/proc/self/exe", "rb") as file:
        try:
            if syscalls.cachestat(file.fileno()) is not None:
                return "cachestat"
        except PermissionError:  # a filter of system calls that does not know it; or of a file of others
            pass
        try:
            syscalls.mincore(file.fileno(), 0, 4096)
        except OSError:
            return None
        return "mincore"
