"""Processes that are ended by a signal, and not by the OOM killer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from .word import Word


class Sent(Word):
    """How a signal came to be sent."""

    PROCESS = "process"  # kill(2) and the like
    CGROUP_KILL = "cgroup.kill"  # a process wrote to that file
    PARENT_DEATH = "parent death"  # prctl(PR_SET_PDEATHSIG)
    PID_NAMESPACE = "pid namespace"  # its init ended, so the others had to
    SECCOMP = "seccomp"
    RLIMIT_CPU = "RLIMIT_CPU"
    RLIMIT_FSIZE = "RLIMIT_FSIZE"
    MEMORY_ERROR = "memory error"  # of the hardware
    FAULT = "fault"  # an access that is not allowed, an instruction that cannot be executed
    KERNEL = "kernel"  # for another reason


@dataclass(frozen=True)
class Pressure:
    """Pressure stall information: per cent of the time in which some task, or all, waited for memory, as the kernel's
    averages over 10, 60 and 300 s had it (kernel/sched/psi.c)."""

    some_avg10: Optional[float] = None
    some_avg60: Optional[float] = None
    some_avg300: Optional[float] = None
    full_avg10: Optional[float] = None
    full_avg60: Optional[float] = None
    full_avg300: Optional[float] = None


@dataclass(frozen=True)
class MachineMemory:
    """How full the machine was."""

    ram_kb: Optional[int] = None
    free_kb: Optional[int] = None
    file_kb: Optional[int] = None  # on the LRU lists of files
    slab_reclaimable_kb: Optional[int] = None
    swap_free_kb: Optional[int] = None
    swap_total_kb: Optional[int] = None
    pressure: Optional[Pressure] = None


@dataclass(frozen=True)
class Sender:
    """The process in whose hands the signal was sent: of what the kernel sends for a fault, the victim itself."""

    pid: int
    comm: str
    command_line: Optional[str] = None  # as far as it was in memory, at most 256 bytes; arguments apart by blanks
    uid: Optional[int] = None
    memcg: Optional[str] = None
    parent_pid: Optional[int] = None
    parent_comm: Optional[str] = None


@dataclass(frozen=True)
class Signalled:
    """A process that a signal was sent to. ``fatal`` False: it had a handler, so it was asked to end."""

    pid: int
    comm: str
    signal: int
    fatal: bool
    time_ns: int
    uid: Optional[int] = None
    memcg: Optional[str] = None
    anon_rss_kb: Optional[int] = None
    file_rss_kb: Optional[int] = None
    shmem_rss_kb: Optional[int] = None
    swap_kb: Optional[int] = None
    oom_score_adj: Optional[int] = None
    code: Optional[int] = None  # si_code
    syscall: Optional[int] = None  # that seccomp did not allow
    asked_ns: Optional[int] = None  # how long before SIGTERM was sent to it
    asked_by_pid: Optional[int] = None
    asked_by_comm: Optional[str] = None


@dataclass(frozen=True)
class Killed:
    """What one task sent in one go: signals of one kind of origin, to one process or to many."""

    how: Optional[Sent] = None
    sender: Optional[Sender] = None
    victims: tuple[Signalled, ...] = ()
    pressure: Optional[Pressure] = None  # of the first victim's cgroup
    machine: Optional[MachineMemory] = None
    said: tuple[str, ...] = ()  # what the sender wrote into the journal; if it is a pod's runtime, the kubelet
    oomd_kills: Optional[int] = None  # processes that systemd-oomd has killed in that cgroup so far, as is noted there
