"""Which file system is at a path, as mountinfo has it (Documentation/filesystems/proc.rst, 3.5), so that what may hang
is not touched."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

# Those that answer from this machine's memory and disks. A list of the harmless, not of the harmful: nobody knows what
# the next network file system is called.
LOCAL = frozenset(
    "ext2 ext3 ext4 xfs btrfs bcachefs f2fs zfs jfs nilfs2 reiserfs vfat exfat ntfs3 squashfs erofs cramfs iso9660 udf "
    "tmpfs ramfs rootfs devtmpfs hugetlbfs overlay aufs proc sysfs cgroup cgroup2 debugfs tracefs securityfs bpf "
    "mqueue devpts efivarfs configfs pstore selinuxfs nsfs binder".split()
)
MEMORY = frozenset(("tmpfs", "ramfs", "rootfs", "devtmpfs"))
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A line of mountinfo. ``point`` is a path from the root of the process that the file is of."""

    id: int
    device: str  # "0:52"
    root: str  # which folder of the file system is there
    point: str
    fs_type: str
    options: str  # of the file system


def parse(text: str) -> list[Mount]:
    """The lines of a mountinfo file; those that are no such lines are left out."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        if len(fields) >= 6 and len(rest) >= 1 and fields[0].isdigit():
            found.append(Mount(int(fields[0]), fields[2], _plain(fields[3]), _plain(fields[4]), rest[0],
                               rest[2] if len(rest) > 2 else ""))
    return found


class Mounts:
    """The mounts that a process sees."""

    def __init__(self, text: str) -> None:
        self.all = parse(text)
        self._at = {mount.point: mount for mount in self.all}  # of several at one point, the last is on top
        self._by_id = {mount.id: mount for mount in self.all}

    def at(self, path: str) -> Optional[Mount]:
        """The mount that this very path is the point of."""
        return self._at.get(path)

    def over(self, path: str) -> Optional[Mount]:
        """The mount that a path without symbolic links is on."""
        while path not in self._at:
            if path in ("/", ""):
                return None
            path = path.rpartition("/")[0] or "/"
        return self._at[path]

    def of_id(self, number: int) -> Optional[Mount]:
        """The mount with the number that /proc/PID/fdinfo shows as mnt_id."""
        return self._by_id.get(number)


class OwnMounts(Mounts):
    """Those that this process sees, kept up to date: the kernel tells of changes through poll(2) (proc(5))."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._poll = select.poll()
        try:
            self._file: Optional[int] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._poll.register(self._file, select.POLLPRI)
            self._poll.poll(0)  # what has changed before is in what is read now
        except OSError:
            self._file = None
        super().__init__(self._read())

    def refresh(self) -> None:
        """Read them anew if any has come or gone."""
        if self._file is not None and self._poll.poll(0):
            super().__init__(self._read())

    def close(self) -> None:
        """They stay as they are."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self) -> str:
        try:
            with open(self._path, "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except OSError:
            return ""


def is_safe(mount: Optional[Mount], host: Optional[Mounts] = None) -> bool:
    """Whether nothing on it can hang. An overlay is as its layers are, which lie where ``host`` tells."""
    if mount is None or mount.fs_type not in LOCAL:
        return False
    if mount.fs_type != "overlay" or host is None:
        return True
    layers = [layer for option in mount.options.split(",") for layer in _layers(option)]
    known = [host.over(_plain(layer)) for layer in layers if layer.startswith("/")]
    return all(layer is None or layer.fs_type in LOCAL for layer in known)


def _layers(option: str) -> list[str]:
    name, _, value = option.partition("=")
    return value.split(":") if name in ("lowerdir", "lowerdir+", "datadir+", "upperdir") else []


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text


# For those who look at many: which of a process's mounts have which device, as maps files name it.
def by_device(mounts: Mounts) -> Mapping[str, Mount]:
    """Mounts by device number, "0:52"."""
    return {mount.device: mount for mount in reversed(mounts.all)}
