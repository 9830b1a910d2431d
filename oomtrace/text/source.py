"""Where a log's bytes come from: files, pipes, compressed ones too."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import select
import stat
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, Callable, Optional, Union

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError

CHUNK = 256 << 10  # bytes at a time: what the processor's cache holds is searched fastest
SILENCE_S = 0.2  # an input that gives nothing for so long is silent: what it said is over

_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)
_MAGIC: dict[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_MAGIC_BYTES = max(map(len, _MAGIC))


def chunks(stream: Union[BinaryIO, Iterable[bytes]]) -> Iterator[bytes]:
    """The pieces of a stream. An empty one for each time that a pipe or terminal is silent."""
    reader = getattr(stream, "read", None)
    live = _live(stream) if reader is not None else None
    plain = iter(stream) if reader is None else _waiting(live, _name(stream)) if live is not None else pieces(stream)
    found = _unpacked(plain, _name(stream))
    first = next(found, b"")
    if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # dmesg > file in a PowerShell
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(first).encode()
        yield from (decoder.decode(chunk).encode() for chunk in found)
        return
    yield first
    yield from found


def _unpacked(found: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The pieces, decompressed as they come if they are of an archive: a pipe's name does not tell, its bytes do."""
    first = b""
    for piece in found:
        first += piece  # a pipe may give less than a magic number at first
        if len(first) >= _MAGIC_BYTES or not any(magic.startswith(first) for magic in _MAGIC):
            break
    kind = _kind(first)
    if kind is None:
        return chain([first], found)
    return pieces(_OPENERS[kind](_Archive(chain([first], found), name)))


class _Archive:
    """Pieces as a file for the decompressors. A read gives what there is, and waits only if that is nothing."""

    def __init__(self, found: Iterator[bytes], name: str) -> None:
        self.name = name
        self._found = found
        self._piece = io.BytesIO()

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end."""
        data = self._piece.read(size)
        while not data:
            piece = next(self._found, None)
            if piece is None:
                return b""
            self._piece = io.BytesIO(piece)
            data = self._piece.read(size)
        return data


def pieces(stream: Any) -> Iterator[bytes]:
    """What a file has, in pieces of up to CHUNK bytes; a damaged archive's as far as they can be had."""
    read = getattr(stream, "read1", stream.read)  # read() would lose what it has got when it comes to the damage
    while True:
        try:
            chunk = read(CHUNK)
        except _DAMAGE as error:
            raise OomtraceError(f"cannot read {_name(stream)} to its end: {error}",
                                "The file is damaged or cut off; what comes before was read.", EXIT_UNREADABLE
                                ) from error
        if not chunk:
            return
        yield chunk


def _name(stream: Any) -> str:
    name = getattr(stream, "name", None)
    if name is None or name == "":
        name = getattr(getattr(stream, "_fp", None), "name", "the log")
    return "standard input" if name == 0 else str(name)


def _live(stream: Any) -> Optional[int]:
    """The descriptor of a pipe, a socket or a device: something that may be silent for a while."""
    if isinstance(stream, (gzip.GzipFile, lzma.LZMAFile, bz2.BZ2File)):
        return None
    try:
        descriptor = int(stream.fileno())
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else descriptor


def _waiting(descriptor: int, name: str) -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([descriptor], [], [], SILENCE_S)
        if not ready:
            yield b""
            continue
        try:
            chunk = os.read(descriptor, CHUNK)
        except BrokenPipeError:  # /dev/kmsg: records were overwritten before they were read; the next one is there
            continue
        except OSError as error:  # a folder, a terminal that has gone
            raise OomtraceError(f"cannot read {name}: {error.strerror}", None, EXIT_UNREADABLE) from error
        if not chunk:
            return
        yield chunk


def opened(path: str) -> BinaryIO:
    """A log file, decompressed if it is compressed (gzip, bzip2, xz; zstd where Python or a library can)."""
    try:
        if os.path.isdir(path):
            raise OomtraceError(f"{path} is a directory", "Name a log file, or - for standard input.", EXIT_UNREADABLE)
        if not os.path.isfile(path):
            return open(path, "rb", buffering=0)  # a pipe or a device: what was read of it is gone
        with open(path, "rb") as probe:
            first = probe.read(_MAGIC_BYTES)
    except OSError as error:
        hint = "Check the name, or read as root." if error.errno else None
        raise OomtraceError(f"cannot read {path}: {error.strerror}", hint, EXIT_UNREADABLE) from error
    stream: BinaryIO = _OPENERS[_kind(first)](path)
    return stream


def _kind(first: bytes) -> Optional[str]:
    return next((kind for magic, kind in _MAGIC.items() if first.startswith(magic)), None)


def _zstd(file: Union[str, _Archive]) -> BinaryIO:
    for name in ("compression.zstd", "zstandard", "pyzstd", "backports.zstd"):
        try:
            module = __import__(name, fromlist=["open"])
        except ImportError:
            continue
        found: BinaryIO = module.open(file, "rb")
        return found
    name = file if isinstance(file, str) else file.name
    raise OomtraceError(f"{name} is compressed with zstd, which this Python cannot read",
                        "Install python3-zstandard, or: zstdcat FILE | oomtrace read -", EXIT_UNREADABLE)


_OPENERS: dict[Optional[str], Callable[[Any], Any]] = {
    None: partial(open, mode="rb"),
    "gzip": partial(gzip.open, mode="rb"),
    "bzip2": partial(bz2.open, mode="rb"),
    "xz": partial(lzma.open, mode="rb"),
    "zstd": _zstd,
}
