"""Files of processes whose code is asked about: opened so that no file system which does not answer holds up the trace.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Optional

from oomtrace.code import Reach
from oomtrace.witness.mounts import Mount, OwnMounts, by_device, is_safe
from oomtrace.witness.proc import Process

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class SafeReach(Reach):
    """Leaves out what is on FUSE, NFS and the like, by the mount tables of the process and of this machine."""

    def __init__(self, root: str = "") -> None:
        super().__init__(f"{root}/proc")
        self._root = root
        self._host = OwnMounts(f"{root}/proc/self/mountinfo")
        self._of: Optional[int] = None  # whose devices are known: files of one process are asked about in a row
        self._devices: dict[str, Mount] = {}

    def close(self) -> None:
        """Let go of the mount table of this machine."""
        self._host.close()

    def is_safe(self, tgid: int, device: str) -> bool:
        """By what is mounted of that device. Of a disk that is not mounted where it can be seen: yes, as files below
        an overlay are on one."""
        if tgid != self._of:
            self._host.refresh()
            self._devices = dict(by_device(self._host))
            with suppress(OSError), Process(self._root, tgid) as process:
                self._devices.update(by_device(process.mounts))
            self._of = tgid
        major, _, minor = device.partition(":")
        mount = self._devices.get(f"{int(major, 16)}:{int(minor, 16)}")
        return is_safe(mount, self._host) if mount is not None else int(major, 16) != 0

    def opened(self, tgid: int, path: str, follow: bool = True) -> Optional[int]:
        """Walks folder by folder, and ends before one that may hang."""
        self._of = None
        self._host.refresh()
        try:
            with Process(self._root, tgid) as process, process.tree(self._host) as tree:
                at = tree.walk(path, follow)
        except OSError:
            return None
        try:
            return os.open(f"/proc/self/fd/{at}", _FLAGS) if stat.S_ISREG(os.fstat(at).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(at)
