"""What a person reads first of a kill by somebody else than the OOM killer; as statements."""

from __future__ import annotations

from collections.abc import Mapping

from oomtrace.model import Killed, OomEvent, Sent

from . import senders
from .finding import Reason, Statement, facts


class Ended(Reason):
    KILLED_BY = "killed_by"
    ASKED_BY = "asked_by"
    EVICTED = "evicted"
    ITSELF = "itself"
    CGROUP_KILL = "cgroup_kill"
    PARENT_DEATH = "parent_death"
    PID_NAMESPACE = "pid_namespace"
    SECCOMP = "seccomp"
    RLIMIT_CPU = "rlimit_cpu"
    RLIMIT_FSIZE = "rlimit_fsize"
    MEMORY_ERROR = "memory_error"
    FAULT = "fault"
    KERNEL = "kernel"
    UNKNOWN = "ended_unknown"


_BY_KERNEL: Mapping[Sent, Ended] = {
    Sent.PARENT_DEATH: Ended.PARENT_DEATH,
    Sent.PID_NAMESPACE: Ended.PID_NAMESPACE,
    Sent.SECCOMP: Ended.SECCOMP,
    Sent.RLIMIT_CPU: Ended.RLIMIT_CPU,
    Sent.RLIMIT_FSIZE: Ended.RLIMIT_FSIZE,
    Sent.MEMORY_ERROR: Ended.MEMORY_ERROR,
    Sent.FAULT: Ended.FAULT,
    Sent.KERNEL: Ended.KERNEL,
}


def headline(event: OomEvent, killed: Killed) -> tuple[Statement, ...]:
    """Who ended whom, and with which signal."""
    victims = senders.distinct(event)
    if not victims:
        return (Statement(Ended.UNKNOWN),)
    first, one = killed.victims[0], len(victims) == 1
    known = facts(
        sender=senders.who(killed.sender) if killed.sender is not None else None,
        victim=victims[0],
        others=len(victims) - 1 or None,
        signal=senders.signal_name(first.signal),
        held_kb=(victims[0].kb or None) if one else None,
        memcg__path=first.memcg,
        syscall=first.syscall,
    )
    return (Statement(_what(event, killed), known),)


def _what(event: OomEvent, killed: Killed) -> Ended:
    if killed.how is Sent.CGROUP_KILL:
        return Ended.CGROUP_KILL
    if killed.how is not None and killed.how in _BY_KERNEL:
        return _BY_KERNEL[killed.how]
    if senders.ends_itself(event):
        return Ended.ITSELF
    if senders.role_in(killed) is senders.Role.EVICTION:
        return Ended.EVICTED
    return Ended.KILLED_BY if any(victim.fatal for victim in killed.victims) else Ended.ASKED_BY
