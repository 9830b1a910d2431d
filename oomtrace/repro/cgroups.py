"""Cgroups of either version: finding the controllers, making, filling, emptying and removing groups."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from oomtrace.errors import OomtraceError

REMOVE_SECONDS = 10.0
_NAME_BYTES = 255
_UNNAMED = frozenset("\0\n")  # what a cgroup's name cannot have


@dataclass(frozen=True)
class Knob:
    """A file of a cgroup: who serves it, and what it is called in version 1 (None: not there)."""

    controller: str
    v1: Optional[str]
    v2: bool = True


# By the name that a reproduction uses: that of version 2 where it has one.
KNOBS: Mapping[str, Knob] = {
    "memory.max": Knob("memory", "memory.limit_in_bytes"),
    "memory.high": Knob("memory", None),
    "memory.low": Knob("memory", None),
    "memory.min": Knob("memory", None),
    "memory.swap.max": Knob("memory", "memory.memsw.limit_in_bytes"),
    "memory.oom.group": Knob("memory", None),
    "memory.oom_control": Knob("memory", "memory.oom_control", v2=False),
    "memory.swappiness": Knob("memory", "memory.swappiness", v2=False),
    "memory.kmem.limit_in_bytes": Knob("memory", "memory.kmem.limit_in_bytes", v2=False),
    "pids.max": Knob("pids", "pids.max"),
    "io.max": Knob("io", None),
    "cpuset.mems": Knob("cpuset", "cpuset.mems"),
    "cpuset.cpus": Knob("cpuset", "cpuset.cpus"),
}
CONTROLLERS = ("memory", "pids", "cpuset", "io")


def split(path: str) -> tuple[str, ...]:
    """``/a/b`` → ("a", "b"). Raises ValueError for a path that could lead out of the hierarchy, or that no cgroup can
    have as the kernel writes it."""
    if not path.startswith("/"):
        raise ValueError("expected a path that starts with /")
    parts = tuple(path[1:].split("/")) if path != "/" else ()
    if any(part in (".", "..") for part in parts):
        raise ValueError("expected a path without . and ..")
    if not all(0 < len(os.fsencode(part)) <= _NAME_BYTES and not _UNNAMED.intersection(part) for part in parts):
        raise ValueError(f"expected names of 1 to {_NAME_BYTES} bytes between single /, without line breaks")
    return parts


@dataclass(frozen=True)
class Hierarchy:
    """Where each controller is mounted, and the version of the memory controller."""

    version: int
    roots: Mapping[str, Path]

    def folder(self, controller: str, path: str) -> Path:
        """The folder of a cgroup in a controller's hierarchy."""
        return self.roots[controller].joinpath(*split(path))

    def folders(self, path: str, controllers: Sequence[str]) -> list[Path]:
        """The folders of a cgroup for some controllers, each once."""
        return list(dict.fromkeys(self.folder(name, path) for name in controllers))

    def file(self, path: str, knob: str) -> Path:
        """The file that a knob's name stands for here; names that are no knobs are files of the memory controller."""
        known = KNOBS.get(knob)
        name = knob if known is None or self.version == 2 else known.v1
        if name is None:
            raise OomtraceError(f"cgroup v1 has no {knob}")
        return self.folder(known.controller if known else "memory", path) / name


def find(mounts: str = "/proc/self/mounts") -> Hierarchy:
    """The hierarchies of this machine. Raises OomtraceError if none has the memory controller."""
    v1: dict[str, Path] = {}
    v2: Optional[Path] = None
    with open(mounts) as lines:
        for line in lines:
            _, escaped, kind, options = line.split()[:4]
            path = Path(escaped.encode().decode("unicode_escape"))
            if kind == "cgroup2" and v2 is None:
                v2 = path
            elif kind == "cgroup":
                for name in CONTROLLERS:
                    if name in options.split(","):
                        v1.setdefault(name, path)
    if "memory" in v1:
        return Hierarchy(1, v1)
    if v2 is None or "memory" not in (v2 / "cgroup.controllers").read_text().split():
        raise OomtraceError(
            "no memory controller is mounted",
            "mount -t cgroup2 none /sys/fs/cgroup; or was it disabled at boot (cgroup_disable=memory)?",
        )
    return Hierarchy(2, {name: v2 for name in CONTROLLERS})


def ancestors(folder: Path, root: Path) -> Iterator[Path]:
    """The folders from below the root down to the folder itself."""
    at = root
    for part in folder.relative_to(root).parts:
        at = at / part
        yield at


def enable(root: Path, folder: Path, controllers: Sequence[str]) -> None:
    """Version 2: have the folder's parents give it the controllers."""
    for parent in [root, *ancestors(folder, root)][:-1]:
        enabled = (parent / "cgroup.subtree_control").read_text().split()
        missing = [name for name in controllers if name not in enabled]
        if missing:
            (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in missing))


def value_for(hierarchy: Hierarchy, knob: str, value: str, files: Mapping[str, str]) -> str:
    """What to write: version 1 has no ``max``, and limits memory and swap together."""
    if hierarchy.version == 2:
        return value
    if knob == "memory.swap.max" and value != "max":
        return str(int(value) + int(files["memory.max"]))
    return "-1" if value == "max" and knob != "pids.max" else value


def inherit_cpuset(root: Path, folder: Path) -> None:
    """Version 1: a new cpuset has no CPUs and no nodes, and takes no process until it has."""
    for at in ancestors(folder, root):
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not (at / name).read_text().strip():
                (at / name).write_text((at.parent / name).read_text())


def processes(folder: Path) -> list[int]:
    """Who is in a cgroup."""
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def remove(folder: Path, seconds: float = REMOVE_SECONDS) -> bool:
    """Kill what is in a cgroup and in those under it, and remove them; False if for so long nothing has left them."""
    deadline, before = time.monotonic() + seconds, -1
    while folder.exists():
        left = _empty(folder)
        if not folder.exists():
            break
        if left != before:
            deadline, before = time.monotonic() + seconds, left
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # nothing tells when a killed process has left its cgroup
    return True


def _empty(folder: Path) -> int:
    """Kill what is in these cgroups, and remove those that are empty; how many processes there were."""
    count = 0
    for below, _, _ in os.walk(folder, topdown=False):
        for pid in processes(Path(below)):
            count += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(OSError):
            os.rmdir(below)
    return count

