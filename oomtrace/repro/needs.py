"""Whether this machine can have a reproduction."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .cgroups import CONTROLLERS, KNOBS, Hierarchy
from .spec import MachineNeeds, Scenario

# A machine may have this much more memory than a reproduction was made for.
_SLACK = 1.5
_NODES = Path("/sys/devices/system/node")


def unmet(scenario: Scenario, hierarchy: Hierarchy, mean_it: bool) -> list[str]:
    """Why the scenario cannot or shall not be run here; empty if it can."""
    reasons = _machine(scenario.needs, hierarchy) + _taken(scenario, hierarchy)
    if scenario.dangerous and not mean_it:
        reasons.append(f"it endangers this machine ({scenario.dangerous}); --i-mean-it runs it")
    return reasons


def _taken(scenario: Scenario, hierarchy: Hierarchy) -> list[str]:
    """The cgroups that are there already: nobody asked for limits on what is in them, and none would be set back."""
    used = {KNOBS[knob].controller for cgroup in scenario.cgroups for knob in cgroup.files} | {"memory"}
    controllers = [name for name in CONTROLLERS if name in used and name in hierarchy.roots]
    return [
        f"the cgroup {cgroup.path} exists" for cgroup in scenario.cgroups
        if any(folder.exists() for folder in hierarchy.folders(cgroup.path, controllers))
    ]


def _machine(needs: MachineNeeds, hierarchy: Hierarchy) -> list[str]:
    reasons = []
    if hierarchy.version not in needs.cgroup:
        reasons.append(f"it needs cgroup v{needs.cgroup[0]}, the memory controller here is v{hierarchy.version}")
    for kernel, reason in needs.not_on.items():
        if os.uname().release.startswith(kernel + "."):
            reasons.append(f"not on kernel {kernel}: {reason}")
    memory = meminfo()
    if needs.memory_bytes is not None and memory.get("MemTotal", 0) > needs.memory_bytes * _SLACK:
        reasons.append(f"it is made for a machine of {needs.memory_bytes >> 20} MiB")
    if memory.get("SwapTotal", 0) < needs.swap_bytes * 0.9:
        reasons.append(f"it needs {needs.swap_bytes >> 20} MiB of swap")
    if needs.numa_nodes > len([name for name in os.listdir(_NODES) if re.fullmatch(r"node\d+", name)]):
        reasons.append(f"it needs {needs.numa_nodes} NUMA nodes")
    if needs.cpus is not None and needs.cpus > (os.cpu_count() or 1):
        reasons.append(f"it needs {needs.cpus} CPUs")
    return reasons


def meminfo(path: str = "/proc/meminfo") -> dict[str, int]:
    """What /proc/meminfo says, in bytes."""
    with open(path) as lines:
        entries = [line.partition(":") for line in lines]
    return {name: int(value.split()[0]) << 10 for name, _, value in entries}
