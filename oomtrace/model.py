"""One OOM as data, however it became known: traced live, replayed from a capture, or read from a log.

Names are the kernel's own, units are in the names (``_kb``, ``_pages``, ``_bytes``, ``_ns``). What the source did not
tell is ``None`` (or an empty tuple), never zero. Text that comes from the kernel (``comm``, paths) is ``str`` decoded
as UTF-8 with ``surrogateescape``, so that its bytes survive a round trip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple, Union

# A counter's value by the kernel's own name for it, in the order in which the kernel prints them.
Counters = Mapping[str, int]


@dataclass(frozen=True)
class Machine:
    """What the ``CPU:`` and ``Hardware name:`` lines say of the machine (lib/dump_stack.c, dump_stack_print_info)."""

    release: Optional[str] = None  # init_utsname()->release
    version: Optional[str] = None  # init_utsname()->version up to its first blank: "#1"
    package: Optional[str] = None  # what distributions insert: "Debian 6.1.192-2"
    preempt: Optional[str] = None  # 6.15+: "PREEMPT(lazy)"
    build_id: Optional[str] = None  # CONFIG_STACKTRACE_BUILD_ID
    taint: Optional[str] = None  # "Not tainted" or "Tainted: G        W " as printed
    taint_flags: Optional[str] = None  # 6.12+, own line when tainted: "[O]=OOT_MODULE, [E]=UNSIGNED_MODULE"
    kdump_loaded: Optional[bool] = None
    hardware: Optional[str] = None  # dump_stack_arch_desc_str
    page_kb: int = 4


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

    entries: Tuple[Union[Frame, str], ...] = ()  # str: a marker line as printed, "<TASK>"
    registers: Optional[Registers] = None
    registers_at: Optional[int] = None  # entries before them; None: all but the closing markers
    inner: Tuple[Tuple[int, Registers], ...] = ()  # exceptions within the trace: (entries before them, registers)
    raw_words: Tuple[str, ...] = ()  # kernels up to 4.9: lines of raw stack words, verbatim


@dataclass(frozen=True)
class PageCounter:
    """A line ``memory: usage %llukB, limit %llukB, failcnt %lu`` (mm/memcontrol.c, mem_cgroup_print_oom_meminfo)."""

    usage_kb: Optional[int] = None
    limit_kb: Optional[int] = None
    failcnt: Optional[int] = None


@dataclass(frozen=True)
class MemcgStats:
    """The statistics printed for one memcg.

    ``unit``: "KB" for the one-line form up to 5.2 (local values, one line a descendant), "bytes" for the list of
    5.3+ (state in bytes, events as counts; hierarchical).
    """

    path: Optional[str]
    values: Counters
    unit: str


@dataclass(frozen=True)
class MemcgLevel:
    """One level from a memcg up to the root, as the structures held it (live only). ``None``: unlimited or unknown."""

    path: str
    usage_kb: Optional[int] = None
    limit_kb: Optional[int] = None  # None: no limit
    min_kb: Optional[int] = None
    low_kb: Optional[int] = None
    high_kb: Optional[int] = None
    swap_usage_kb: Optional[int] = None
    swap_limit_kb: Optional[int] = None
    oom_group: Optional[bool] = None


@dataclass(frozen=True)
class Memcg:
    """The memcg whose limit was hit (``oc->memcg``)."""

    path: Optional[str] = None
    memory: Optional[PageCounter] = None
    swap: Optional[PageCounter] = None  # cgroup v2
    memsw: Optional[PageCounter] = None  # cgroup v1: "memory+swap:"
    kmem: Optional[PageCounter] = None  # cgroup v1
    stats: Tuple[MemcgStats, ...] = ()
    levels: Tuple[MemcgLevel, ...] = ()  # live only: this memcg first, the root last
    min_protection_kb: Optional[int] = None  # "Memory cgroup min protection", 6.19+
    low_protection_kb: Optional[int] = None
    version: Optional[int] = None  # 1 or 2, where it can be told


@dataclass(frozen=True)
class Zone:
    """A populated zone of the Mem-Info part (mm/show_mem.c, show_free_areas). Counters in the unit of their name."""

    node: Optional[int]
    name: str
    counters: Counters = field(default_factory=dict)  # "free_kb", "min_kb", "local_pcp_kb", …
    lowmem_reserve_pages: Tuple[int, ...] = ()
    buddy: Tuple[Tuple[int, int, str], ...] = ()  # (free blocks, block size in kB, letters "UME") by order
    buddy_total_kb: Optional[int] = None
    all_unreclaimable: Optional[bool] = None


@dataclass(frozen=True)
class Node:
    """A ``Node N active_anon:…`` line."""

    node: int
    counters: Counters = field(default_factory=dict)  # "active_anon_kb", …
    all_unreclaimable: Optional[bool] = None


@dataclass(frozen=True)
class HugePages:
    """A ``Node N hugepages_total=…`` line (mm/hugetlb.c)."""

    node: Optional[int]
    total: int
    free: int
    surp: int
    size_kb: int


@dataclass(frozen=True)
class PerCpuRow:
    """A line ``CPU    0: hi:  186, btch:  31 usd:   0`` (up to 4.0)."""

    cpu: int
    hi: int
    btch: int
    usd: int


@dataclass(frozen=True)
class PerCpuLists:
    """A ``Node 0 DMA per-cpu:`` line and its rows (up to 4.0)."""

    node: Optional[int]
    name: str
    rows: Tuple[PerCpuRow, ...] = ()


@dataclass(frozen=True)
class Allocation:
    """A row under ``Memory allocations:`` (mm/show_mem.c, CONFIG_MEM_ALLOC_PROFILING)."""

    size: str  # as printed: "16.9 MiB"
    calls: int
    file: str
    line: int
    function: str
    module: Optional[str] = None


@dataclass(frozen=True)
class MemInfo:
    """The ``Mem-Info:`` part of an OOM that is not a memcg's."""

    counters: Counters = field(default_factory=dict)  # the first record: "active_anon_pages", …
    nodes: Tuple[Node, ...] = ()
    zones: Tuple[Zone, ...] = ()
    hugepages: Tuple[HugePages, ...] = ()
    tail: Counters = field(default_factory=dict)  # "pagecache_pages", "free_swap_kb", "ram_pages", …
    per_cpu: Tuple[PerCpuLists, ...] = ()
    allocations: Optional[Tuple[Allocation, ...]] = None
    profiling: Optional[bool] = None  # "(profiling is currently turned on)"


