"""Writes the ``newc`` cpio format, the one the kernel unpacks an initramfs from.

Several archives may follow each other in one initramfs file if each starts at a multiple of four bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union


@dataclass
class Archive:
    """An archive under construction; parents of an entry are made as needed."""

    entries: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Content by path without a leading slash, with its mode (type and permissions)."""

    def directory(self, path: str) -> None:
        """Add the directory `path` and its parents."""
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:depth]), (stat.S_IFDIR | 0o755, b""))

    def file(self, path: str, content: Union[bytes, str], mode: int = 0o644) -> None:
        """Add a regular file with permissions `mode`."""
        if "/" in path:
            self.directory(path.rpartition("/")[0])
        self.entries[path] = (stat.S_IFREG | mode, content.encode() if isinstance(content, str) else content)

    def pack(self) -> bytes:
        """The whole archive, padded to a multiple of 512 bytes."""
        return pack(self.entries)


def pack(entries: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The archive of `entries`, each path with its mode and content, in their order; owner root, time 0."""
    parts = [_entry(inode, path, *entry) for inode, (path, entry) in enumerate(entries.items(), start=1)]
    parts.append(_entry(0, "TRAILER!!!", 0, b""))
    return _padded(b"".join(parts), 512)


def _entry(inode: int, path: str, mode: int, content: bytes) -> bytes:
    """One header, name and content, each padded to four bytes."""
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    numbers = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name, 4) + _padded(content, 4)


def _padded(data: bytes, multiple: int) -> bytes:
    return data + b"\0" * (-len(data) % multiple)
