"""The checks of everything but the probes: each looks at one thing, and notes what it saw in ``facts``."""

from __future__ import annotations

import os
from typing import Any, Callable

from oomtrace.arch import ARCHS
from oomtrace.diagnosis import compiler, looks
from oomtrace.diagnosis.rows import DEGRADED, IMPOSSIBLE, INFO, OK, CheckRow, listed, mib
from oomtrace.errors import OomtraceError
from oomtrace.kernel import btf, headers, ksymtab, privileges, surroundings
from oomtrace.kernel.origin import btf_path
from oomtrace.kernel.symbols import Symbols, base_address

Facts = dict[str, Any]

_CONFIG = (
    "CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_KPROBES", "CONFIG_DEBUG_INFO_BTF", "CONFIG_MEMCG",
    "CONFIG_MEMCG_V1", "CONFIG_KALLSYMS_ALL", "CONFIG_PREEMPT_DYNAMIC",
)


def kernel(facts: Facts) -> CheckRow:
    """Which kernel, and for which processor."""
    facts["config"] = {
        name: value for name, value in surroundings.kernel_config(facts["release"]).items() if name in _CONFIG
    }
    found = f"{facts['release']} {facts['machine']}, {facts['distribution'] or 'unknown distribution'}"
    if facts["machine"] not in ARCHS:
        return CheckRow("kernel", IMPOSSIBLE, found, f"oomtrace traces on {listed(tuple(ARCHS))} only")
    return CheckRow("kernel", OK, found)


def rights(facts: Facts) -> CheckRow:
    """Capabilities."""
    held = privileges.effective()
    lacking = privileges.missing(held)
    facts["capabilities"] = sorted(held)
    facts["missing_capabilities"] = [need.capability for need in lacking]
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    without = f"{who} without {listed(facts['missing_capabilities'])}"
    try:
        privileges.require(held)
    except OomtraceError as error:
        return CheckRow("privileges", IMPOSSIBLE, without if lacking else f"{who} of a user namespace", error.hint)
    losses = [need.loses for need in lacking if need.loses]
    if losses:
        return CheckRow("privileges", DEGRADED, without, f"lost: {listed(losses)}")
    return CheckRow("privileges", OK, f"{who}, with all capabilities that a trace needs")


def types(facts: Facts) -> CheckRow:
    """Where the layout of the kernel's structures comes from."""
    release, path = facts["release"], btf_path()
    tree = headers.locate(release)
    facts["headers"] = [str(root) for root in tree.roots] if tree else []
    facts["btf_bytes"] = path.stat().st_size if path.exists() else None
    if btf.load() is not None:
        return CheckRow("types", OK, f"BTF of {mib(facts['btf_bytes'])}; kernel headers are not needed")
    if tree is None:
        return CheckRow("types", IMPOSSIBLE, f"no BTF ({path}), no kernel headers",
                   f"install linux-headers-{release} (Debian, Ubuntu) or kernel-devel-{release} (Fedora)")
    if tree.release not in (None, release):
        return CheckRow("types", IMPOSSIBLE, f"no BTF ({path}); the headers in {tree.roots[0]} are for {tree.release}",
                   "install those of the running kernel")
    return CheckRow("types", OK, f"no BTF; kernel headers in {tree.roots[0]}")


def symbols(facts: Facts) -> CheckRow:
    """Whether the kernel shows where its symbols are."""
    for name in ("kptr_restrict", "perf_event_paranoid", "unprivileged_bpf_disabled"):
        facts[name] = surroundings.sysctl(f"kernel.{name}")
    setting = f"kptr_restrict={facts['kptr_restrict']}"
    try:
        shown = base_address() is not None
    except OSError as error:
        return CheckRow("symbols", IMPOSSIBLE, f"/proc/kallsyms: {error.strerror}", "is CONFIG_KALLSYMS set?")
    if shown:
        known = Symbols.load()
        if not known.lists_data:
            return _functions_alone(known)
        return CheckRow("symbols", OK, f"kallsyms shows addresses ({setting})")
    hint = "sysctl kernel.kptr_restrict=1" if facts["kptr_restrict"] == 2 else "CAP_SYSLOG shows them"
    return CheckRow("symbols", IMPOSSIBLE, f"kallsyms hides addresses ({setting})", hint)


