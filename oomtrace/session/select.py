"""Which events a person asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from oomtrace.model import Container, Killed, OomEvent


@dataclass(frozen=True)
class Selection:
    """Conditions that an event must meet, all of them. Patterns are shell patterns (fnmatch)."""

    cgroup: Optional[str] = None
    comm: Optional[str] = None
    pid: Optional[int] = None
    global_only: bool = False
    memcg_only: bool = False
    container: Optional[str] = None  # name, or the beginning of the id
    pod: Optional[str] = None  # NAMESPACE/NAME, or NAME

    def accepts(self, event: OomEvent) -> bool:
        """Whether the event is wanted. An event that does not tell what is asked about is not."""
        if event.killed is not None:
            return self._accepts_kill(event.killed)
        is_memcg = event.kind == "memcg"
        if (self.global_only and is_memcg) or (self.memcg_only and not is_memcg):
            return False
        report = event.report
        paths = [report.memcg.path if report.memcg else None, report.victim_memcg, report.trigger.memcg]
        if self.cgroup is not None and not _any(paths, _from_the_root(self.cgroup)):
            return False
        if (self.container is not None or self.pod is not None) and not any(map(self._is_in, _containers(event))):
            return False
        names = [event.report.trigger.comm, *(kill.comm for kill in event.report.kills)]
        if self.comm is not None and not _any(names, self.comm):
            return False
        pids = [event.report.trigger.pid, event.report.trigger.tgid, *(kill.pid for kill in event.report.kills)]
        return self.pid is None or self.pid in pids

    def _accepts_kill(self, killed: Killed) -> bool:
        """A kill by somebody else: by the victims' memcgs and names, and the sender's name and pid."""
        if self.global_only or self.memcg_only or self.container is not None or self.pod is not None:
            return False
        if self.cgroup is not None and not _any([one.memcg for one in killed.victims], _from_the_root(self.cgroup)):
            return False
        known = [(one.comm, one.pid) for one in killed.victims]
        known += [(killed.sender.comm, killed.sender.pid)] if killed.sender is not None else []
        if self.comm is not None and not _any([comm for comm, _ in known], self.comm):
            return False
        return self.pid is None or self.pid in [pid for _, pid in known]

    def _is_in(self, container: Container) -> bool:
        """Whether it is the container and the pod that are asked for."""
        if self.container is not None and not (
            _any([container.name], self.container) or container.id.startswith(self.container)
        ):
            return False
        whole = f"{container.pod_namespace}/{container.pod}" if container.pod is not None else None
        return self.pod is None or _any([whole if "/" in self.pod else container.pod], self.pod)


def _containers(event: OomEvent) -> Iterator[Container]:
    """The containers that the OOM has to do with: around or below the full memcg, the victim's, the trigger's."""
    report = event.report
    paths = [path for path in (report.memcg.path if report.memcg else None, report.victim_memcg, report.trigger.memcg)
             if path is not None]
    for look in event.witness.looks if event.witness is not None else ():
        for container in look.containers:
            at = container.cgroup
            if at is None or any(_within(path, at) for path in paths):
                yield container


def _within(path: str, at: str) -> bool:
    return path == at or path.startswith(at.rstrip("/") + "/")


def _any(values: list[Optional[str]], pattern: str) -> bool:
    return any(value is not None and fnmatchcase(value, pattern) for value in values)


def _from_the_root(pattern: str) -> str:
    """A memcg's path begins with a slash, whether a person writes it or not."""
    return pattern if pattern[:1] in ("/", "*", "?", "[") else f"/{pattern}"
