"""What the monitor of a container says of it in its own command line: conmon and containerd's shim are parents of a
container's first process, and live as long as it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from oomtrace.model import Container

from .. import proc
from ..proc import Process
from ..tree import text
from . import storage
from .candidate import Candidate
from .state import State

_GENERATIONS = 12  # from a process in a container to the monitor
_CMDLINE = 1 << 14


def find(root: str, pid: int, candidate: Candidate, state: State) -> Optional[Container]:
    """The container of which a process is, by the first of its ancestors that is a monitor."""
    for _ in range(_GENERATIONS):
        try:
            with Process(root, pid) as process:
                stat = proc.stat(process)
                if stat is None:
                    return None
                if stat.comm == "conmon":
                    return _conmon(_arguments(process), pid, candidate, state)
        except OSError:
            return None
        if not stat.parent or stat.parent == 1:
            return None
        pid = stat.parent
    return None


def _arguments(process: Process) -> list[str]:
    data = process.read("cmdline", _CMDLINE) or b""
    return [text(each) for each in data.rstrip(b"\0").split(b"\0")]


def _conmon(arguments: Sequence[str], pid: int, candidate: Candidate, state: State) -> Optional[Container]:
    """``conmon -c ID -n NAME -b BUNDLE``; the bundle of podman and CRI-O is …/overlay-containers/ID/userdata."""
    id, name, bundle = (_after(arguments, *options) for options in (("-c", "--cid"), ("-n", "--name"),
                                                                     ("-b", "--bundle")))
    if id is None or (candidate.id is not None and id != candidate.id):
        return None
    found = None
    if bundle is not None and bundle.endswith(f"/{id}/userdata"):
        found = storage.at(candidate, state, bundle[: -len(f"/{id}/userdata")], id)
    if found is None:
        found = Container(id, candidate.runtime, cgroup=candidate.cgroup, pod_uid=candidate.pod_uid,
                          source=f"/proc/{pid}/cmdline")
    return found if found.name is not None else replace(found, name=name)


def _after(arguments: Sequence[str], *options: str) -> Optional[str]:
    for option in options:
        if option in arguments[:-1]:
            return arguments[list(arguments).index(option) + 1]
    return None
