"""What around a trace decides whether it works: settings of the kernel, cgroups, containers. Nothing here raises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

LOCKDOWN = Path("/sys/kernel/security/lockdown")
KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe/type")
KPROBES_ENABLED = Path("/sys/kernel/debug/kprobes/enabled")
PREEMPT = Path("/sys/kernel/debug/sched/preempt")


def text(path: Path) -> Optional[str]:
    """A small file of the kernel, stripped; None if it is not there or may not be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def sysctl(name: str) -> Optional[int]:
    """The number that ``sysctl kernel.perf_event_paranoid`` shows."""
    value = text(Path("/proc/sys", *name.split(".")))
    return int(value) if value is not None and re.fullmatch(r"-?\d+", value) else None


def lockdown() -> Optional[str]:
    """``none``, ``integrity`` or ``confidentiality``; None where the kernel has no lockdown or does not show it."""
    chosen = re.search(r"\[(\w+)\]", text(LOCKDOWN) or "")
    return chosen.group(1) if chosen else None


def cgroups(mounts: Path = Path("/proc/self/mounts")) -> dict[str, bool]:
    """Where hierarchies are mounted that could have the memory controller, and whether they have it: {"v2 PATH": …}."""
    found: dict[str, bool] = {}
    for line in (text(mounts) or "").splitlines():
        _, path, kind, options = (line.split() + [""] * 4)[:4]
        if kind == "cgroup2":
            controllers = text(Path(path, "cgroup.controllers")) or ""
            found.setdefault(f"v2 at {path}", "memory" in controllers.split())
        elif kind == "cgroup" and "memory" in options.split(","):
            found.setdefault(f"v1 at {path}", True)
    return found


def container() -> Optional[str]:
    """What kind of container this is, as far as it tells."""
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    return text(Path("/run/systemd/container")) or None


def kernel_config(release: str) -> dict[str, str]:
    """The kernel's build options, where a file tells them."""
    for path in (Path(f"/boot/config-{release}"), Path(f"/lib/modules/{release}/config"), Path("/proc/config.gz")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if path.suffix == ".gz":
            import gzip  # late: rarely needed

            data = gzip.decompress(data)
        return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", data.decode("utf-8", "replace"), re.MULTILINE))
    return {}