@dataclass(frozen=True)
class SlabCache:
    """A row under ``Unreclaimable slab info:`` (mm/slab_common.c, dump_unreclaimable_slab)."""

    name: str
    used_kb: int
    total_kb: int


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
class Candidate:
    """A task that the kernel weighed (oom_evaluate_task), in the order in which it did (live only).

    ``points`` is what oom_badness() gave for it, where that is known from the kernel itself; ``skipped`` says in the
    kernel's terms why it could not be chosen (``oom_score_adj``, ``MMF_OOM_SKIP``, ``in_vfork``, ``no mm``).
    """

    task: Task
    points: Optional[int] = None
    skipped: Optional[str] = None


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
class Growth:
    """What one process charged to a memcg in the time before the OOM (live only)."""

    pid: int
    comm: str
    charged_pages: int
    memcg: Optional[str] = None
    window_ns: Optional[int] = None  # how long before the OOM counting began


@dataclass(frozen=True)
class Reclaim:
    """What the kernel tried before it gave up and killed (live only)."""

    attempts: Optional[int] = None
    scanned_pages: Optional[int] = None
    reclaimed_pages: Optional[int] = None
    time_ns: Optional[int] = None  # spent in it


@dataclass(frozen=True)
class Release:
    """When a killed process had given its memory back, and how (live only; mm/mmap.c, exit_mmap)."""

    pid: int
    by: str  # "exit", "oom_reaper"
    time_ns: int
    freed_pages: Optional[int] = None  # anonymous ones: file and shmem pages need not go with the process


@dataclass(frozen=True)
class Wait:
    """cgroup v1 with OOM killing disabled: the task sleeps until there is room (mm/memcontrol.c,
    mem_cgroup_oom_synchronize; live only)."""

    over: bool  # False: it has begun
    time_ns: Optional[int] = None  # how long it took, once it is over


