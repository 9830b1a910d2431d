"""Capture files: the raw records of an OOM and all that is needed to decode them on any machine, at any later time.

A file is a magic line and frames: a four-letter tag, the payload's length and its CRC-32 (both little-endian 32 bits),
and the payload. HEAD holds the facts of the machine and the offsets at which its structures were read (JSON), LAYT the
text of records.h, each RECD a record as it came, SYMS the names of the addresses met in stacks (JSON), DONE how many
records there were and how many were lost (JSON).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.wire.assemble import Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.layout import Layout

_MAGIC_WORD = b"OOMTRACE "
MAGIC = _MAGIC_WORD + b"1\n"
_FRAME = Struct("<4sII")
_MAX_FRAME_BYTES = 16 << 20


@dataclass(frozen=True)
class Capture:
    """What a capture file holds. ``problems`` says in words what could not be read of it."""

    layout: Layout
    facts: Mapping[str, object]
    records: Tuple[bytes, ...]
    symbols: Mapping[int, str]
    lost: Optional[int]
    problems: Tuple[str, ...]


def dump(
    layout: str, facts: Mapping[str, object], records: Sequence[bytes], symbols: Mapping[int, str], lost: int
) -> bytes:
    """The bytes of a capture file."""
    frames = [_frame(b"HEAD", _json(facts)), _frame(b"LAYT", layout.encode())]
    frames += [_frame(b"RECD", record) for record in records]
    frames.append(_frame(b"SYMS", _json({f"{address:#x}": name for address, name in sorted(symbols.items())})))
    frames.append(_frame(b"DONE", _json({"records": len(records), "lost": lost})))
    return MAGIC + b"".join(frames)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _frame(tag: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(tag, len(payload), zlib.crc32(payload)) + payload


def save(path: Path, data: bytes) -> None:
    """Write atomically, readable by the owner alone. Raises OSError."""
    if path.exists() and not path.is_file():  # a pipe, a device: root must not put a file in the place of /dev/null
        path.write_bytes(data)
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so (``len(MAGIC)`` bytes) is a capture, of whatever version."""
    return bool(re.match(_MAGIC_WORD + rb"\d+\n?", head))


def load(stream: BinaryIO) -> Capture:
    """Read a capture as far as it can be read. Raises OomtraceError if there is nothing to decode."""
    head = stream.read(len(MAGIC))
    if head != MAGIC:
        if is_capture(head):
            version = head[len(_MAGIC_WORD):].split(b"\n")[0].decode("ascii", "replace")
            message = f"the capture is of version {version}, and this oomtrace reads version 1"
            raise OomtraceError(message, "read it with the oomtrace that wrote it, or a newer one", EXIT_UNREADABLE)
        raise OomtraceError("this is not an oomtrace capture", None, EXIT_UNREADABLE)
    frames: Dict[bytes, List[bytes]] = {}
    problems: List[str] = []
    for tag, payload in _frames(stream, problems):
        frames.setdefault(tag, []).append(payload)
    if b"HEAD" not in frames or b"LAYT" not in frames:
        hint = "; ".join(problems) or None
        raise OomtraceError("the capture is damaged: its head cannot be read", hint, EXIT_UNREADABLE)
    symbols = json.loads(frames[b"SYMS"][0]) if b"SYMS" in frames else {}
    done = json.loads(frames[b"DONE"][0]) if b"DONE" in frames else {}
    problems += _missing(frames, done)
    return Capture(
        Layout(frames[b"LAYT"][0].decode()),
        json.loads(frames[b"HEAD"][0]),
        tuple(frames.get(b"RECD", ())),
        {int(address, 16): name for address, name in symbols.items()},
        done.get("lost"),
        tuple(problems),
    )


def _missing(frames: Mapping[bytes, Sequence[bytes]], done: Mapping[str, int]) -> Iterator[str]:
    """What should be there and is not."""
    if not done:
        yield "the capture ends early"
    elif len(frames.get(b"RECD", ())) < done["records"]:
        yield f"{len(frames.get(b'RECD', ()))} of {done['records']} records can be read"
    if done and b"SYMS" not in frames:
        yield "the names of the functions in call traces cannot be read"


def _frames(stream: BinaryIO, problems: List[str]) -> Iterator[Tuple[bytes, bytes]]:
    """The frames whose checksum holds; stops at the first that makes no sense."""
    while True:
        head = stream.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return
        tag, length, checksum = _FRAME.unpack(head)
        if length > _MAX_FRAME_BYTES:
            problems.append("the capture is damaged: a frame has an impossible length")
            return
        payload = stream.read(length)
        if zlib.crc32(payload) == checksum and len(payload) == length:
            yield tag, payload
        else:
            problems.append(f"the capture is damaged: a {tag.decode('ascii', 'replace')} frame is cut off or altered")


def events(capture: Capture) -> Iterator[OomEvent]:
    """The events that a capture holds."""
    decoder = Decoder(capture.layout, capture.facts, capture.symbols.get)
    assembler = Assembler()
    for data in capture.records:
        try:
            assembler.add(capture.layout.decode(data), 0)
        except ValueError:
            continue  # a record of a kind that its own layout does not know: counted as a gap in the sequence
    for oom in assembler.flush():
        yield decoder.event(oom, "capture", capture.lost or 0)
