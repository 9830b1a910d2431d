"""Which BPF program enters which kernel function, and what is lost where a kernel does not have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

from oomtrace.errors import EXIT_NO_PROBE, OomtraceError
from oomtrace.kernel.symbols import Symbols


@dataclass(frozen=True)
class Probe:
    """A program and the functions that it may enter, the first that exists; ``loses`` None: nothing works without."""

    program: str
    functions: tuple[str, ...]
    loses: Optional[str]
    optional: bool = False  # its absence is normal for this kernel and loses nothing
    returns: bool = False  # entered when the function returns; never one that is on the stack when a report is made
    charges: Optional[str] = None  # attached for this mode of --charges alone
    sampled: bool = False  # attached with --stacks alone, in the place of that of the same mode of --charges
    direct: Optional[str] = None  # the same for BPF's own trampoline (fentry, fexit), a fraction of a kprobe's cost
    kills: bool = False  # attached unless --kills is off
    needs: Optional[str] = None  # another function that the kernel must have for this one to be of use
    replaces: Optional[str] = None  # a program that does a part of what this one does, and is not attached beside it


# In the order in which they are attached: the beginning of an OOM last, so that none is seen only in part.
_EFFORT = "what reclaim tried"
_RELEASE = "when a victim's memory was free"
_HIGH = "who is slowed down for exceeding memory.high"
_KILLS = "who ends processes besides the OOM killer"
_CGROUP_KILL = "that a signal comes from a write to cgroup.kill"
PROBES: tuple[Probe, ...] = (
    Probe("exit_mmap_return", ("exit_mmap",), _RELEASE, returns=True),
    Probe("exit_mmap", ("exit_mmap",), _RELEASE),
    Probe("do_exit", ("do_exit",), "where the victim was in its own code"),
    Probe("oom_reaper_print", ("_printk", "printk"), "what the oom_reaper says"),
    Probe("do_send_sig_info", ("do_send_sig_info",), "who is killed for sharing the victim's memory"),
    Probe("printk_deferred", ("_printk_deferred", "printk_deferred"), "how many reports the rate limit kept back"),
    Probe("reclaim_memcg_return", ("try_to_free_mem_cgroup_pages",), "charges that fail without a kill", returns=True),
    Probe("reclaim_memcg", ("try_to_free_mem_cgroup_pages",), _EFFORT),
    Probe("reclaim_global", ("try_to_free_pages",), _EFFORT),
    Probe("vmpressure", ("vmpressure",), _EFFORT),
    Probe("over_high_return", ("schedule_timeout_killable",), _HIGH, returns=True),
    Probe("over_high", ("schedule_timeout_killable",), _HIGH),
    # 5.14+ (cgroup: introduce cgroup.kill)
    Probe("cgroup_kill_write_return", ("cgroup_kill_write",), _CGROUP_KILL, True, True, kills=True),
    Probe("cgroup_kill_write", ("cgroup_kill_write",), _CGROUP_KILL, True, kills=True),
    # 5.18 (signal: Rename send_signal send_signal_locked)
    Probe("send_signal", ("send_signal_locked", "send_signal", "__send_signal"), _KILLS, kills=True,
          replaces="do_send_sig_info"),
    Probe("charge_batch", ("page_counter_try_charge",), "who charged in the seconds before", charges="batch"),
    Probe("charge_batch_sampled", ("page_counter_try_charge",), "by which code memory was charged", charges="batch",
          sampled=True),
    Probe("charge_every", ("try_charge_memcg", "try_charge"), "who charged in the seconds before", charges="every",
          direct="charge_every_direct"),
    Probe("queue_oom_reaper", ("queue_oom_reaper", "wake_oom_reaper"), "the end of a kill is known only after a pause"),
    Probe("mem_cgroup_print_oom_group", ("mem_cgroup_print_oom_group",), "the line that announces memory.oom.group"),
    Probe("mark_oom_victim", ("mark_oom_victim",), "the sizes in the Killed line"),
    Probe("__oom_kill_process", ("__oom_kill_process",), None),
    Probe("mem_cgroup_get_oom_group", ("mem_cgroup_get_oom_group",), "reports that the kernel does not print"),
    Probe("mem_cgroup_print_oom_context", ("mem_cgroup_print_oom_context",), "the oom-kill: line"),
    Probe("dump_task", ("dump_task",), "the task table"),
    # 6.10+, CONFIG_MEM_ALLOC_PROFILING. Of lib/alloc_tag.c itself nothing can be probed, as below.
    Probe("allocation_print", ("_printk", "printk"), "where in the kernel's source most memory was allocated", True,
          needs="alloc_tag_top_users"),
    # 6.19+ (mm: memcg: dump memcg protection info on oom or alloc failures)
    Probe("mem_cgroup_show_protected_memory", ("mem_cgroup_show_protected_memory",), "the protection line", True),
    # seq_buf_do_printk (6.5+) would be nearer, but lib/ is built without ftrace and cannot be probed.
    Probe("stat_print", ("_printk", "printk"), "the memcg's statistics and the task table"),
    Probe("stat_format", ("memcg_stat_format", "memory_stat_format"), "the memcg's statistics"),
    Probe("mem_cgroup_print_oom_meminfo", ("mem_cgroup_print_oom_meminfo",), "the memcg's usage lines"),
    # Without it (no unwinder), the frames are told from other words of the stack by their values.
    Probe("unwind_get_return_address_ptr", ("unwind_get_return_address_ptr",), "where each frame lies", True),
    Probe("show_stack", ("show_stack",), "the call trace"),
    Probe("dump_header", ("dump_header",), "whether the kernel printed the report"),
    Probe("oom_kill_process", ("oom_kill_process",), None),
    # 5.10: oom_evaluate_task calls the clone alone; the function itself, as the clone's caller, serves /proc.
    Probe("oom_badness_return", ("oom_badness.part.0", "oom_badness"), "the kernel's own points of each candidate",
          returns=True, direct="oom_badness_direct"),
    Probe("oom_evaluate_task", ("oom_evaluate_task",), "the candidates"),
    # cgroup v1 alone: gone where the kernel is built without CONFIG_MEMCG_V1.
    Probe("mem_cgroup_oom_synchronize_return", ("mem_cgroup_oom_synchronize",), "the end of a wait", True, True),
    Probe("mem_cgroup_oom_synchronize", ("mem_cgroup_oom_synchronize",), "waits with OOM killing disabled", True),
    Probe("out_of_memory", ("out_of_memory",), None),
)


@dataclass(frozen=True)
class Target:
    """A probe and the symbol to attach it to on this kernel; ``symbol`` None: the kernel has none of its functions.
    ``address``: where it lies, if that is known; ``type_id``: its type in the kernel's BTF, if it can be entered
    directly."""

    probe: Probe
    symbol: Optional[str]
    address: Optional[int] = None
    type_id: Optional[int] = None


# What --charges may be.
CHARGES = ("off", "batch", "every")
# What --stacks may be.
STACKS = ("off", "near", "on")
# What --kills may be.
KILLS = ("near", "all", "off")
# That of one command: each signal that can end a process (signal(7)), since its command may get any.
KILLS_OF_COMMAND = "command"


def kill_signals(kills: str) -> int:
    """The signals that are looked at in a mode of --kills, a bit each: SIGKILL and SIGTERM, and what the kernel sends
    for a fault or a limit (SIGBUS, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS)."""
    if kills == "off":
        return 0
    return (1 << 32) - 2 if kills == KILLS_OF_COMMAND else sum(1 << number for number in (7, 9, 11, 15, 24, 25, 31))


def wanted(probe: Probe, charges: str, kills: str = "off", sampled: bool = False) -> bool:
    """Whether the probe is to be attached in a mode of --charges and one of --kills, with or without samples of who
    charges (which are taken in the mode "batch" alone)."""
    if probe.charges is not None:
        return probe.charges == charges and probe.sampled == sampled
    return not (probe.kills and kills == "off")


def chosen(targets: Iterable[Target], charges: str, kills: str = "off", sampled: bool = False) -> list[Target]:
    """Those that are to be attached in these modes, less what others replace."""
    found = [target for target in targets if wanted(target.probe, charges, kills, sampled)]
    spared = {target.probe.replaces for target in found if target.symbol is not None}
    return [target for target in found if target.probe.program not in spared]


def symbol_names() -> Iterator[str]:
    """The functions that may be entered, and those that say whether it is of use."""
    return (name for probe in PROBES for name in (*probe.functions, *filter(None, (probe.needs,))))


def find(probe: Probe, symbols: Symbols) -> Optional[str]:
    """The symbol that the probe is to enter on this kernel, compiler clones included."""
    if probe.needs is not None and symbols.function(probe.needs) is None:
        return None
    return next(filter(None, map(symbols.function, probe.functions)), None)


def resolve(symbols: Symbols, probes: tuple[Probe, ...] = PROBES) -> list[Target]:
    """Each probe's symbol on this kernel. Raises OomtraceError if one is indispensable."""
    targets = []
    for probe in probes:
        found = find(probe, symbols)
        if found is None and probe.loses is None:
            raise OomtraceError(
                f"this kernel has no function {probe.functions[0]} to probe",
                "oomtrace needs a kernel of 5.2 or later whose mm/oom_kill.c is not inlined away",
                EXIT_NO_PROBE,
            )
        targets.append(Target(probe, found))
    return targets
