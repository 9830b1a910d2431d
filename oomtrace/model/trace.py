"""What only a live trace knows of an OOM, and a capture keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from .history import UsageHistory
from .report import Task
from .word import Word


class Unprinted(Word):
    """Why the kernel printed no report of a kill."""

    RATE_LIMIT = "rate limit"  # of oom_kill_process(): 10 reports in 5 s
    EXITING = "victim already exiting"  # task_will_free_mem()


@dataclass(frozen=True)
class MemcgLevel:
    """One level from a memcg up to the root, as the structures held it. ``None``: unlimited or unknown."""

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
class Candidate:
    """A task that the kernel weighed (oom_evaluate_task), in the order in which it did.

    ``points`` is what oom_badness() gave for it, where that is known from the kernel itself; ``skipped`` says in the
    kernel's terms why it could not be chosen (``oom_score_adj``, ``MMF_OOM_SKIP``, ``in_vfork``, ``no mm``).
    """

    task: Task
    points: Optional[int] = None
    skipped: Optional[str] = None


@dataclass(frozen=True)
class Growth:
    """What one process charged to a memcg in the time before the OOM."""

    pid: int
    comm: str
    charged_pages: int
    memcg: Optional[str] = None
    window_ns: Optional[int] = None  # how long before the OOM counting began
    by_second_pages: tuple[int, ...] = ()  # the same in stretches of 2^30 ns from then on; the last ends with the OOM


@dataclass(frozen=True)
class Reclaim:
    """What the kernel tried before it gave up and killed."""

    attempts: Optional[int] = None
    scanned_pages: Optional[int] = None
    reclaimed_pages: Optional[int] = None
    time_ns: Optional[int] = None  # spent in it


@dataclass(frozen=True)
class Release:
    """When a killed process had given its memory back, and how (mm/mmap.c, exit_mmap)."""

    pid: int
    by: str  # "exit", "oom_reaper"
    time_ns: int
    freed_pages: Optional[int] = None  # anonymous ones: file and shmem pages need not go with the process


@dataclass(frozen=True)
class Wait:
    """cgroup v1 with OOM killing disabled: the task sleeps until there is room (mm/memcontrol.c,
    mem_cgroup_oom_synchronize)."""

    over: bool  # False: it has begun
    time_ns: Optional[int] = None  # how long it took, once it is over


@dataclass(frozen=True)
class Failure:
    """A charge that failed with -ENOMEM, and nobody was killed for it (mm/memcontrol.c, try_charge)."""

    suppressed: int = 0  # such failures in the same memcg since the last that was reported


@dataclass(frozen=True)
class Throttle:
    """A process that slept for having charged above memory.high, again and again (mm/memcontrol.c,
    mem_cgroup_handle_over_high). Nobody is killed. Its end is that it has not slept so for some seconds."""

    slept_ns: int
    span_ns: int  # from the first sleep to the end of the last
    sleeps: int


@dataclass(frozen=True)
class Trace:
    """What only a trace knows of an OOM: how the kernel decided, what came before and after, and what was lost.

    Of an OOM that was read from a log all of it is absent.
    """

    oom_id: Optional[int] = None
    totalpages: Optional[int] = None
    chosen_points: Optional[int] = None
    candidates: tuple[Candidate, ...] = ()
    printed: Optional[bool] = None  # did the kernel print this report
    unprinted_reason: Optional[Unprinted] = None
    tasks_printed: Optional[bool] = None  # did its report have the task table (vm.oom_dump_tasks)
    begin_ns: Optional[int] = None  # boot clock, out_of_memory entered
    wait: Optional[Wait] = None  # nobody is killed: OOM killing is disabled in this memcg
    failure: Optional[Failure] = None  # nobody is killed: the charge is one that may fail
    throttle: Optional[Throttle] = None  # nobody is killed: a process was slowed down
    levels: tuple[MemcgLevel, ...] = ()  # the full memcg first, the root last
    charges: Optional[str] = None  # how charges were watched: "batch", "every"; "off": growth is not known
    times_ns: Mapping[str, int] = field(default_factory=dict)  # sampling time by part: "header", "stack", "tasks", …
    records_lost: Optional[int] = None
    growth: tuple[Growth, ...] = ()
    # Of memcgs with a limit: the full one, those above it, the victim's; then of the largest below the full one.
    history: tuple[UsageHistory, ...] = ()
    reclaim: Optional[Reclaim] = None
    releases: tuple[Release, ...] = ()
    followed_ns: Optional[int] = None  # from this OOM to the next in the same memcg, if it came while this was in hand
