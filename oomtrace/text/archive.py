"""Archives: their members are inputs. Nothing of an archive is written anywhere; all is read piece by piece.

An archive may lie: about sizes, with archives within archives, with gigabytes of nothing in a few bytes. So what comes
out of one is bounded by what went in, and so are the depth, the headers, and what is kept of a zip that came through a
pipe.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple, Optional

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError

from .source import CHUNK, chunks

_DEPTH = 4  # archives within archives
_FREE = 256 << 20  # bytes that may come out of any archive
_RATIO = 250  # and bytes for each that went in: logs become 5 to 50 times smaller, never that much
_ZIP_IN_MEMORY = 128 << 20  # bytes of a zip that cannot be read from its end
_ENTRIES = 200_000
_BLOCK = 512  # of tar
_LONGEST_NAME = 64 << 10
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
# What a library of its own reads, and what to do with it instead.
_UNREAD = {
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7z x -so FILE | oomtrace read -"),
    b"Rar!\x1a\x07": ("a rar archive", "unrar p -inul FILE | oomtrace read -"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "lz4 -dc FILE | oomtrace read -"),
    b"\x1f\x9d": ("compressed with compress", "zcat FILE | oomtrace read -"),
    b"LZIP": ("compressed with lzip", "lzip -dc FILE | oomtrace read -"),
    b"LPKSHHRH": ("a journal", "journalctl --file FILE -k -o short-monotonic | oomtrace read -"),
    b"%PDF-": ("a PDF", "pdftotext -layout FILE - | oomtrace read -"),
}
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError,
           LookupError, NotImplementedError, RuntimeError, OSError, OverflowError, MemoryError)
_MOST_MAGIC = max(map(len, (*_UNREAD, *_ZIP)))


class Member(NamedTuple):
    """An input: a file, or a file in an archive ("logs.zip: var/log/kern.log"), and its bytes."""

    name: str
    pieces: Iterable[bytes]


class _Budget:
    """How much may still come out of an archive, by what went in."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = 0

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What goes in."""
        for piece in pieces:
            self.taken += len(piece)
            yield piece

    def spend(self, name: str, size: int) -> None:
        """Raises OomtraceError if too much has come out."""
        self.given += size
        if self.given > _FREE + _RATIO * self.taken:
            raise OomtraceError(f"{name} becomes more than {_RATIO} times as large when unpacked: not read further",
                                "If that is no mistake: unpack it, then read the files.", EXIT_UNREADABLE)


def members(name: str, pieces: Iterable[bytes], path: Optional[str] = None) -> Iterator[Member]:
    """The inputs in ``pieces``: one, or those of an archive, whatever it is compressed with.

    ``path``: the file of which the pieces are, if it is one that can be read at any place. Each member must be read
    before the next is asked for. Raises OomtraceError.
    """
    budget = _Budget()
    yield from _members(name, budget.counted(pieces), path, budget, _DEPTH)


def _members(name: str, pieces: Iterator[bytes], path: Optional[str], budget: _Budget, depth: int) -> Iterator[Member]:
    head, rest = _head(pieces)
    whole = chain([head], rest)
    kind = _kind(head)
    if kind is None:
        yield Member(name, whole)
        return
    if kind not in ("zip", "tar"):
        what, how = _UNREAD[_magic(head)]
        raise OomtraceError(f"{name} is {what}, which is not read", how, EXIT_UNREADABLE)
    if not depth:
        raise OomtraceError(f"{name}: archives within archives, more than {_DEPTH} deep",
                            "Unpack the outer ones first.", EXIT_UNREADABLE)
    found = _of_zip(name, whole, path, budget) if kind == "zip" else _of_tar(name, whole)
    for member in found:
        inner = _spent(member, budget)
        yield from _members(member.name, iter(chunks(inner)), None, budget, depth - 1)


def _spent(member: Member, budget: _Budget) -> Iterator[bytes]:
    try:
        for piece in member.pieces:
            budget.spend(member.name, len(piece))
            yield piece
    except _DAMAGE as error:
        raise OomtraceError(f"cannot read {member.name} to its end: {error or type(error).__name__}",
                            "The archive is damaged, encrypted or cut off.", EXIT_UNREADABLE) from error


def _head(pieces: Iterator[bytes]) -> "tuple[bytes, Iterator[bytes]]":
    """The first bytes, as many as tell an archive. A log that comes through a pipe is not waited for."""
    head = b""
    for piece in pieces:
        head += piece
        if not piece or not _may_be_archive(head):
            break
    return head, pieces


def _may_be_archive(head: bytes) -> bool:
    """May more bytes show that it is one? A tar's first block has zeros behind a name, and no line ends."""
    if len(head) < _MOST_MAGIC and any(magic.startswith(head) for magic in (*_UNREAD, *_ZIP)):
        return True
    return len(head) < _BLOCK and b"\n" not in head and (b"\0" in head or len(head) < 100)


