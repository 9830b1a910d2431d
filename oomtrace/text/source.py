"""Where a log's bytes come from: files, pipes, compressed ones too."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import os
import select
import stat
import zlib
from functools import partial
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, Optional, Union

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError

CHUNK = 1 << 20
SILENCE_S = 0.2  # an input that gives nothing for so long is silent: what it said is over

_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)
_MAGIC: Dict[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def chunks(stream: Union[BinaryIO, Iterable[bytes]]) -> Iterator[bytes]:
    """The pieces of a stream. An empty one for each time that a pipe or terminal is silent."""
    reader = getattr(stream, "read", None)
    live = _live(stream) if reader is not None else None
    found = iter(stream) if reader is None else _waiting(live) if live is not None else pieces(stream)
    first = next(found, b"")
    if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # dmesg > file in a PowerShell
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        yield decoder.decode(first).encode()
        yield from (decoder.decode(chunk).encode() for chunk in found)
        return
    yield first
    yield from found


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
    return str(getattr(stream, "name", None) or getattr(getattr(stream, "_fp", None), "name", "the log"))


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


def _waiting(descriptor: int) -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([descriptor], [], [], SILENCE_S)
        if not ready:
            yield b""
            continue
        try:
            chunk = os.read(descriptor, CHUNK)
        except BrokenPipeError:  # /dev/kmsg: records were overwritten before they were read; the next one is there
            continue
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
            first = probe.read(8)
    except OSError as error:
        hint = "Check the name, or read as root." if error.errno else None
        raise OomtraceError(f"cannot read {path}: {error.strerror}", hint, EXIT_UNREADABLE) from error
    kind = next((kind for magic, kind in _MAGIC.items() if first.startswith(magic)), None)
    stream: BinaryIO = _OPENERS[kind](path)
    return stream


def _zstd(path: str) -> BinaryIO:
    for name in ("compression.zstd", "zstandard", "pyzstd", "backports.zstd"):
        try:
            module = __import__(name, fromlist=["open"])
        except ImportError:
            continue
        found: BinaryIO = module.open(path, "rb")
        return found
    raise OomtraceError(f"{path} is compressed with zstd, which this Python cannot read",
                        "Install python3-zstandard, or: zstdcat FILE | oomtrace read -", EXIT_UNREADABLE)


_OPENERS: Dict[Optional[str], Callable[[str], Any]] = {
    None: partial(open, mode="rb"),
    "gzip": partial(gzip.open, mode="rb"),
    "bzip2": partial(bz2.open, mode="rb"),
    "xz": partial(lzma.open, mode="rb"),
    "zstd": _zstd,
}
