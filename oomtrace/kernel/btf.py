"""The kernel's own type information: where a field lies and what an enumerator is worth.

``/sys/kernel/btf/vmlinux`` (Documentation/bpf/btf.rst) holds about 100,000 types. Only a few dozen are asked for, so
the types are not parsed: one pass notes where each begins, and the rest is looked up in the words.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, count
from operator import add
from struct import unpack_from
from typing import Optional

from oomtrace.errors import EXIT_NO_TYPES, OomtraceError
from oomtrace.kernel import origin

# BTF_KIND_* (include/uapi/linux/btf.h)
INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

_MODIFIERS = frozenset((TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG))

# Words of a type after its three-word head: fixed ones, and those for each of its vlen members.
_FIXED_WORDS = [0] * 32
_FIXED_WORDS[INT], _FIXED_WORDS[ARRAY], _FIXED_WORDS[VAR], _FIXED_WORDS[DECL_TAG] = 1, 3, 1, 1
_MEMBER_WORDS = [0] * 32
_MEMBER_WORDS[STRUCT] = _MEMBER_WORDS[UNION] = _MEMBER_WORDS[DATASEC] = _MEMBER_WORDS[ENUM64] = 3
_MEMBER_WORDS[ENUM] = _MEMBER_WORDS[FUNC_PROTO] = 2


# One type, and the word of it that says its kind and length; alternatives by length, of few members. Of many members
# (or of a kind that is not known) it takes all the rest: that is as far as one call gets.
_FEW = 24
_TYPE = re.compile(
    rb"(?s:.{4}(?=(.{4}))(?:..\x00[\x02\x07-\x0c\x10\x12\x82\x87-\x8c\x90\x92].{4}|\x00\x00\x00[\x01\x0e\x11\x91].{8}"
    + b"".join(
        b"|" + re.escape(bytes([few])) + rb"\x00\x00(?:[\x04\x05\x84\x85\x0f\x13\x93].{%d}|[\x06\x86\x0d].{%d})"
        % (4 + 12 * few, 4 + 8 * few)
        for few in range(_FEW)
    )
    + rb"|.*))"
)


def _words_of(info: bytes) -> int:
    kind, members = info[3] & 31, int.from_bytes(info[:2], "little")
    if not 0 < kind <= ENUM64:
        raise _unreadable(f"have a type of kind {kind}, which is not known", "a later oomtrace may know it")
    return 3 + _FIXED_WORDS[kind] + _MEMBER_WORDS[kind] * members


def _survey(data: bytes, begin: int, end: int) -> tuple[bytes, array[int]]:
    """The kind of each type, a byte each, and the word that each begins at, from the first on, and the end. Id 0 is
    void. Done with what Python has in C: there are a hundred thousand, on a machine that may be in a hurry and short of
    memory."""
    kinds, starts = bytearray(b"\0"), array("I", (0, 0))
    words: dict[bytes, int] = {}
    while begin < end:
        found = _TYPE.findall(data, begin, end)
        for info in set(found) - words.keys():
            words[info] = _words_of(info)
        last = starts.pop()
        starts.extend(accumulate(map(words.__getitem__, found), initial=last))
        kinds += b"".join(found)[3::4]
        begin += 4 * (starts[-1] - last) if found else end
    if begin > end:
        raise _unreadable("end too early")
    return bytes(kinds).translate(_KINDS), starts


_KINDS = bytes(info & 31 for info in range(256))  # the byte that has the kind has a flag, too


def _unreadable(why: str, hint: Optional[str] = None) -> OomtraceError:
    return OomtraceError(f"the kernel's types {why}", hint, EXIT_NO_TYPES)


@dataclass(frozen=True)
class Field:
    """A field of a struct: its offset in bytes from the struct's beginning and its C type as ``c_decl`` text.

    ``bit_size`` is None but for a bit-field, whose ``bit_offset`` is counted from the struct's beginning.
    """

    offset_bytes: int
    type_id: int
    bit_offset: int
    bit_size: Optional[int]


class Btf:
    """Answers questions about the types in a BTF blob. Raises OomtraceError if it is none, or not a whole one."""

    def __init__(self, data: bytes) -> None:
        magic, _, _, header_len = unpack_from("<HBBI", data) if len(data) >= 24 else (0, 0, 0, 0)
        if magic != 0xEB9F:
            raise _unreadable("are not BTF", "is this a little-endian kernel?")
        type_off, type_len, str_off, str_len = unpack_from("<IIII", data, 8)
        begin, strings = header_len + type_off, header_len + str_off
        if begin + type_len > len(data) or strings + str_len > len(data) or type_len % 4:
            raise _unreadable("end too early")
        self._data, self._begin, self._end = data, begin, begin + type_len
        self._words = memoryview(data)[begin : begin + type_len].cast("I")
        self._strings = data[strings : strings + str_len]
        self._kinds, self._starts = _survey(data, begin, begin + type_len)
        self._fields: dict[int, dict[int, tuple[int, int, Optional[int]]]] = {}

    def _ids(self, *kinds: int) -> Iterator[int]:
        """The types of these kinds, in order."""
        return (found.start() for found in re.finditer(b"[%s]" % re.escape(bytes(kinds)), self._kinds))

    @cached_property
    def _structs(self) -> dict[int, int]:
        """The first struct or union by the offset of its name."""
        ids = list(self._ids(STRUCT, UNION))[::-1]
        return {self._words[self._starts[type_id]]: type_id for type_id in ids}

    @cached_property
    def _enumerators(self) -> dict[int, list[int]]:
        """Where in the words the enumerators are, by the offset of their name."""
        found: dict[int, list[int]] = {}
        for type_id in self._ids(ENUM, ENUM64):
            start, end = self._starts[type_id : type_id + 2]
            for at in range(start + 3, end, _MEMBER_WORDS[self._kind(type_id)]):
                found.setdefault(self._words[at], []).append(at)
        return found

    @cached_property
    def _name_offsets(self) -> dict[bytes, int]:
        names = self._strings.split(b"\0")
        return dict(zip(names, map(add, accumulate(map(len, names), initial=0), count())))

    def _name_offset(self, name: str) -> Optional[int]:
        return self._name_offsets.get(name.encode())

    def _name(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()

    def _kind(self, type_id: int) -> int:
        return self._kinds[type_id]

    def _type_at(self, pos: int) -> int:
        """The id of the type whose words include pos."""
        return max(1, bisect_right(self._starts, pos, 1) - 1)

    def struct_id(self, name: str) -> Optional[int]:
        """The id of ``struct name`` (or ``union name``), None if the kernel has none."""
        offset = self._name_offset(name)
        return None if offset is None else self._structs.get(offset)

    def _members(self, type_id: int) -> Iterator[tuple[int, int, int, Optional[int]]]:
        """(name offset, type id, bit offset, bit-field size) of each member."""
        pos = self._starts[type_id]
        info = self._words[pos + 1]
        for at in range(pos + 3, pos + 3 + 3 * (info & 0xFFFF), 3):
            name_offset, member_type, offset = self._words[at], self._words[at + 1], self._words[at + 2]
            if info >> 31:  # kind_flag: the upper byte is the size of a bit-field
                yield name_offset, member_type, offset & 0xFFFFFF, offset >> 24 or None
            else:
                yield name_offset, member_type, offset, None

    def field(self, struct: str, name: str) -> Optional[Field]:
        """A field of ``struct``, also if it stands in an anonymous struct or union inside; None if there is none."""
        type_id, name_offset = self.struct_id(struct), self._name_offset(name)
        if type_id is None or name_offset is None:
            return None
        found = self._fields_of(type_id).get(name_offset)
        if found is None:
            return None
        bits, member_type, bit_size = found
        return Field(bits // 8, member_type, bits, bit_size)

    def _fields_of(self, type_id: int) -> dict[int, tuple[int, int, Optional[int]]]:
        """(bit offset, type id, bit-field size) by name offset, with those of anonymous structs and unions inside."""
        known = self._fields.get(type_id)
        if known is not None:
            return known
        fields: dict[int, tuple[int, int, Optional[int]]] = {}
        for name_offset, member_type, bits, bit_size in self._members(type_id):
            if name_offset:
                fields.setdefault(name_offset, (bits, member_type, bit_size))
            elif self._kind(inner := self.resolve(member_type)) in (STRUCT, UNION):
                for name, (inner_bits, inner_type, inner_size) in self._fields_of(inner).items():
                    fields.setdefault(name, (bits + inner_bits, inner_type, inner_size))
        self._fields[type_id] = fields
        return fields

    def resolve(self, type_id: int) -> int:
        """The type behind typedefs and qualifiers."""
        while type_id and self._kind(type_id) in _MODIFIERS:
            type_id = self._words[self._starts[type_id] + 2]
        return type_id

    def size_bytes(self, type_id: int) -> int:
        """sizeof the type."""
        type_id = self.resolve(type_id)
        kind, pos = self._kind(type_id), self._starts[type_id]
        if kind == PTR:
            return 8
        if kind == ARRAY:
            return self._words[pos + 5] * self.size_bytes(self._words[pos + 3])
        return self._words[pos + 2]

    def length(self, type_id: int) -> Optional[int]:
        """How many elements an array has; None if the type is none."""
        type_id = self.resolve(type_id)
        return self._words[self._starts[type_id] + 5] if self._kind(type_id) == ARRAY else None

    def c_type(self, type_id: int) -> tuple[str, Optional[int]]:
        """The type in the words of the generated header: (scalar, array length or None).

        Pointers are ``u64``; a struct that only wraps one value (``atomic_long_t``, ``kuid_t``, ``nodemask_t``) is
        that value; any other struct is an array of bytes.
        """
        type_id = self.resolve(type_id)
        kind, pos = self._kind(type_id), self._starts[type_id]
        if kind == INT:
            signed = self._words[pos + 3] >> 24 & 1
            return ("s" if signed else "u") + str(8 * self._words[pos + 2]), None
        if kind == ENUM:
            return "u32", None
        if kind == PTR:
            return "u64", None
        if kind == ARRAY:
            scalar, inner = self.c_type(self._words[pos + 3])
            return scalar, self._words[pos + 5] * (inner or 1)
        if kind in (STRUCT, UNION):
            members = list(self._members(type_id))
            if len(members) == 1 and members[0][3] is None:
                return self.c_type(members[0][1])
        return "u8", self.size_bytes(type_id)

    def enumerator(self, name: str) -> Optional[int]:
        """The value of an enumerator, whatever its enum is called; None if the kernel has none of that name."""
        return self._enumerator(name, None)

    def enumerator_of(self, enum: str, name: str) -> Optional[int]:
        """The value of an enumerator of ``enum enum``; None if it has none of that name."""
        return self._enumerator(name, enum)

    def _enumerator(self, name: str, enum: Optional[str]) -> Optional[int]:
        offset = self._name_offset(name)
        for pos in self._enumerators.get(offset, ()) if offset is not None else ():
            start = self._starts[self._type_at(pos)]
            if enum is not None and self._name(self._words[start]) != enum:
                continue
            value, info = self._words[pos + 1], self._words[start + 1]
            if info >> 24 & 31 == ENUM and value >> 31 and info >> 31:
                value -= 1 << 32
            return value
        return None

    def parameters(self, function: str) -> tuple[str, ...]:
        """The names of a kernel function's parameters; empty if it has none or is not known."""
        type_id = self.function_id(function)
        if type_id is None:
            return ()
        start = self._starts[self._words[self._starts[type_id] + 2]]
        count = self._words[start + 1] & 0xFFFF
        return tuple(self._name(self._words[at]) for at in range(start + 3, start + 3 + 2 * count, 2))

    def function_id(self, function: str) -> Optional[int]:
        """The id of a kernel function's type; None if it is not known."""
        offset = self._name_offset(function)
        if offset is None:
            return None
        needle, at = offset.to_bytes(4, "little"), self._begin - 1
        while True:  # functions are half of all types, and two or three are asked for
            at = self._data.find(needle, at + 1, self._end)
            if at < 0:
                return None
            pos, odd = divmod(at - self._begin, 4)
            type_id = self._type_at(pos)
            if not odd and self._starts[type_id] == pos and self._kind(type_id) == FUNC:
                return type_id


def load() -> Optional[Btf]:
    """The running kernel's types, None if it has none that can be read. Raises OomtraceError if they are not BTF."""
    try:
        return Btf(origin.btf_path().read_bytes())
    except OSError:
        return None
