"""Capture files: the raw records of an OOM and all that is needed to decode them on any machine, at any later time.

A file is a magic line and frames: a four-letter tag, the payload's length and its CRC-32 (both little-endian 32 bits),
and the payload. HEAD holds the facts of the machine and the offsets at which its structures were read (JSON), LAYT the
text of records.h, each RECD a record as it came, SYMS the names of the addresses met in stacks (JSON), CODE the frames
of processes' stacks, if there are any (JSON), RAWC what these frames were made of, which nothing keeps unless somebody
asks (JSON: processes' registers and copies of their stacks), each LOOK and GLAN what was seen of the memcg in /proc and
cgroup files (JSON, model.Look and model.Glance), each HIST how usage had gone in a memcg of which no record tells
(JSON, model.UsageHistory), DONE how many records there were and how many were lost (JSON).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ctypes import sizeof
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Optional

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.facts import Facts
from oomtrace.model import Code, OomEvent, Part
from oomtrace.plain import from_plain, to_plain
from oomtrace.wire.assemble import Assembler
from oomtrace.wire.decode import Decoder
from oomtrace.wire.framing import MAGIC as MAGIC
from oomtrace.wire.framing import MAGIC_WORD, TAGS, frames, packed
from oomtrace.wire.layout import Layout, TraceRecord
from oomtrace.wire.seen import NOTHING, Seen, with_seen

_MAX_LAYOUT_BYTES = 64 << 10  # of its text: several times what there is
_MAX_STRUCT_BYTES = 1 << 20
_MAX_NAME = 1024  # of a symbol with its module: the kernel's are shorter (KSYM_NAME_LEN, MODULE_NAME_LEN)
_NO_NAMES = "the names of the functions in call traces cannot be read"
_NO_CODE = "the code of processes cannot be read"


@dataclass(frozen=True)
class Capture:
    """What a capture file holds. ``problems`` says in words what could not be read of it."""

    layout: Layout
    facts: Facts
    records: tuple[bytes, ...]
    symbols: Mapping[int, str]
    lost: Optional[int]
    problems: tuple[str, ...]
    code: Optional[Code] = None
    raw: Any = None  # what ``code`` was made of, as JSON has it: oomtrace/code/raw.py
    seen: Seen = NOTHING


def dump(
    layout: str, facts: Facts, records: Sequence[bytes], symbols: Mapping[int, str], lost: int,
    code: Optional[Code] = None, raw: Any = None, seen: Seen = NOTHING,
) -> bytes:
    """The bytes of a capture file. ``raw``: what ``code`` was made of, as JSON has it, if it is to be kept."""
    found = [packed(b"HEAD", _json(facts.to_plain())), packed(b"LAYT", layout.encode())]
    found += [packed(b"RECD", record) for record in records]
    found.append(packed(b"SYMS", _json({f"{address:#x}": name for address, name in sorted(symbols.items())})))
    if code is not None:
        found.append(packed(b"CODE", _json(to_plain(code))))
    if raw is not None:
        found.append(packed(b"RAWC", _json(raw)))
    found += [packed(b"LOOK", _json(look)) for look in seen.looks]
    found += [packed(b"GLAN", _json(glance)) for glance in seen.glances]
    found += [packed(b"HIST", _json(history)) for history in seen.histories]
    found.append(packed(b"DONE", _json({"records": len(records), "lost": lost})))
    return MAGIC + b"".join(found)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def save(path: Path, data: bytes) -> None:
    """Write atomically, readable by the owner alone. Raises OSError."""
    if path.exists() and not path.is_file():  # a pipe, a device: root must not put a file in the place of /dev/null
        path.write_bytes(data)
        return
    from tempfile import mkstemp  # late: a trace without captures needs nothing of it

    descriptor, temporary = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so (``len(MAGIC)`` bytes) is a capture, of whatever version."""
    return bool(re.match(MAGIC_WORD + rb"\d+\n?", head))


def split(data: bytes) -> Iterator[bytes]:
    """Each capture of a file that holds several one after the other (``cat``)."""
    starts = [0]
    if data.find(MAGIC_WORD, 1) > 0:
        starts += [frame.at for frame in frames(data) if frame.tag == MAGIC_WORD and frame.at]
    for start, end in zip(starts, [*starts[1:], len(data)]):
        yield data[start:end]


def load(stream: BinaryIO) -> Capture:
    """Read a capture as far as it can be read. Raises OomtraceError if there is nothing to decode."""
    data = stream.read()
    _check_version(data[: len(MAGIC)])
    held, problems = _held(data)
    head = _parsed(held, b"HEAD")
    if not isinstance(head, dict) or b"LAYT" not in held:
        raise _damaged("its head cannot be read", "; ".join(problems) or None)
    facts, senseless = Facts.from_plain(head)
    problems += ["the facts of the machine are missing"] if "release" not in head else []
    problems += ["some facts of the machine make no sense"] if senseless else []
    layout, symbols = _layout(held[b"LAYT"][0]), _symbols(_parsed(held, b"SYMS"))
    done = _parsed(held, b"DONE")
    problems += _missing(held, done)
    records = held.get(b"RECD", [])
    strange = len(records) - sum(1 for _ in _decoded(layout, records))
    problems += [f"{strange} of {len(records)} records are of no kind that is known"] if strange else []
    if symbols is None and (b"SYMS" in held or b"DONE" in held):
        problems.append(_NO_NAMES)
    code = _code(_parsed(held, b"CODE"))
    problems += [_NO_CODE] if code is None and b"CODE" in held else []
    lost = done.get("lost") if isinstance(done, dict) else None
    known = lost if _is_count(lost) else None
    seen = Seen(_objects(held, b"LOOK"), _objects(held, b"GLAN"), _objects(held, b"HIST"))
    raw = _parsed(held, b"RAWC")
    return Capture(layout, facts, tuple(records), symbols or {}, known, tuple(problems), code, raw, seen)


