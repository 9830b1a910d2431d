"""The kernel's own type information: where a field lies and what an enumerator is worth.

``/sys/kernel/btf/vmlinux`` (Documentation/bpf/btf.rst) holds about 100,000 types. Only a few dozen are asked for, so
the types are not parsed: one pass notes where each begins, and the rest is looked up in the bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from struct import unpack_from
from typing import Iterator, List, Optional, Tuple

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
    """Answers questions about the types in a BTF blob. Raises OomtraceError if it is not one."""

    def __init__(self, data: bytes) -> None:
        magic, _, _, header_len = unpack_from("<HBBI", data) if len(data) >= 24 else (0, 0, 0, 0)
        if magic != 0xEB9F:
            raise OomtraceError("the kernel's types are not BTF", "is this a little-endian kernel?", EXIT_NO_TYPES)
        type_off, type_len, str_off, str_len = unpack_from("<IIII", data, 8)
        self._words = array("I", data[header_len + type_off : header_len + type_off + type_len])
        self._bytes = self._words.tobytes()
        self._strings = data[header_len + str_off : header_len + str_off + str_len]
        self._starts = self._index()

    def _index(self) -> "array[int]":
        """Word offset of each type by its id (id 0 is void)."""
        words, end, pos = self._words, len(self._words), 0
        fixed, member = _FIXED_WORDS, _MEMBER_WORDS
        starts = [0]
        append = starts.append
        while pos < end:
            append(pos)
            info = words[pos + 1]
            kind = info >> 24 & 31
            pos += 3 + fixed[kind] + member[kind] * (info & 0xFFFF)
        return array("I", starts)

    def _name_offset(self, name: str) -> Optional[int]:
        found = self._strings.find(b"\0" + name.encode() + b"\0")
        return None if found < 0 else found + 1

    def _name(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()

    def _word_positions(self, value: int) -> Iterator[int]:
        """Positions of the words that equal value."""
        needle, at = value.to_bytes(4, "little"), -1
        while True:
            at = self._bytes.find(needle, at + 1)
            if at < 0:
                return
            if at % 4 == 0:
                yield at // 4

    def _kind(self, type_id: int) -> int:
        return self._words[self._starts[type_id] + 1] >> 24 & 31

    def _type_at(self, pos: int) -> int:
        """The id of the type whose words include pos."""
        return max(1, bisect_right(self._starts, pos, 1) - 1)

    def struct_id(self, name: str) -> Optional[int]:
        """The id of ``struct name`` (or ``union name``), None if the kernel has none."""
        name_offset = self._name_offset(name)
        if name_offset is None:
            return None
        for pos in self._word_positions(name_offset):
            type_id = self._type_at(pos)
            if self._starts[type_id] == pos and self._kind(type_id) in (STRUCT, UNION):
                return type_id
        return None

    def _members(self, type_id: int) -> Iterator[Tuple[int, int, int, Optional[int]]]:
        """(name offset, type id, bit offset, bit-field size) of each member."""
        pos = self._starts[type_id]
        info = self._words[pos + 1]
        for at in range(pos + 3, pos + 3 + 3 * (info & 0xFFFF), 3):
            name_offset, member_type, offset = self._words[at : at + 3]
            if info >> 31:  # kind_flag: the upper byte is the size of a bit-field
                yield name_offset, member_type, offset & 0xFFFFFF, offset >> 24 or None
            else:
                yield name_offset, member_type, offset, None

    def field(self, struct: str, name: str) -> Optional[Field]:
        """A field of ``struct``, also if it stands in an anonymous struct or union inside; None if there is none."""
        type_id, name_offset = self.struct_id(struct), self._name_offset(name)
        if type_id is None or name_offset is None:
            return None
        return self._find_field(type_id, name_offset, 0)

    def _find_field(self, type_id: int, wanted: int, base_bits: int) -> Optional[Field]:
        for name_offset, member_type, bits, bit_size in self._members(type_id):
            if name_offset == wanted:
                offset = base_bits + bits
                return Field(offset // 8, member_type, offset, bit_size)
            if name_offset == 0:
                inner = self.resolve(member_type)
                if self._kind(inner) in (STRUCT, UNION):
                    found = self._find_field(inner, wanted, base_bits + bits)
                    if found is not None:
                        return found
        return None

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

    def c_type(self, type_id: int) -> Tuple[str, Optional[int]]:
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
        name_offset = self._name_offset(name)
        if name_offset is None:
            return None
        for pos in self._word_positions(name_offset):
            type_id = self._type_at(pos)
            start, kind = self._starts[type_id], self._kind(type_id)
            width = _MEMBER_WORDS[kind]
            if kind not in (ENUM, ENUM64) or pos < start + 3 or (pos - start - 3) % width:
                continue
            if enum is not None and self._name(self._words[start]) != enum:
                continue
            value = self._words[pos + 1]
            if kind == ENUM and value >> 31 and self._words[start + 1] >> 31:
                value -= 1 << 32
            return value
        return None

    def parameters(self, function: str) -> Tuple[str, ...]:
        """The names of a kernel function's parameters; empty if it has none or is not known."""
        type_id = self.function_id(function)
        if type_id is None:
            return ()
        start = self._starts[self._words[self._starts[type_id] + 2]]
        count = self._words[start + 1] & 0xFFFF
        return tuple(self._name(self._words[at]) for at in range(start + 3, start + 3 + 2 * count, 2))

    def function_id(self, function: str) -> Optional[int]:
        """The id of a kernel function's type; None if it is not known."""
        name_offset = self._name_offset(function)
        for pos in self._word_positions(name_offset) if name_offset is not None else ():
            type_id = self._type_at(pos)
            if self._starts[type_id] == pos and self._kind(type_id) == FUNC:
                return type_id
        return None

    def struct_names(self) -> List[str]:
        """The names of all structs and unions (for diagnosis; slow)."""
        ids = range(1, len(self._starts))
        return [self._name(self._words[self._starts[i]]) for i in ids if self._kind(i) in (STRUCT, UNION)]


def load() -> Optional[Btf]:
    """The running kernel's types, None if it has none that can be read. Raises OomtraceError if they are not BTF."""
    try:
        return Btf(origin.btf_path().read_bytes())
    except OSError:
        return None
