"""The layout of records, read from ``bpf/records.h`` itself (or from the copy of it that a capture carries).

The header is plain C of a small kind: defines of numbers, enums, and structs of fixed-size integers, arrays of them
and earlier structs. ctypes lays them out as the C compiler does.
"""

from __future__ import annotations

import ctypes
import re
from struct import Struct
from typing import Any, Dict, Iterable, List, Mapping, Tuple, Type

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError

_SCALARS: Dict[str, Any] = {
    "u8": ctypes.c_uint8,
    "u16": ctypes.c_uint16,
    "u32": ctypes.c_uint32,
    "u64": ctypes.c_uint64,
    "s8": ctypes.c_int8,
    "s16": ctypes.c_int16,
    "s32": ctypes.c_int32,
    "s64": ctypes.c_int64,
    "char": ctypes.c_uint8,
}

# Which kind a record is, and of which OOM: the same in every version of a capture, and told without its struct.
_HEADER = [(name, _SCALARS[scalar]) for name, scalar in
           (("kind", "u32"), ("seq", "u32"), ("oom_id", "u64"), ("time_ns", "u64"))]

_DEFINE = re.compile(r"^#define (\w+) (\d+)$", re.MULTILINE)
_ENUM = re.compile(r"enum \w+ \{(.*?)\};", re.DOTALL)
_STRUCT = re.compile(r"struct (\w+) \{(.*?)\};", re.DOTALL)
_MEMBER = re.compile(r"(?:struct )?(\w+) (\w+)(?:\[(\w+)\])?$")


class Layout:
    """The structs and constants of a records header. Raises OomtraceError if the text is not such a header."""

    def __init__(self, text: str) -> None:
        self.text = text
        plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        self.constants: Dict[str, int] = {name: int(value) for name, value in _DEFINE.findall(_trimmed(plain))}
        for body in _ENUM.findall(plain):
            for name, value in re.findall(r"(\w+) = (\d+)", body):
                self.constants[name] = int(value)
        self.structs: Dict[str, Type[ctypes.Structure]] = {}
        for name, body in _STRUCT.findall(plain):
            self.structs[name] = self._struct(name, body)
        header: Any = self.structs.get("rec_header")
        if header is None or header._fields_ != _HEADER:
            raise OomtraceError("the capture's record layout cannot be read", None, EXIT_UNREADABLE)
        numbers = [value for name, value in self.constants.items() if name.startswith("REC_")]
        if len(numbers) != len(set(numbers)):
            raise OomtraceError("two kinds of record have the same number", None, EXIT_UNREADABLE)
        self._header = Struct("<IIQQ")
        kinds = {value: name for name, value in self.constants.items() if name.startswith("REC_")}
        self._kinds = {kind: self._kind(name) for kind, name in kinds.items()}

    def _struct(self, name: str, body: str) -> Type[ctypes.Structure]:
        fields: List[Tuple[str, Any]] = []
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            match = _MEMBER.match(declaration)
            scalar = match and (_SCALARS.get(match.group(1)) or self.structs.get(match.group(1)))
            if not match or not scalar:
                raise OomtraceError(f"the record layout has an unknown member: {declaration}", None, EXIT_UNREADABLE)
            length = match.group(3)
            if length:
                scalar = scalar * (int(length) if length.isdigit() else self.constants[length])
            fields.append((match.group(2), scalar))
        return type(name, (ctypes.Structure,), {"_fields_": fields})

    # Kinds that share a struct; every other REC_X has a struct rec_x.
    _SHARED = {
        "REC_WAIT": "rec_begin",
        "REC_WAITED": "rec_begin",
        "REC_FAILED": "rec_begin",
        "REC_CHOSEN": "rec_report",
        "REC_HEADER": "rec_report",
        "REC_NO_VICTIM": "rec_report",
        "REC_COUNTERS": "rec_memcg",
        "REC_PROTECTION": "rec_memcg",
        "REC_CANDIDATE": "rec_task",
        "REC_VICTIM": "rec_task",
        "REC_KILL": "rec_task",
        "REC_KILLED": "rec_task",
        "REC_SIGNALLED": "rec_task",
        "REC_DONE": "rec_group",
        "REC_SUPPRESSED": "rec_group",
    }

    def _kind(self, name: str) -> Tuple[str, Any, int]:
        """Its name, its struct and the least bytes that a record of it has: only a kill has its message."""
        struct = self.structs.get(self._SHARED.get(name, name.lower()))
        if struct is None:
            return name, None, 0
        return name, struct, struct.message.offset if hasattr(struct, "message") else ctypes.sizeof(struct)

    def decode(self, data: bytes) -> "Record":
        """One record. Raises ValueError if the bytes are too short or of an unknown kind."""
        if len(data) < self._header.size:
            raise ValueError("record shorter than its header")
        kind, seq, oom_id, time_ns = self._header.unpack_from(data)
        name, struct, least = self._kinds.get(kind, ("", None, 0))
        if struct is None:
            raise ValueError(f"unknown record kind {kind}")
        if len(data) < least:
            raise ValueError(f"record of kind {name} is cut off")
        return Record(name, seq, oom_id, time_ns, struct, data)


class Record:
    """A record: ``kind`` is the name in records.h, ``raw`` the bytes as they came.

    A storm's records wait by the ten thousands until their OOM is over, and a struct takes several times the bytes that
    it is made of; so it is made when it is asked for.
    """

    __slots__ = ("kind", "seq", "oom_id", "time_ns", "raw", "_struct", "_body")

    def __init__(self, kind: str, seq: int, oom_id: int, time_ns: int, struct: Any, raw: bytes) -> None:
        self.kind = kind
        self.seq = seq
        self.oom_id = oom_id
        self.time_ns = time_ns
        self.raw = raw
        self._struct = struct
        self._body: Any = None

    @property
    def body(self) -> Any:
        """The struct, with its members as attributes."""
        if self._body is None:
            whole = ctypes.sizeof(self._struct)
            self._body = self._struct.from_buffer_copy(self.raw[:whole].ljust(whole, b"\0"))
        return self._body


ByKind = Mapping[str, List[Any]]  # the bodies of an OOM's records


def by_kind(records: Iterable[Record]) -> ByKind:
    """The records' bodies by their kind, in order."""
    found: Dict[str, List[Any]] = {}
    for record in records:
        found.setdefault(record.kind, []).append(record.body)
    return found


def first(bodies: ByKind, kind: str) -> Any:
    """The first of a kind, or None."""
    return bodies[kind][0] if kind in bodies else None


def last(bodies: ByKind, kind: str) -> Any:
    """The last of a kind, or None."""
    return bodies[kind][-1] if kind in bodies else None


def text_of(chars: Any) -> str:
    """A NUL-terminated char array as text whose bytes survive a round trip."""
    return bytes(chars).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _trimmed(text: str) -> str:
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
