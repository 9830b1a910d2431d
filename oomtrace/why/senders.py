"""Who sends signals that end processes: programs that are known for it, by the names of their processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from oomtrace.model import Killed, OomEvent, Sender, Sent

from . import names
from .finding import Process, Reason

# Linux, as x86-64 and arm64 number them (include/uapi/asm-generic/signal.h).
_SIGNALS = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG "
    "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()


class Role(Reason):
    """What a program does that ends processes."""

    SYSTEMD_OOMD = "systemd_oomd"
    EARLYOOM = "earlyoom"
    NOHANG = "nohang"
    OOMD = "oomd"
    KUBELET = "kubelet"
    EVICTION = "kubelet_eviction"
    POD = "runtime_of_pod"
    RUNTIME = "container_runtime"
    SYSTEMD = "systemd"
    OOMTRACE = "oomtrace"


# By comm, which has 15 letters at most.
_ROLES: Mapping[str, Role] = {
    "systemd-oomd": Role.SYSTEMD_OOMD,
    "earlyoom": Role.EARLYOOM,
    "nohang": Role.NOHANG,
    "oomd": Role.OOMD,
    "kubelet": Role.KUBELET,
    "systemd": Role.SYSTEMD,
    "oomtrace": Role.OOMTRACE,
    **dict.fromkeys(
        ("runc", "crun", "youki", "runsc", "conmon", "containerd", "dockerd", "podman", "crio"), Role.RUNTIME,
    ),
}
_MEMORY_KILLERS = (Role.SYSTEMD_OOMD, Role.EARLYOOM, Role.NOHANG, Role.OOMD)


def signal_name(number: int) -> str:
    """ "SIGKILL" """
    return f"SIG{_SIGNALS[number - 1]}" if 0 < number <= len(_SIGNALS) else f"signal {number}"


def role(sender: Optional[Sender]) -> Optional[Role]:
    """What the sender is known for, by the name of its process or, of a script, by that of its program."""
    if sender is None:
        return None
    words = (sender.command_line or "").split()
    programs = [word.rpartition("/")[2] for word in words[:2]]
    found = next((_ROLES[name] for name in (sender.comm, *programs) if name in _ROLES), None)
    return Role.RUNTIME if found is None and sender.comm.startswith("containerd-shim") else found


def role_in(killed: Killed) -> Optional[Role]:
    """The same for one kill: whether a container's runtime has acted for the kubelet, which manages pods."""
    found, path = role(killed.sender), killed.victims[0].memcg if killed.victims else None
    owner = names.owner(path) if path else None
    if found is not Role.RUNTIME or owner is None or owner.pod_uid is None:
        return found
    return Role.EVICTION if any("viction" in line for line in killed.said) else Role.POD


def kills_for_memory(event: OomEvent) -> bool:
    """Is it a program that kills where memory is short?"""
    return event.killed is not None and role(event.killed.sender) in _MEMORY_KILLERS


def who(sender: Sender) -> Process:
    """The sender as a process."""
    return Process(sender.pid, sender.comm)


def ends_itself(event: OomEvent) -> bool:
    """Is the sender the one victim? So it is with what the kernel sends for a fault or a limit."""
    killed = event.killed
    if killed is None or killed.sender is None:
        return False
    return {victim.pid for victim in killed.victims} == {killed.sender.pid}


def by_process(how: Optional[Sent]) -> bool:
    """Did a process want it?"""
    return how in (Sent.PROCESS, Sent.CGROUP_KILL)


def distinct(event: OomEvent) -> tuple[Process, ...]:
    """The processes that it was sent to, each once, with what they held."""
    found: dict[int, Process] = {}
    for victim in event.killed.victims if event.killed is not None else ():
        sizes = [kb for kb in (victim.anon_rss_kb, victim.file_rss_kb, victim.shmem_rss_kb) if kb is not None]
        found.setdefault(victim.pid, Process(victim.pid, victim.comm, sum(sizes) if sizes else None))
    return tuple(found.values())
