"""Asks each runtime whose container a memcg is, and remembers the answer while the memcg lives."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Optional

from oomtrace.model import Aspect, Container

from ..meter import Meter
from ..mounts import Mounts
from ..tree import Tree, plain, text
from . import containerd, docker, kubernetes, monitor, named, storage
from .candidate import Candidate, candidates
from .state import State

_KEPT = 1024  # memcgs that are remembered
_RUNTIMES = {"docker": docker, "containerd": containerd, "CRI-O": storage, "podman": storage}
_ALL = (containerd, storage, docker)


@dataclass(frozen=True)
class _Known:
    """What was found. ``inode``: of the memcg's folder, as another memcg may have the same path later; None: it was
    gone by then. ``whole`` False: there may be more to find."""

    container: Optional[Container]
    inode: Optional[int]
    whole: bool


class Containers:
    """Containers by memcg."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/") or "/"
        self._known: dict[str, _Known] = {}

    def of(self, path: str, pid: Optional[int], mounts: Mounts, meter: Meter, now_ns: int,
           folder: Optional[str] = None, early: bool = False) -> Optional[Container]:
        """The innermost container that the memcg is, or is in; one that is gone by now, as it was. ``pid``: a process
        of it. ``mounts``: this machine's. ``folder``: of the memcg. ``early``: the runtime may still be about to write
        down what it makes."""
        inode, known = _inode(folder), self._known.get(path)
        if known is not None and inode is not None and inode != known.inode:
            known = None
        if known is not None and (known.whole or inode is None):
            return known.container
        before = known.container if known is not None else None
        if meter.over(Aspect.CONTAINER, path):
            return before
        found = self._found(path, pid, mounts, meter)
        found = before if found is None or (found.name is None and before is not None) else replace(
            found, time_ns=now_ns)
        if found is not None or inode is not None:
            self._remember(path, _Known(found, inode, not early or (found is not None and found.image is not None)))
        return found

    def _remember(self, path: str, what: _Known) -> None:
        self._known.pop(path, None)
        while len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[path] = what

    def _found(self, path: str, pid: Optional[int], mounts: Mounts, meter: Meter) -> Optional[Container]:
        with Tree(os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), mounts) as tree:
            state = State(tree, meter)
            for candidate in candidates(path):
                found = self._asked(candidate, pid, state)
                if found is not None:
                    return found
        return None

    def _asked(self, candidate: Candidate, pid: Optional[int], state: State) -> Optional[Container]:
        by_name = named.find(candidate, state, [])
        if by_name is not None:
            return by_name
        if candidate.is_pod:  # its own level: all of its containers
            return kubernetes.completed(None, candidate, state)
        if candidate.id is None:
            return containerd.find(candidate, state, []) if candidate.parent else None
        homes = self._homes(candidate)
        first = _RUNTIMES.get(candidate.runtime or "")
        found = first.find(candidate, state, homes) if first is not None else None
        for runtime in _ALL if found is None else ():
            found = found or (runtime.find(candidate, state, homes) if runtime is not first else None)
        if found is None and pid is not None:
            found = monitor.find(self._root, pid, candidate, state)
        found = kubernetes.completed(found, candidate, state)
        if found is None and candidate.runtime is not None:  # the path alone
            found = Container(candidate.id, candidate.runtime, pod_uid=candidate.pod_uid, cgroup=candidate.cgroup,
                              source=candidate.cgroup)
        return found

    def _homes(self, candidate: Candidate) -> list[str]:
        """The home of the user in whose slice it is."""
        if candidate.uid is None:
            return []
        users = text(plain(f"{self._root.rstrip('/')}/etc/passwd") or b"")
        rows = (line.split(":") for line in users.splitlines())
        return [row[5] for row in rows if len(row) >= 7 and row[2] == str(candidate.uid) and row[5].startswith("/")]


def _inode(folder: Optional[str]) -> Optional[int]:
    """Of a cgroup's folder; a memcg that is made anew has another one."""
    try:
        return os.stat(folder).st_ino if folder is not None else None
    except OSError:
        return None
