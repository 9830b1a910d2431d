"""The check of what can be seen of processes and containers here, as one looks when a memcg nears its limit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from oomtrace.diagnosis.rows import INFO, OK, CheckRow, listed

# Where runtimes keep what they know of containers.
RUNTIMES = {
    "Docker": "var/lib/docker/containers",
    "containerd": "run/containerd/io.containerd.runtime.v2.task",
    "podman and CRI-O": "var/lib/containers/storage",
    "LXC": "var/lib/lxc",
    "systemd-nspawn": "run/systemd/nspawn",
}
_HINT = "CAP_SYS_PTRACE reads the files of other users' processes, CAP_DAC_READ_SEARCH the folders of other users"


def look(facts: dict[str, Any], root: Path = Path("/")) -> CheckRow:
    """What can be read of process 1, which has all capabilities, and of the containers' runtimes."""
    seen, lacking = ["command lines"], []
    for name, works in (
        ("executables", lambda: os.readlink(root / "proc/1/exe")),
        ("mappings", lambda: (root / "proc/1/smaps_rollup").read_bytes()),
        ("files of a process's root", lambda: os.listdir(root / "proc/1/root")),
    ):
        try:
            works()
            seen.append(name)
        except OSError:
            lacking.append(name)
    if (root / "proc/pressure/memory").exists():
        seen.append("pressure (PSI)")
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