@dataclass(frozen=True)
class Failure:
    """A charge that failed with -ENOMEM, and nobody was killed for it (mm/memcontrol.c, try_charge; live only)."""

    suppressed: int = 0  # such failures in the same memcg since the last that was reported


@dataclass(frozen=True)
class Line:
    """One line of a report that was read, at its place: the row that reads it and which item of the event it shows.

    ``row`` None: no row reads it; it is kept as ``text``. Otherwise ``index`` picks among repeated items (tasks,
    frames, zones, kills) and the text is made again from the model.
    """

    number: int  # line number in the input, from 1
    row: Optional[str] = None  # key of formats.ROWS
    index: Optional[int] = None
    text: Optional[str] = None
    time_ns: Optional[int] = None
    prefix: Optional[str] = None


@dataclass(frozen=True)
class OomEvent:
    """One OOM from the decision that there is one to the kill, as far as the source tells."""

    kind: Optional[str] = None  # "memcg", "global", "cpuset", "mempolicy", "sysrq"
    source: str = "log"  # "live", "capture", "log"
    machine: Machine = field(default_factory=Machine)
    trigger: Trigger = field(default_factory=Trigger)
    stack: Optional[Stack] = None
    memcg: Optional[Memcg] = None
    meminfo: Optional[MemInfo] = None
    slab: Tuple[SlabCache, ...] = ()
    tasks: Optional[Tuple[Task, ...]] = None  # None: no table
    summary: Optional[Summary] = None
    verdict: Optional[Verdict] = None
    kills: Tuple[Kill, ...] = ()
    oom_group: Optional[str] = None  # path in "Tasks in %s are going to be killed due to memory.oom.group set"
    reaps: Tuple[Reap, ...] = ()
    victim_memcg: Optional[str] = None  # "Task in %s killed as a result of limit of %s" up to 4.19, or the summary's
    callbacks_suppressed: Optional[int] = None
    no_killable: bool = False  # "Out of memory and no killable processes..."
    panic: Optional[str] = None
    exiting: Optional[Exiting] = None
    sharing: Tuple[Sharing, ...] = ()
    compaction_disabled: bool = False
    slab_busy: bool = False  # "excessive unreclaimable slab but cannot dump stats"
    sysrq_ignored: bool = False  # "OOM request ignored. No task eligible"
    lines: Tuple[Line, ...] = ()  # how a log had it; empty for live events
    missing: Tuple[str, ...] = ()  # parts that the source should have and has not: "task table"

    # What only a live trace knows.
    oom_id: Optional[int] = None
    totalpages: Optional[int] = None
    chosen_points: Optional[int] = None
    candidates: Tuple[Candidate, ...] = ()
    printed: Optional[bool] = None  # did the kernel print this report
    unprinted_reason: Optional[str] = None  # "rate limit", …
    tasks_printed: Optional[bool] = None  # did its report have the task table (vm.oom_dump_tasks)
    begin_ns: Optional[int] = None  # boot clock, out_of_memory entered
    wait: Optional[Wait] = None  # nobody is killed: OOM killing is disabled in this memcg
    failure: Optional[Failure] = None  # nobody is killed: the charge is one that may fail
    charges: Optional[str] = None  # how charges were watched: "batch", "every"; "off": growth is not known
    times_ns: Mapping[str, int] = field(default_factory=dict)  # sampling time by part: "header", "stack", "tasks", …
    records_lost: Optional[int] = None
    growth: Tuple[Growth, ...] = ()
    reclaim: Optional[Reclaim] = None
    releases: Tuple[Release, ...] = ()
    followed_ns: Optional[int] = None  # from this OOM to the next in the same memcg, if it came while this was in hand

    @property
    def is_oom(self) -> bool:
        """False for what a trace reports besides: a task that waits, a charge that fails. Nobody is killed then."""
        return self.wait is None and self.failure is None

    @property
    def incomplete(self) -> bool:
        """True if something that belongs to the event is known to be absent."""
        return bool(self.missing) or bool(self.records_lost)

    @property
    def victim(self) -> Optional[Kill]:
        """The first process killed."""
        return self.kills[0] if self.kills else None