def _check_version(head: bytes) -> None:
    if head == MAGIC:
        return
    if not is_capture(head):
        raise OomtraceError("this is not an oomtrace capture", None, EXIT_UNREADABLE)
    version = head[len(MAGIC_WORD):].split(b"\n")[0].decode("ascii", "replace")
    message = f"the capture is of version {version}, and this oomtrace reads version 1"
    raise OomtraceError(message, "read it with the oomtrace that wrote it, or a newer one", EXIT_UNREADABLE)


def _damaged(what: str, hint: Optional[str] = None) -> OomtraceError:
    return OomtraceError(f"the capture is damaged: {what}", hint, EXIT_UNREADABLE)


def _held(data: bytes) -> tuple[dict[bytes, list[bytes]], list[str]]:
    """The payloads of the first capture by their tags, and what is wrong with its frames, each kind of it once."""
    held: dict[bytes, list[bytes]] = {}
    problems: list[str] = []
    for frame in frames(data):
        if frame.tag == MAGIC_WORD and frame.at:
            break
        if frame.payload is not None:
            held.setdefault(frame.tag, []).append(frame.payload)
            continue
        name = f"a {frame.tag.decode()} frame" if frame.tag in TAGS else "a frame"
        problem = f"the capture is damaged: {name} is cut off or altered"
        problems += [problem] if problem not in problems else []
    return held, problems


def _parsed(held: Mapping[bytes, Sequence[bytes]], tag: bytes) -> Any:
    """The JSON of a frame; None if it is not there or is none."""
    try:
        return json.loads(held[tag][0]) if tag in held else None
    except (ValueError, RecursionError):
        return None


def _objects(held: Mapping[bytes, Sequence[bytes]], tag: bytes) -> list[Mapping[str, Any]]:
    """The JSON of all frames with that tag; an empty object in place of what is none, which nothing is made of."""
    found: list[Mapping[str, Any]] = []
    for payload in held.get(tag, ()):
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError):
            value = None
        found.append(value if isinstance(value, dict) else {})
    return found


def _layout(text: bytes) -> Layout:
    try:
        if len(text) > _MAX_LAYOUT_BYTES:
            raise ValueError("too long")
        layout = Layout(text.decode())
        if any(sizeof(struct) > _MAX_STRUCT_BYTES for struct in layout.structs.values()):
            raise ValueError("a record would be too large")
        return layout
    except Exception as error:  # of many kinds: what ctypes and the dictionaries of the layout do not take
        raise _damaged("the layout of its records makes no sense", str(error)) from error


def _symbols(found: Any) -> Optional[dict[int, str]]:
    try:
        sound = all(len(name) <= _MAX_NAME for name in map(str.__str__, found.values()))
        return {int(address, 16): name for address, name in found.items()} if sound else None
    except (AttributeError, TypeError, ValueError):
        return None


def _code(found: Any) -> Optional[Code]:
    try:
        return None if found is None else from_plain(Code, found)
    except (ValueError, RecursionError):
        return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63


def _missing(held: Mapping[bytes, Sequence[bytes]], done: Any) -> Iterator[str]:
    """What should be there and is not."""
    records = len(held.get(b"RECD", ()))
    if b"DONE" not in held:
        yield "the capture ends early"
    elif not isinstance(done, dict) or not _is_count(done.get("records")):
        yield "how many records there should be cannot be read"
    elif not _is_count(done.get("lost", 0)):
        yield "how many records were lost cannot be read"
    elif records < done["records"]:
        yield f"{records} of {done['records']} records can be read"


def events(capture: Capture) -> Iterator[OomEvent]:
    """The events that a capture holds, with the code as it was found when it was written. Raises OomtraceError if its
    records, facts and layout do not go together."""
    assembler = Assembler()
    with _decoding():
        decoder = Decoder(capture.layout, capture.facts, capture.symbols.get)
        for record in _decoded(capture.layout, capture.records):
            assembler.add(record, 0)
    for oom in assembler.flush():
        with _decoding():
            event = replace(decoder.event(oom, "capture", capture.lost or 0), code=capture.code)
            event, senseless = with_seen(event, capture.seen)
        if capture.problems or senseless:
            missing = (*event.origin.missing, Part.OF_CAPTURE)
            event = replace(event, origin=replace(event.origin, missing=missing))
        yield event


def _decoded(layout: Layout, records: Iterable[bytes]) -> Iterator[TraceRecord]:
    """The records of the kinds that the layout knows; a gap in the sequence stands for any other."""
    for data in records:
        with _decoding(), suppress(ValueError):
            yield layout.decode(data)


@contextmanager
def _decoding() -> Iterator[None]:
    """A capture brings the layout of its records along: what the decoder stumbles over is the file's fault."""
    try:
        yield
    except OomtraceError:
        raise
    except Exception as error:
        raise _damaged("its records cannot be decoded", f"{type(error).__name__}: {error}") from error
