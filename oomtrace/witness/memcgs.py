"""The cgroup file system: where a memcg's folder is, its counters, and its processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Optional

from .mounts import Mounts
from .tree import plain, text

_PROCS = 1 << 16
_STAT = 1 << 14
_FOLDERS = 256  # memcgs below one that are looked at


class Memcgs:
    """The hierarchy that the memory controller is on. ``mounts``: those of this machine."""

    def __init__(self, root: str, mounts: Mounts) -> None:
        self._root = root.rstrip("/")
        self.version: Optional[int] = None
        self._point: Optional[str] = None
        self._within = "/"
        for mount in mounts.all:
            if mount.fs_type == "cgroup" and "memory" in mount.options.split(","):
                self.version, self._point, self._within = 1, mount.point, mount.root
                break
            if mount.fs_type == "cgroup2" and self._point is None:
                self.version, self._point, self._within = 2, mount.point, mount.root

    def folder(self, path: str) -> Optional[str]:
        """The folder of the memcg of that path, None where it is not within what is mounted."""
        if self._point is None or ".." in path.split("/"):
            return None
        within = self._within.rstrip("/")
        if within and path != within and not path.startswith(within + "/"):
            return None
        return f"{self._root}{self._point}{path[len(within):]}".rstrip("/")

    def path_of(self, cgroups: str) -> Optional[str]:
        """The memcg in a /proc/PID/cgroup file."""
        for line in cgroups.splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if (self.version == 1 and "memory" in controllers.split(",")) or (self.version != 1 and not controllers):
                return path.replace(" (deleted)", "")
        return None

    def value(self, path: str, name: str) -> Optional[str]:
        """A file of a memcg."""
        folder = self.folder(path)
        data = plain(f"{folder}/{name}", _STAT) if folder is not None else None
        return None if data is None else text(data)

    def stat(self, path: str) -> Mapping[str, int]:
        """memory.stat, in bytes and counts. Empty if it cannot be read."""
        found = {}
        for line in (self.value(path, "memory.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if value.isdigit():
                found[name] = int(value)
        return found

    def usage(self, path: str) -> Optional[int]:
        """In bytes; None if it cannot be read."""
        said = self.value(path, "memory.usage_in_bytes" if self.version == 1 else "memory.current") or ""
        return int(said) if said.strip().isdigit() else None

    def processes(self, path: str) -> Iterator[int]:
        """The processes of a memcg and of all below it, as the folders are found; those with most are not first."""
        folder = self.folder(path)
        waiting = [folder] if folder is not None else []
        for _ in range(_FOLDERS):
            if not waiting:
                return
            current = waiting.pop()
            data = plain(f"{current}/cgroup.procs", _PROCS) or b""
            yield from (int(line) for line in data.split() if line.isdigit() and line != b"0")
            with suppress(OSError), os.scandir(current) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
