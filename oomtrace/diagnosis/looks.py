"""The check of what can be seen of processes and containers here, as one looks when a memcg nears its limit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

from oomtrace.diagnosis.rows import INFO, OK, CheckRow, listed
from oomtrace.witness.syscalls import cachestat

# Where runtimes keep what they know of containers.
RUNTIMES = {
    "Docker": "var/lib/docker/containers",
    "containerd": "run/containerd/io.containerd.runtime.v2.task",
    "podman or CRI-O": "var/lib/containers/storage",
    "LXC": "var/lib/lxc",
    "systemd-nspawn": "run/systemd/nspawn",
}
# What is read; of process 1, as it has all capabilities. What this kernel has not is left out.
READ: tuple[tuple[str, str, Callable[[Path], Any]], ...] = (
    ("executables", "proc/1/exe", os.readlink),
    ("mappings", "proc/1/smaps_rollup", Path.read_bytes),
    ("open files", "proc/1/fd", os.listdir),
    ("files of a process's root", "proc/1/root", os.listdir),
    ("pressure (PSI)", "proc/pressure/memory", Path.read_bytes),
    ("slab caches", "proc/slabinfo", Path.read_bytes),
    ("vmalloc by caller", "proc/vmallocinfo", Path.read_bytes),
    ("allocations by source line", "proc/allocinfo", Path.read_bytes),
)
_HINT = "CAP_SYS_PTRACE reads the files of other users' processes, CAP_DAC_READ_SEARCH the folders of other users"


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
    seen.append(f"page cache by {_page_cache()}")
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


def _page_cache() -> str:
    """Which call there is: asked of a descriptor that is none, as that must be refused."""
    try:
        return "mincore" if cachestat(-1) is None else "cachestat"
    except OSError:
        return "cachestat"
