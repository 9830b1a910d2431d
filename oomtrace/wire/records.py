"""The records of ``bpf/records.h`` as Python types.

That header is the one definition of them: what each field means, and its unit, stands there, and a test compares it
with this file. The layout in memory is read from the header itself, or from the copy that a capture carries
(``layout.py``); here is what mypy needs to know, and what a record of an earlier version lacks: such a field has a
default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum


class RecordKind(IntEnum):
    """What a record tells of: ``enum record_kind``, without its ``REC_``."""

    OTHER = 0  # of a later version, whose capture this one reads
    BEGIN = 1
    CANDIDATE = 2
    CHOSEN = 3
    HEADER = 4
    STACK = 5
    STACK_PIECE = 6
    COUNTERS = 7
    STATS = 8
    PROTECTION = 9
    TASK = 10
    SUMMARY = 11
    KILL = 12
    KILLED = 13
    GROUP = 14
    DONE = 15
    MEMCG = 16
    NO_VICTIM = 17
    WAIT = 18
    VICTIM = 21
    MEMORY = 22
    NODE = 23
    ZONE = 24
    FORMAT = 25
    PRINT = 26
    WAITED = 30
    USAGE = 31
    CHARGED = 32
    EFFORT = 33
    FAILED = 34
    RELEASED = 35
    REAPED = 36
    SIGNALLED = 37
    SUPPRESSED = 38
    FRAME = 39
    KILL_LINE = 40
    BADNESS = 41
    NEAR = 42
    HISTORY = 43
    WHO = 44
    TRACE_LINE = 48
    STATS_TEXT = 49
    USER_STACK = 50
    USER_PIECE = 51
    SAMPLE = 52
    PYTHON = 53
    ALLOCATION = 54
    SENDER = 60
    SIGNAL = 61
    THROTTLED = 62


Chars = Sequence[int]  # a char array; layout.text_of makes text of it


class Struct:
    """A struct of the header: an object that ctypes laid out, with the members as attributes."""

    __slots__ = ()


class RecHeader(Struct):
    kind: int
    seq: int
    oom_id: int
    time_ns: int


class TaskRow(Struct):
    task: int
    memcg: int
    mm: int
    total_vm: int
    file_pages: int
    anon_pages: int
    swap_entries: int
    shmem_pages: int
    pgtables_bytes: int
    pid: int
    tgid: int
    uid: int
    oom_score_adj: int
    flags: int
    group_pid: int
    comm: Chars


class Counter(Struct):
    usage: int
    max: int
    failcnt: int


class RecBegin(Struct):
    header: RecHeader
    waiting_since_ns: int
    memcg: int
    trigger_memcg: int
    pid: int
    tgid: int
    uid: int
    oom_score_adj: int
    gfp_mask: int
    order: int
    comm: Chars


class RecReport(Struct):
    header: RecHeader
    totalpages: int
    chosen_points: int
    memcg: int
    gfp_mask: int
    order: int
    constraint: int
    has_nodemask: int
    nodemask: Sequence[int]
    dump_tasks: int = -1


class RecStack(Struct):
    header: RecHeader
    sp: int
    stack_top: int
    cpu: int
    pid: int
    uid: int
    frame_bytes: int
    taint: int
    kdump: int
    has_regs: int
    code_error: int
    regs: Sequence[int]
    work_func: int
    workqueue: Chars
    work_desc: Chars
    hardware: Chars
    code: Sequence[int]
    frames: Sequence[int]
    fault_ip: int = 0
    fault_code_error: int = 0
    fault_code: Sequence[int] = ()


class RecStackPiece(Struct):
    header: RecHeader
    address: int
    bytes: Sequence[int]


class RecMemcg(Struct):
    header: RecHeader
    memcg: int
    parent: int
    memory: Counter
    swap: Counter
    memsw: Counter
    kmem: Counter
    min: int
    low: int
    high: int
    children_min_usage: int
    children_low_usage: int
    events_max: int
    events_swap_max: int
    on_dfl: int
    oom_group: int
    name: Chars


class RecStats(Struct):
    header: RecHeader
    memcg: int
    state_len: int
    events_len: int
    state_index_width: int
    events_index_width: int
    state: Sequence[int]
    events: Sequence[int]
    state_index: Sequence[int]
    events_index: Sequence[int]


class RecTask(Struct):
    header: RecHeader
    totalpages: int
    chosen: int
    chosen_points: int
    row: TaskRow
    message: Chars


class RecSummary(Struct):
    header: RecHeader
    memcg: int
    victim_memcg: int
    mems_allowed: Sequence[int]
    pid: int
    uid: int
    comm: Chars
    cpuset: Chars


class RecUsage(Struct):
    header: RecHeader
    usage_kb: int
    limit_kb: int
    failcnt: int
    line: int


class RecGroup(Struct):
    header: RecHeader
    memcg: int


class RecFrame(Struct):
    header: RecHeader
    address: int


class RecStatsText(Struct):
    header: RecHeader
    memcg: int
    text: Chars


class RecTraceLine(Struct):
    header: RecHeader
    address: int
    source: int
    fgraph: int
    kretprobe: int


class RecKillLine(Struct):
    header: RecHeader
    total_vm_kb: int
    anon_kb: int
    file_kb: int
    shmem_kb: int
    pgtables_kb: int
    pid: int


class RecMemory(Struct):
    header: RecHeader
    mems_allowed: Sequence[int]
    node_stat: Sequence[int]
    zone_stat: Sequence[int]
    free_swap: int
    total_swap: int
    swapcache: int
    swapcache_info: Sequence[int]
    poisoned: int
    cma: int


class Hugepages(Struct):
    order: int
    total: int
    free: int
    surp: int


class RecNode(Struct):
    header: RecHeader
    node: int
    has_memory: int
    kswapd_failures: int
    hstates: int
    hugepages: Sequence[Hugepages]
    stat: Sequence[int]


class RecZone(Struct):
    header: RecHeader
    node: int
    zone: int
    watermark: Sequence[int]
    boost: int
    reserved_highatomic: int
    free_highatomic: int
    present: int
    managed: int
    free_pcp: int
    local_pcp: int
    lowmem_reserve: Sequence[int]
    stat: Sequence[int]
    name: Chars
    reserves: int
    free_area: int
    areas: Sequence[int]


class RecFormat(Struct):
    header: RecHeader
    format: int
    text: Chars


class RecPrint(Struct):
    header: RecHeader
    format: int
    count: int
    args: Sequence[int]
    string: Chars


class RecAllocation(Struct):
    header: RecHeader
    calls: int
    line: int
    size: Chars
    module: Chars
    function: Chars
    file: Chars
    bytes: int = 0


class RecBadness(Struct):
    header: RecHeader
    points: int
    pid: int


class RecDone(Struct):
    header: RecHeader
    pid: int


class RecSuppressed(Struct):
    header: RecHeader
    callbacks: int


class RecCharged(Struct):
    header: RecHeader
    memcg: int
    pages: int
    since_ns: int
    tgid: int
    pid: int = 0
    comm: Chars
    slot_pages: Sequence[int] = ()


class RecUserStack(Struct):
    header: RecHeader
    role: int
    tgid: int
    pid: int
    registers_bytes: int
    sp: int
    end: int
    comm: Chars
    registers: Sequence[int]


class RecUserPiece(Struct):
    header: RecHeader
    address: int
    pid: int
    length: int
    memory: Sequence[int]


class RecSample(Struct):
    header: RecHeader
    pages: int
    memcgs: Sequence[int]
    tgid: int
    pid: int
    registers_bytes: int
    length: int
    interrupt: int
    sp: int
    end: int
    comm: Chars
    kernel: Sequence[int]
    registers: Sequence[int]
    memory: Sequence[int]


class PythonFrame(Struct):
    code: int
    instruction: int
    owner: Sequence[int]
    entry: Sequence[int]


class RecPython(Struct):
    header: RecHeader
    pid: int
    count: int
    running: Sequence[PythonFrame]


class RecEffort(Struct):
    header: RecHeader
    since_ns: int
    scanned_pages: int
    reclaimed_pages: int
    attempts: int
    suppressed: int
    frames: Sequence[int]


class RecReleased(Struct):
    header: RecHeader
    mm: int
    anon_pages: int
    tgid: int


class RecReaped(Struct):
    header: RecHeader
    anon_kb: int
    file_kb: int
    shmem_kb: int
    pid: int
    reaped: int
    comm: Chars


class RecNear(Struct):
    header: RecHeader
    memcg: int
    usage: int
    max: int
    tgid: int
    cause: int
    names_len: int
    names: Chars


class Moment(Struct):
    slot: int
    pages: int


class RecHistory(Struct):
    header: RecHeader
    memcg: int
    seconds: Sequence[Moment]
    minutes: Sequence[Moment]


class RecWho(Struct):
    header: RecHeader
    start_ns: int
    start_boot_ns: int
    parent_start_ns: int
    tgid: int
    parent_tgid: int
    uid: int
    loginuid: int
    sessionid: int
    level: int
    pids: Sequence[int]
    exe_deleted: int
    exe_cut: int
    exe_len: int
    masked: int
    cmdline_len: int
    cmdline_full_len: int
    comm: Chars
    parent_comm: Chars
    exe: Chars
    cmdline: Chars


class Pressure(Struct):
    some: Sequence[int]
    full: Sequence[int]


class RecSender(Struct):
    header: RecHeader
    memcg: int
    ram_pages: int
    free_pages: int
    file_pages: int
    slab_reclaimable_pages: int
    free_swap_pages: int
    total_swap_pages: int
    pressure: Pressure
    pid: int
    tgid: int
    uid: int
    parent_tgid: int
    flags: int
    args_bytes: int
    comm: Chars
    parent_comm: Chars
    args: Chars


class RecThrottled(Struct):
    header: RecHeader
    memcg: int
    slept_ns: int
    sleeps: int
    tgid: int
    uid: int
    comm: Chars


class RecSignal(Struct):
    header: RecHeader
    row: TaskRow
    pressure: Pressure
    asked_ns: int
    rlimit_cpu_s: int
    asked_by: int
    signal: int
    code: int
    syscall: int
    sent_from: int
    fatal: int
    asked_by_comm: Chars


_NAMES: Mapping[str, type[Struct]] = {
    re.sub(r"(?<!^)([A-Z])", r"_\1", struct.__name__).lower(): struct for struct in Struct.__subclasses__()
}


def struct_of(name: str) -> type[Struct]:
    """The type of a struct by its name in the header; Struct itself for one that this version does not know."""
    return _NAMES.get(name, Struct)


# Kinds that share a struct; every other REC_X has a struct rec_x.
_SHARED = {
    RecordKind.WAIT: "rec_begin",
    RecordKind.WAITED: "rec_begin",
    RecordKind.FAILED: "rec_begin",
    RecordKind.CHOSEN: "rec_report",
    RecordKind.HEADER: "rec_report",
    RecordKind.NO_VICTIM: "rec_report",
    RecordKind.COUNTERS: "rec_memcg",
    RecordKind.PROTECTION: "rec_memcg",
    RecordKind.CANDIDATE: "rec_task",
    RecordKind.VICTIM: "rec_task",
    RecordKind.KILL: "rec_task",
    RecordKind.KILLED: "rec_task",
    RecordKind.SIGNALLED: "rec_task",
}


def struct_name(kind: RecordKind) -> str:
    """The name in the header of the struct that a record of that kind is."""
    return _SHARED.get(kind, f"rec_{kind.name.lower()}")
