"""The frames that a capture file is made of, and where they go on after damage."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, Optional

MAGIC_WORD = b"OOMTRACE "
MAGIC = MAGIC_WORD + b"1\n"
TAGS = (b"HEAD", b"LAYT", b"RECD", b"SYMS", b"CODE", b"RAWC", b"LOOK", b"GLAN", b"HIST", b"DONE")

_HEAD = Struct("<4sII")
_MAX_BYTES = 16 << 20
_PATIENCE = 4  # how often the whole of a file may be summed in vain
_BEGIN = re.compile(MAGIC_WORD + rb"\d{1,9}\n")
_TAG = re.compile(rb"[A-Z]{4}")  # zeros, as of a disk that was full, would be a frame without a payload
_MARK = re.compile(_BEGIN.pattern + b"HEAD|" + b"|".join(TAGS))


class CaptureFrame(NamedTuple):
    """A frame and its place in the file. ``tag`` is MAGIC_WORD for the line with which a capture begins; ``payload`` is
    None where something is cut off or altered, up to the next frame."""

    at: int
    tag: bytes
    payload: Optional[bytes]


def packed(tag: bytes, payload: bytes) -> bytes:
    """The bytes of a frame."""
    return _HEAD.pack(tag, len(payload), zlib.crc32(payload)) + payload


def frames(data: bytes) -> Iterator[CaptureFrame]:
    """The frames whose checksum holds, and the places between them that make no sense."""
    return _Scan(data).frames()


class _Scan:
    """One pass over a file. What is summed in vain is limited, or a file of nothing but lengths would take days."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_BYTES + _PATIENCE * len(data)

    def frames(self) -> Iterator[CaptureFrame]:
        at = 0
        while at < len(self._data) and self._left >= 0:
            begin = _BEGIN.match(self._data, at)
            payload = None if begin else self._payload(at)
            if begin:
                yield CaptureFrame(at, MAGIC_WORD, begin.group())
                at = begin.end()
                continue
            yield CaptureFrame(at, self._data[at : at + 4], payload)
            at = self._next(at + 1) if payload is None else at + _HEAD.size + len(payload)

    def _next(self, at: int) -> int:
        """Where a frame or a capture begins from there on; the end if none does."""
        for mark in _MARK.finditer(self._data, at):
            if mark.group().startswith(MAGIC_WORD) or self._payload(mark.start()) is not None:
                return mark.start()
            if self._left < 0:
                break
        return len(self._data)

    def _payload(self, at: int) -> Optional[bytes]:
        """That of the frame there, None if there is none or it is not whole."""
        start = at + _HEAD.size
        if start > len(self._data):
            return None
        tag, length, checksum = _HEAD.unpack_from(self._data, at)
        if not _TAG.match(tag) or length > min(_MAX_BYTES, len(self._data) - start):
            return None
        payload = self._data[start : start + length]
        if zlib.crc32(payload) == checksum:
            return payload
        self._left -= length
        return None
