"""The layout of records, read from ``bpf/records.h`` itself (or from the copy of it that a capture carries).

The header is plain C of a small kind: defines of numbers, enums, and structs of fixed-size integers, arrays of them
and earlier structs. ctypes lays them out as the C compiler does.
"""

from __future__ import annotations

import ctypes
import re
from struct import Struct as Packed
from typing import Any, Optional, TypeVar

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.wire.records import Chars, RecordKind, Struct, struct_name, struct_of

_SCALARS: dict[str, Any] = {
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
_PACKED_HEADER = Packed("<IIQQ")

# What the headers of earlier captures lack, as it was sent then.
_EARLIER = """
#define NO_SEQ ((u32)-1)
#define NOT_TRACKED ((u64)-1)
#define NOT_SHOWN ((u32)-1)
#define CODE_BEFORE 42
struct rec_suppressed { struct rec_header header; u32 callbacks; u32 unused; };
"""

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define (\w+) (?:(\d+)|\(\((u32|u64)\)-1\))[ \t]*$", re.MULTILINE)
_ENUM = re.compile(r"enum \w+ \{(.*?)\};", re.DOTALL)
_ENUMERATOR = re.compile(r"(\w+) = (\d+)")
_STRUCT = re.compile(r"struct (\w+) \{(.*?)\};", re.DOTALL)
_MEMBER = re.compile(r"(?:struct )?(\w+) (\w+)(?:\[(\w+)\])?$")

# Members that a record may end before: only a kill has its message, and of processes' memory no more is sent or kept
# than there is to be.
TAILS = ("message", "memory", "registers", "running")

S = TypeVar("S", bound=Struct)


class Layout:
    """The structs and constants of a records header. Raises OomtraceError if the text is not such a header."""

    def __init__(self, text: str) -> None:
        self.text = text
        plain = _COMMENT.sub("", text)
        self.constants: dict[str, int] = {**_constants(_EARLIER), **_constants(plain)}
        self._no_seq = self.constants["NO_SEQ"]
        self.structs: dict[str, type[ctypes.Structure]] = {}
        for name, body in _STRUCT.findall(plain) + _STRUCT.findall(_EARLIER):
            if name not in self.structs:
                self.structs[name] = self._struct(name, body)
        header = self.structs.get("rec_header")
        if header is None or list(header._fields_) != _HEADER:
            raise _unreadable("the capture's record layout cannot be read")
        numbers = {name: value for name, value in self.constants.items() if name.startswith("REC_")}
        if len(numbers) != len(set(numbers.values())):
            raise _unreadable("two kinds of record have the same number")
        self._kinds = {number: _Form(name, self.structs) for name, number in numbers.items()}

    def _struct(self, name: str, body: str) -> type[ctypes.Structure]:
        fields: list[tuple[str, Any]] = []
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            match = _MEMBER.match(declaration)
            member = match and (_SCALARS.get(match.group(1)) or self.structs.get(match.group(1)))
            if not match or not member:
                raise _unreadable(f"the record layout has an unknown member: {declaration}")
            length = match.group(3)
            if length:
                member = member * (int(length) if length.isdigit() else self.constants[length])
            fields.append((match.group(2), member))
        return type(name, (struct_of(name), ctypes.Structure), {"_fields_": fields})

    def decode(self, data: bytes) -> TraceRecord:
        """One record. Raises ValueError if the bytes are too short or of an unknown kind."""
        if len(data) < _PACKED_HEADER.size:
            raise ValueError("record shorter than its header")
        number, seq, oom_id, time_ns = _PACKED_HEADER.unpack_from(data)
        form = self._kinds.get(number)
        if form is None or form.struct is None:
            raise ValueError(f"unknown record kind {number}")
        if len(data) < form.least_bytes:
            raise ValueError(f"record of kind {form.kind.name} is cut off")
        return TraceRecord(form.kind, None if seq == self._no_seq else seq, oom_id, time_ns, form, data)


class _Form:
    """What a record of a kind is: the kind by its name in the header, as numbers are each header's own; its struct; and
    the least bytes that it has, as some end before a member that they need not have (``TAILS``)."""

    __slots__ = ("kind", "struct", "least_bytes")

    def __init__(self, name: str, structs: dict[str, type[ctypes.Structure]]) -> None:
        self.kind = RecordKind.__members__.get(name[len("REC_"):], RecordKind.OTHER)
        self.struct = structs.get(name.lower() if self.kind is RecordKind.OTHER else struct_name(self.kind))
        self.least_bytes = 0
        if self.struct is not None:
            tails = [getattr(self.struct, name).offset for name in TAILS if hasattr(self.struct, name)]
            self.least_bytes = min([ctypes.sizeof(self.struct), *tails])


class TraceRecord:
    """A record: ``raw`` is the bytes as they came, of which it needs the first ``least_bytes``. ``seq`` is its number
    within the OOM; None if another task has sent it, afterwards.

    A storm's records wait by the ten thousands until their OOM is over, and a struct takes several times the bytes that
    it is made of; so it is made when it is asked for.
    """

    __slots__ = ("kind", "seq", "oom_id", "time_ns", "raw", "least_bytes", "_struct", "_body")

    def __init__(
        self, kind: RecordKind, seq: Optional[int], oom_id: int, time_ns: int, form: _Form, raw: bytes
    ) -> None:
        assert form.struct is not None
        self.kind = kind
        self.least_bytes = form.least_bytes
        self.seq = seq
        self.oom_id = oom_id
        self.time_ns = time_ns
        self.raw = raw
        self._struct = form.struct
        self._body: Optional[ctypes.Structure] = None

    def read(self, struct: type[S]) -> S:
        """The struct, which must be what records of this kind are."""
        if self._body is None:
            whole = ctypes.sizeof(self._struct)
            self._body = self._struct.from_buffer_copy(self.raw[:whole].ljust(whole, b"\0"))
        if not isinstance(self._body, struct):
            raise TypeError(f"a record of kind {self.kind.name} is no {struct.__name__}")
        return self._body


def text_of(chars: Chars) -> str:
    """A NUL-terminated char array as text whose bytes survive a round trip."""
    return bytes(chars).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _constants(plain: str) -> dict[str, int]:
    """Defines and enumerators."""
    found = {
        name: int(number) if number else (1 << int(minus_one[1:])) - 1
        for name, number, minus_one in _DEFINE.findall(plain)
    }
    for body in _ENUM.findall(plain):
        found.update((name, int(value)) for name, value in _ENUMERATOR.findall(body))
    return found


def _unreadable(what: str) -> OomtraceError:
    return OomtraceError(what, None, EXIT_UNREADABLE)