def _functions_alone(known: Symbols) -> CheckRow:
    """Of a kernel that lists no data: whether what it exports to modules can be read."""
    found = "kallsyms shows functions alone (CONFIG_KALLSYMS_ALL=n)"
    if ksymtab.addresses(("vm_node_stat",), known):
        return CheckRow("symbols", INFO, f"{found}; data from {ksymtab.KCORE}",
                   "where the kernel prints no report, ours lacks the counts of events in a memcg's statistics")
    return CheckRow("symbols", DEGRADED, f"{found}, and {ksymtab.KCORE} cannot be read",
               "where the kernel prints no report, ours lacks the machine's memory and counts of events; it takes "
               "CAP_SYS_RAWIO and CONFIG_PROC_KCORE")


def kprobes(_facts: Facts) -> CheckRow:
    """Whether there are kprobes at all."""
    if surroundings.text(surroundings.KPROBE_PMU) is None:
        hint = "the kernel needs CONFIG_KPROBE_EVENTS, and /sys must be mounted"
        return CheckRow("kprobes", IMPOSSIBLE, f"no {surroundings.KPROBE_PMU}", hint)
    if surroundings.text(surroundings.KPROBES_ENABLED) == "0":
        return CheckRow("kprobes", IMPOSSIBLE, "switched off", f"echo 1 >{surroundings.KPROBES_ENABLED}")
    return CheckRow("kprobes", OK, "as perf events")


def lockdown(facts: Facts) -> CheckRow:
    """The kernel's lockdown."""
    mode = facts["lockdown"] = surroundings.lockdown()
    if mode == "confidentiality":
        hint = "it forbids BPF to read kernel memory; boot with lockdown=integrity"
        return CheckRow("lockdown", IMPOSSIBLE, mode, hint)
    return CheckRow("lockdown", OK, mode or "none that the kernel shows")


def cgroups(facts: Facts) -> CheckRow:
    """Which cgroup version has the memory controller."""
    mounted = facts["cgroups"] = surroundings.cgroups()
    facts["container"] = surroundings.container()
    inside = f"; in a container ({facts['container']})" if facts["container"] else ""
    serving = [name for name, memory in mounted.items() if memory]
    if serving:
        return CheckRow("cgroups", OK, f"memory controller: {listed(serving)}{inside}")
    # OOMs in memcgs that other mount namespaces see are traced all the same.
    return CheckRow("cgroups", INFO, f"no memory controller is mounted{inside}", "oomtrace run and repro need one")


def debugfs(_facts: Facts) -> CheckRow:
    """From 6.15 on, a word of the CPU: line can be learnt from debugfs alone."""
    if surroundings.text(surroundings.PREEMPT) is not None:
        return CheckRow("debugfs", OK, f"{surroundings.PREEMPT} can be read")
    if Symbols.load().function("preempt_model_str") is None:
        return CheckRow("debugfs", OK, "not needed by this kernel")
    hint = "mount -t debugfs none /sys/kernel/debug; users other than root need CAP_DAC_READ_SEARCH"
    return CheckRow("debugfs", DEGRADED, f"{surroundings.PREEMPT} cannot be read: the CPU: line may differ", hint)


LOOKS: tuple[tuple[str, Callable[[Facts], CheckRow]], ...] = (
    ("kernel", kernel),
    ("privileges", rights),
    ("types", types),
    ("symbols", symbols),
    ("kprobes", kprobes),
    ("lockdown", lockdown),
    ("cgroups", cgroups),
    ("debugfs", debugfs),
    ("witness", looks.look),
    ("bcc", compiler.look),
)
