"""Reads a key of a bolt database, page by page, without a lock (bbolt: page.go, bucket.go, node.go).

Pages are never changed in place: a change writes new ones, and then one of the two meta pages. What is read while
somebody writes may be from pages that are already given out again; such nonsense ends as ``None``.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Optional

_MAGIC, _VERSION = 0xED0CDAED, 2
_HEADER = struct.Struct("<QHHI")  # id, flags, count, overflow
_META = struct.Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root, sequence, freelist, pages, transaction
_BRANCH, _LEAF = 0x01, 0x02
_ELEMENT = struct.Struct("<IIII")  # of a leaf: flags, position, key's size, value's size
_CHILD = struct.Struct("<IIQ")  # of a branch: position, key's size, page
_BUCKET = struct.Struct("<QQ")  # root, sequence; root 0: the page follows
_PAGES = 64  # that one look-up may read
_MOST = 1 << 20


class Database:
    """An open file. Raises ValueError if it is none of bolt's, OSError."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._left = _PAGES
        self._size = self._page_size()
        metas = [meta for meta in (self._meta(0), self._meta(self._size)) if meta is not None]
        if not metas:
            raise ValueError("no bolt database")
        self._root = max(metas)[1]

    def get(self, path: Sequence[bytes]) -> Optional[bytes]:
        """The value of the last name, within the buckets of those before it."""
        try:
            page: Optional[bytes] = self._page(self._root)
            for number, name in enumerate(path):
                found = self._find(page, name) if page is not None else None
                if found is None:
                    return None
                is_bucket, value = found
                if number == len(path) - 1:
                    return None if is_bucket else value
                page = self._bucket(value) if is_bucket else None
        except (struct.error, OSError, OverflowError, ValueError):
            return None
        return None

    def _page_size(self) -> int:
        data = os.pread(self._fd, 80, 0)
        size = int(_META.unpack_from(data, 16)[2]) if len(data) == 80 else 0
        return size if size in (4096, 8192, 16384, 32768, 65536) else 4096

    def _meta(self, at: int) -> Optional[tuple[int, int]]:
        data = os.pread(self._fd, 80, at)
        if len(data) < 80:
            return None
        magic, version, _, _, root, _, _, _, transaction = _META.unpack_from(data, 16)
        return (transaction, root) if (magic, version) == (_MAGIC, _VERSION) else None

    def _page(self, number: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many pages")
        data = os.pread(self._fd, self._size, number * self._size)
        overflow = _HEADER.unpack_from(data)[3]
        if overflow:
            if (overflow + 1) * self._size > _MOST:
                raise ValueError("too large a page")
            data = os.pread(self._fd, (overflow + 1) * self._size, number * self._size)
        return data

    def _bucket(self, value: bytes) -> bytes:
        root, _ = _BUCKET.unpack_from(value)
        return self._page(root) if root else value[_BUCKET.size:]

    def _find(self, page: bytes, name: bytes) -> Optional[tuple[bool, bytes]]:
        _, flags, count, _ = _HEADER.unpack_from(page)
        if flags & _LEAF:
            for number in range(count):
                at = _HEADER.size + number * _ELEMENT.size
                kind, position, key_size, value_size = _ELEMENT.unpack_from(page, at)
                key = page[at + position:at + position + key_size]
                if key == name:
                    begin = at + position + key_size
                    return bool(kind & 1), page[begin:begin + value_size]
            return None
        if not flags & _BRANCH:
            raise ValueError("neither a branch nor a leaf")
        child = None
        for number in range(count):
            at = _HEADER.size + number * _CHILD.size
            position, key_size, below = _CHILD.unpack_from(page, at)
            if number and page[at + position:at + position + key_size] > name:
                break
            child = below
        return None if child is None else self._find(self._page(child), name)
