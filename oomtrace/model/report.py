"""What the kernel prints of one OOM: who asked, the call trace, the tasks, who was killed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Union

from .memory import Counters, Memcg, MemInfo, SlabCache


@dataclass(frozen=True)
class Machine:
    """What the ``CPU:`` and ``Hardware name:`` lines say of the machine (lib/dump_stack.c, dump_stack_print_info)."""

    release: Optional[str] = None  # init_utsname()->release
    version: Optional[str] = None  # init_utsname()->version up to its first blank: "#1"
    package: Optional[str] = None  # what distributions insert: "Debian 6.1.192-2"; "": it is empty
    preempt: Optional[str] = None  # 6.15+: "PREEMPT(lazy)"
    build_id: Optional[str] = None  # CONFIG_STACKTRACE_BUILD_ID
    taint: Optional[str] = None  # "Not tainted" or "Tainted: G        W " as printed
    taint_flags: Optional[str] = None  # 6.12+, own line when tainted: "[O]=OOT_MODULE, [E]=UNSIGNED_MODULE"
    kdump_loaded: Optional[bool] = None
    hardware: Optional[str] = None  # dump_stack_arch_desc_str
    page_kb: int = 4
    arch: Optional[str] = None  # the kernel's arch/ folder: "arm64"; None: unknown, or as x86 prints


@dataclass(frozen=True)
class Trigger:
    """The task whose allocation or charge invoked the OOM killer: ``current`` in dump_header (mm/oom_kill.c)."""

    comm: Optional[str] = None
    pid: Optional[int] = None  # thread id, initial namespace
    tgid: Optional[int] = None  # live only
    uid: Optional[int] = None  # effective, printed from 6.12 on
    cpu: Optional[int] = None
    gfp_mask: Optional[int] = None
    gfp_flags: Optional[str] = None  # the names as printed: "GFP_KERNEL|__GFP_ZERO"; "" for gfp_mask=0x0()
    order: Optional[int] = None  # -1: sysrq
    oom_score_adj: Optional[int] = None
    nodemask: Optional[str] = None  # node list, or "(null)"
    cpuset: Optional[str] = None  # last component of current's cpuset
    mems_allowed: Optional[str] = None  # node list
    workqueue: Optional[str] = None  # the text after "Workqueue: "
    memcg: Optional[str] = None  # path of current's memcg, live only
    oom_adj: Optional[int] = None  # 2.6.32
    sched_ext: Optional[str] = None  # the text after "Sched_ext: "
    ve: Optional[str] = None  # Virtuozzo: the container; "0" is the host


@dataclass(frozen=True)
class Frame:
    """One line of a call trace. ``reliable`` is False where the kernel prints ``?`` (arch/x86/kernel/dumpstack.c)."""

    symbol: Optional[str]  # None: the kernel knew no name
    offset: Optional[int] = None
    size: Optional[int] = None
    module: Optional[str] = None
    build_id: Optional[str] = None
    address: Optional[int] = None  # printed by 3.x and 4.x, known live
    reliable: bool = True
    stack_pointer: Optional[int] = None  # powerpc
    called: Optional[str] = None  # arm: the function that this one called
    called_address: Optional[int] = None
    called_offset: Optional[int] = None
    called_size: Optional[int] = None
    called_module: Optional[str] = None
    source: Optional[str] = None  # arm64: "C", "P": where the address is from


@dataclass(frozen=True)
class Registers:
    """User registers at the end of a trace (arch/x86/kernel/process_64.c, __show_regs)."""

    cs: Optional[int] = None
    ip: Optional[int] = None
    ip_symbol: Optional[str] = None  # kernel address: "name+0x1/0x2"
    code: Optional[str] = None  # what follows "Code: "
    ss: Optional[int] = None
    sp: Optional[int] = None
    flags: Optional[int] = None
    orig_ax: Optional[int] = None  # None where the kernel does not print it (-1)
    general: Counters = field(default_factory=dict)  # "RAX" … "R15"


@dataclass(frozen=True)
class Stack:
    """The trigger's call trace: frames and ``<TASK>``-like markers in printed order, then the registers."""

    entries: tuple[Union[Frame, str], ...] = ()  # str: a marker line as printed, "<TASK>"
    registers: Optional[Registers] = None
    registers_at: Optional[int] = None  # entries before them; None: all but the closing markers
    inner: tuple[tuple[int, Registers], ...] = ()  # exceptions within the trace: (entries before them, registers)
    raw_words: tuple[str, ...] = ()  # lines of raw stack words, verbatim: up to 4.9, on MIPS, on LoongArch


