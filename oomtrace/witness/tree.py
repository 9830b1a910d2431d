"""Files of others, read so that nothing hangs and nothing leads out of a root.

``Tree`` walks a path component by component. Each is opened with O_PATH and O_NOFOLLOW from the one before; symbolic
links are followed here, from the tree's own root, and ".." goes back to the folder that was open before it. So no link
and no rename leads out, as with openat2(2) and RESOLVE_IN_ROOT. What openat2 cannot do, and why it is not used: before
a component is looked up, the mount table says what is mounted there, and on FUSE, NFS and the like the walk ends.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Optional

from .mounts import Mount, Mounts, is_safe

_LINKS = 16  # symbolic links that one path may have
_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Foreign(OSError):
    """The path leads to a file system that may hang."""


class Tree:
    """Everything beneath a folder, with the mount table of those who have that folder as their root.

    ``host``: the mount table of this machine, where layers of an overlay are looked up. The root's descriptor is the
    tree's own from now on. ``close`` ends it.
    """

    def __init__(self, root_fd: int, mounts: Mounts, host: Optional[Mounts] = None) -> None:
        self._root = root_fd
        self.mounts = mounts
        self._host = host

    def close(self) -> None:
        """Close the root."""
        os.close(self._root)

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: str, limit: int) -> bytes:
        """What is in a regular file, at most so many bytes. Raises OSError, Foreign among them."""
        fd = self._opened(path, os.O_RDONLY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "no regular file", path)
            return read_all(fd, limit)
        finally:
            os.close(fd)

    def open(self, path: str) -> int:
        """A descriptor of a regular file, or of a folder. Raises OSError."""
        return self._opened(path, os.O_RDONLY)

    def names(self, path: str) -> list[str]:
        """What is in a folder. Raises OSError."""
        fd = self._opened(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def folder(self, path: str) -> int:
        """A descriptor of a folder to list and look up in, without what is mounted below. Raises OSError."""
        return self._opened(path, os.O_RDONLY | os.O_DIRECTORY)

    def status(self, path: str) -> os.stat_result:
        """Of a file, no link followed at the end. Raises OSError."""
        fd = self.walk(path, follow=False)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def _opened(self, path: str, flags: int) -> int:
        fd = self.walk(path)
        try:
            kind = os.fstat(fd).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # a FIFO or a device would wait, or do something
                raise OSError(errno.EINVAL, "neither file nor folder", path)
            return os.open(f"/proc/self/fd/{fd}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        finally:
            os.close(fd)

    def walk(self, path: str, follow: bool = True) -> int:
        """An O_PATH descriptor of what is at the path. Raises OSError; Foreign before it would touch what may hang."""
        self._check("/")
        left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        folders = [os.dup(self._root)]  # the root, and each folder on the way
        names: list[str] = []
        links = 0
        try:
            while left:
                part = left.pop()
                if part == "..":
                    if len(folders) > 1:
                        os.close(folders.pop())
                        names.pop()
                    continue
                self._check("/" + "/".join((*names, part)))
                fd = os.open(part, _PATH, dir_fd=folders[-1])
                if stat.S_ISLNK(os.fstat(fd).st_mode) and (left or follow):
                    try:
                        target = os.readlink("", dir_fd=fd)
                    finally:
                        os.close(fd)
                    links += 1
                    if links > _LINKS:
                        raise OSError(errno.ELOOP, "too many links", path)
                    if target.startswith("/"):
                        for each in folders[1:]:
                            os.close(each)
                        del folders[1:], names[:]
                    left += [each for each in reversed(target.split("/")) if each not in ("", ".")]
                else:
                    folders.append(fd)
                    names.append(part)
            return folders.pop()
        finally:
            for each in folders:
                os.close(each)

    def _check(self, path: str) -> None:
        """Raises Foreign if something is mounted at this very path that may hang; the root must be known."""
        mount: Optional[Mount] = self.mounts.at(path)
        if (mount is not None or path == "/") and not is_safe(mount, self._host):
            kind = mount.fs_type if mount is not None else "an unknown file system"
            raise Foreign(errno.EXDEV, f"on {kind}, which may hang", path)


def read_all(fd: int, limit: int) -> bytes:
    """At most so many bytes from a descriptor."""
    pieces = []
    while limit > 0:
        piece = os.read(fd, min(limit, 1 << 16))
        if not piece:
            break
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def plain(path: str, limit: int = 1 << 16, dir_fd: Optional[int] = None) -> Optional[bytes]:
    """A file of the kernel's own (/proc, /sys, cgroupfs), None if it cannot be read."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=dir_fd)
        try:
            return read_all(fd, limit)
        except OSError:
            return None
        finally:
            os.close(fd)
    return None


def text(data: bytes) -> str:
    """Bytes as the model has text."""
    return data.decode("utf-8", "surrogateescape")
