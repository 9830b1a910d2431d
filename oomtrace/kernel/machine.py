"""What the report says of the machine, and what is needed to decode its records elsewhere."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from oomtrace import arch as archs
from oomtrace.arch import Arch
from oomtrace.errors import EXIT_NO_PROBE, OomtraceError

if TYPE_CHECKING:
    from oomtrace.facts import Facts
    from oomtrace.kernel.addresses import Resolver


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def arch() -> Arch:
    """The architecture. Raises OomtraceError if a trace cannot run on it."""
    name = os.uname().machine
    found = archs.find(name)
    if found is None:
        known = " and ".join(archs.ARCHS)
        raise OomtraceError(f"oomtrace cannot trace on {name}", f"it can on {known}", EXIT_NO_PROBE)
    return found


def page_bytes() -> int:
    """Bytes in a page of the usual size."""
    return os.sysconf("SC_PAGE_SIZE")


def possible_cpus() -> int:
    """One more than the highest CPU number that can ever come online (nr_cpu_ids)."""
    numbers = re.findall(r"\d+", _text("/sys/devices/system/cpu/possible"))
    return int(numbers[-1]) + 1 if numbers else os.cpu_count() or 1


def online_cpus() -> list[int]:
    """The numbers of the CPUs that are online."""
    cpus: list[int] = []
    for part in filter(None, _text("/sys/devices/system/cpu/online").strip().split(",")):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus or list(range(os.cpu_count() or 1))


def package() -> Optional[str]:
    """The distribution's package that the kernel is of, where it says so: "Debian 6.1.192-2"."""
    found = re.search(r"\b(Debian \S+) \(", _text("/proc/version"))
    return found.group(1) if found else None


def compiled_by_debians() -> bool:
    """Whether the compiler that made the kernel is Debian's: "gcc (Debian 12.2.0-14) 12.2.0"."""
    return "Debian" in _text("/proc/version")


def available_kb() -> int:
    """Memory that can be had without swapping (fs/proc/meminfo.c, MemAvailable); 0 if that is not known."""
    found = re.search(r"^MemAvailable: *(\d+) kB$", _text("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) if found else 0


def hardware() -> Optional[str]:
    """What "Hardware name:" says: what firmware tells (dmi_format_ids, drivers/firmware/dmi_scan.c) or, where
    there are none, the device tree (setup_machine_fdt, arch/arm64/kernel/setup.c). None: this machine has neither."""
    dmi = {name: _text(f"/sys/class/dmi/id/{name}").rstrip("\n")
           for name in ("sys_vendor", "product_name", "board_name", "bios_version", "bios_date")}
    if any(dmi.values()):
        board = f"/{dmi['board_name']}" if dmi["board_name"] else ""
        return f"{dmi['sys_vendor']} {dmi['product_name']}{board}, BIOS {dmi['bios_version']} {dmi['bios_date']}"
    names = (_text(f"/proc/device-tree/{name}").split("\0")[0] for name in ("model", "compatible"))
    return next((f"{name} (DT)" for name in names if name), None)


def current(facts: Facts) -> Facts:
    """The facts, those of them that were asked of a kernel that lists no data and may have changed asked once more."""
    return facts if facts.taint is None else _asked(facts)


def _asked(facts: Facts) -> Facts:
    return replace(facts, taint=_number("/proc/sys/kernel/tainted"), kdump=_flag("/sys/kernel/kexec_crash_loaded"))


def _number(path: str) -> Optional[int]:
    found = _text(path).strip()
    return int(found) if found.isdigit() else None


def _flag(path: str) -> bool:
    """Without the file (no CONFIG_KEXEC_CORE, no CONFIG_MEM_ALLOC_PROFILING) it is not set."""
    return _number(path) == 1


def _cma_pages() -> Optional[int]:
    found = re.search(r"^CmaTotal: *(\d+) kB$", _text("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) * 1024 // page_bytes() if found else None


def preempt_model(version: str, debugfs_mode: str, lazy: Optional[bool]) -> Optional[str]:
    """The words that preempt_model_str (kernel/sched/core.c, 6.15+) makes of the build and the running mode.

    ``version`` is uname's, ``debugfs_mode`` the text of /sys/kernel/debug/sched/preempt ("none voluntary (full)").
    ``lazy``: CONFIG_PREEMPT_LAZY, which uname does not tell; None, where it is not known, may make the words unknown.
    """
    realtime, dynamic = "PREEMPT_RT" in version, "PREEMPT_DYNAMIC" in version
    chosen = re.search(r"\((\w+)\)", debugfs_mode)
    if "PREEMPT" not in version:
        return "VOLUNTARY" if "VOLUNTARY" in version else "NONE"
    if dynamic or chosen:
        mode = chosen.group(1) if chosen else "undef"
        return f"PREEMPT_{{RT,({mode})}}" if realtime else f"PREEMPT({mode})"
    if lazy is None:
        return None
    if lazy:
        return "PREEMPT_{RT,LAZY}" if realtime else "PREEMPTLAZY"
    return "PREEMPT_RT" if realtime else "PREEMPT"


def described(facts: Facts, names: Resolver) -> Facts:
    """The facts of a kernel's build with those of this machine as it runs."""
    uname = os.uname()
    preempt: Optional[str] = None
    if names.has_function("preempt_model_str"):
        preempt = preempt_model(uname.version, _text("/sys/kernel/debug/sched/preempt"), facts.preempt_lazy)
    if not names.lists_data:
        facts = _asked(replace(facts, hardware=hardware(), cma_pages=_cma_pages()))
    return replace(
        facts,
        release=uname.release,
        version=uname.version.split(" ")[0],
        package=package() or facts.package,
        preempt=preempt,
        allocations=_flag("/proc/sys/vm/mem_profiling"),
        machine=uname.machine,
        page_kb=page_bytes() // 1024,
        host=os.environ.get("OOMTRACE_HOST") or uname.nodename or None,  # a container has a name of its own
        machine_id=_text("/etc/machine-id").strip() or None,
        boot_id=_text("/proc/sys/kernel/random/boot_id").strip() or None,
    )