@dataclass(frozen=True)
class Task:
    """A row of the task table (mm/oom_kill.c, dump_task), and what a live trace knows of the task besides."""

    pid: int
    comm: str
    uid: Optional[int] = None
    tgid: Optional[int] = None
    total_vm_pages: Optional[int] = None
    rss_pages: Optional[int] = None
    rss_anon_pages: Optional[int] = None  # 6.8+, or live
    rss_file_pages: Optional[int] = None
    rss_shmem_pages: Optional[int] = None
    nr_ptes: Optional[int] = None
    nr_pmds: Optional[int] = None
    pgtables_bytes: Optional[int] = None
    swapents_pages: Optional[int] = None
    oom_score_adj: Optional[int] = None
    memcg: Optional[str] = None  # live only
    cpu: Optional[int] = None  # 2.6.32
    oom_adj: Optional[int] = None  # 2.6.32


@dataclass(frozen=True)
class Summary:
    """The line ``oom-kill:constraint=…`` (mm/oom_kill.c, dump_oom_victim; 5.0+)."""

    constraint: Optional[str] = None  # "CONSTRAINT_MEMCG"
    nodemask: Optional[str] = None
    cpuset: Optional[str] = None
    mems_allowed: Optional[str] = None
    global_oom: Optional[bool] = None
    oom_memcg: Optional[str] = None
    task_memcg: Optional[str] = None
    task: Optional[str] = None  # the victim's comm
    pid: Optional[int] = None
    uid: Optional[int] = None


@dataclass(frozen=True)
class Verdict:
    """``…: Kill process %d (%s) score %u or sacrifice child`` (up to 5.0): the task the kernel chose."""

    message: str
    pid: int
    comm: str
    score: int


@dataclass(frozen=True)
class Kill:
    """A ``Killed process`` line (mm/oom_kill.c, __oom_kill_process)."""

    pid: int
    comm: str
    message: Optional[str] = None  # "Memory cgroup out of memory", printed in this line from 5.1 on
    uid: Optional[int] = None
    total_vm_kb: Optional[int] = None
    anon_rss_kb: Optional[int] = None
    file_rss_kb: Optional[int] = None
    shmem_rss_kb: Optional[int] = None
    pgtables_kb: Optional[int] = None
    oom_score_adj: Optional[int] = None
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class Exiting:
    """``OOM victim %d (%s) is already exiting. Skip killing the task`` (5.9+)."""

    pid: int
    comm: str
    message: Optional[str] = None


@dataclass(frozen=True)
class Sharing:
    """``Kill process %d (%s) sharing same memory`` (up to 4.8)."""

    pid: int
    comm: str


@dataclass(frozen=True)
class Reap:
    """An ``oom_reaper:`` line. ``reaped`` False: "unable to reap"."""

    pid: int
    comm: str
    reaped: bool = True
    anon_rss_kb: Optional[int] = None
    file_rss_kb: Optional[int] = None
    shmem_rss_kb: Optional[int] = None
    time_ns: Optional[int] = None


@dataclass(frozen=True)
class Report:
    """All that the kernel prints of one OOM. Text is read into it and written from it, whatever the source."""

    machine: Machine = field(default_factory=Machine)
    trigger: Trigger = field(default_factory=Trigger)
    stack: Optional[Stack] = None
    memcg: Optional[Memcg] = None
    meminfo: Optional[MemInfo] = None
    slab: tuple[SlabCache, ...] = ()
    tasks: Optional[tuple[Task, ...]] = None  # None: no table
    summary: Optional[Summary] = None
    verdict: Optional[Verdict] = None
    kills: tuple[Kill, ...] = ()
    oom_group: Optional[str] = None  # path in "Tasks in %s are going to be killed due to memory.oom.group set"
    reaps: tuple[Reap, ...] = ()
    victim_memcg: Optional[str] = None  # "Task in %s killed as a result of limit of %s" up to 4.19, or the summary's
    callbacks_suppressed: Optional[int] = None
    no_killable: bool = False  # "Out of memory and no killable processes..."
    panic: Optional[str] = None
    exiting: Optional[Exiting] = None
    sharing: tuple[Sharing, ...] = ()
    compaction_disabled: bool = False
    slab_busy: bool = False  # "excessive unreclaimable slab but cannot dump stats"
    sysrq: bool = False  # "sysrq: Manual OOM execution"
    sysrq_ignored: bool = False  # "OOM request ignored. No task eligible"

    @property
    def victim(self) -> Optional[Kill]:
        """The first process killed."""
        return self.kills[0] if self.kills else None