def _magic(head: bytes) -> bytes:
    return next((magic for magic in _UNREAD if head.startswith(magic)), b"")


def _kind(head: bytes) -> Optional[str]:
    if head.startswith(_ZIP):
        return "zip"
    if _magic(head):
        return "other"
    return "tar" if len(head) >= _BLOCK and b"\0" in head[:_BLOCK] and _entry(head[:_BLOCK]) is not None else None


# zip


def _of_zip(name: str, pieces: Iterable[bytes], path: Optional[str], budget: _Budget) -> Iterator[Member]:
    try:
        if path is not None:
            budget.taken = max(budget.taken, os.stat(path).st_size)
        with zipfile.ZipFile(path if path is not None else _kept(name, pieces)) as archive:
            for number, info in enumerate(archive.infolist()):
                if number >= _ENTRIES:
                    raise OomtraceError(f"{name} has more than {_ENTRIES} members", "Unpack it, then read the files.",
                                        EXIT_UNREADABLE)
                if not info.is_dir():
                    yield Member(f"{name}: {info.filename}", _unzipped(archive, info))
    except _DAMAGE as error:
        raise OomtraceError(f"cannot read {name}: {error or type(error).__name__}",
                            "The archive is damaged or cut off; perhaps unzip -p, or zip -F, can do more.",
                            EXIT_UNREADABLE) from error


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as file:
        while True:
            piece = file.read(CHUNK)
            if not piece:
                return
            yield piece


def _kept(name: str, pieces: Iterable[bytes]) -> BinaryIO:
    """A zip in memory: what it has stands at its end."""
    data = io.BytesIO()
    for piece in pieces:
        data.write(piece)
        if data.tell() > _ZIP_IN_MEMORY:
            raise OomtraceError(f"{name} is a zip archive that is too large to be read through a pipe",
                                "Name the file, or: unzip -p FILE | oomtrace read -", EXIT_UNREADABLE)
    return data


# tar, in the order of the stream. The library's own reader would take a header's word for how much to keep in memory.


def _of_tar(name: str, pieces: Iterable[bytes]) -> Iterator[Member]:
    stream = _Bytes(pieces)
    named: Optional[str] = None
    for _ in range(_ENTRIES):
        block = stream.read(_BLOCK)
        if not block.strip(b"\0"):
            if block:
                continue  # between archives that were put together; zeros fill the end
            return
        entry = _entry(block)
        if entry is None:
            raise OomtraceError(f"{name} is a tar archive that is damaged or cut off", "What comes before was read.",
                                EXIT_UNREADABLE)
        padding = -entry.size % _BLOCK
        if entry.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            named = _name_in(stream.read(min(entry.size, _LONGEST_NAME)), entry.type)
            stream.skip(max(0, entry.size - _LONGEST_NAME) + padding)
            continue
        left = stream.left_after(entry.size + padding)
        if entry.isreg():
            yield Member(f"{name}: {named or entry.name}", stream.part(entry.size))
        stream.skip_to(left)
        named = None


def _entry(block: bytes) -> Optional[tarfile.TarInfo]:
    """What a header says; None if its checksum is not right."""
    try:
        entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return None
    return entry if entry.size >= 0 else None


def _name_in(data: bytes, kind: bytes) -> Optional[str]:
    """The name in a header of GNU or of POSIX ("27 path=…")."""
    text = data.decode("utf-8", "surrogateescape")
    if kind == tarfile.GNUTYPE_LONGNAME:
        return text.split("\0", 1)[0]
    return next((line.partition(" path=")[2] for line in text.split("\n") if " path=" in line), None)


class _Bytes:
    """A stream by the byte."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._data = b""
        self._at = 0  # bytes given so far

    def _more(self) -> bool:
        while not self._data:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._data = piece
        return True

    def part(self, size: int) -> Iterator[bytes]:
        """The next bytes, in pieces; fewer at the end of the stream."""
        while size > 0 and self._more():
            piece, self._data = self._data[:size], self._data[size:]
            size -= len(piece)
            self._at += len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        """The next bytes; fewer at the end of the stream."""
        return b"".join(self.part(size))

    def left_after(self, size: int) -> int:
        """The place that so many bytes further is."""
        return self._at + size

    def skip_to(self, place: int) -> None:
        """Leaves out what is before a place."""
        self.skip(place - self._at)

    def skip(self, size: int) -> None:
        """Leaves out bytes."""
        for _ in self.part(size):
            pass
